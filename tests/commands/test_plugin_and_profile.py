"""`tomas plugin` and `tomas profile` as people call them, in a project of their own."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tomas.cli import main
from tomas.kernel.profiles import read_profile
from tomas.kernel.yaml_files import plain, read_yaml

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def standing(capsys: pytest.CaptureFixture[str]) -> dict[tuple[str, str], str]:
    capsys.readouterr()
    assert main(["plugin", "list", "--json"]) == 0
    return {(row["kind"], row["name"]): row["status"] for row in json.loads(capsys.readouterr().out)}


@pytest.mark.usefixtures("project")
def test_list_tells_in_use_default_available_and_missing(capsys: pytest.CaptureFixture[str]) -> None:
    main(["plugin", "enable", "concat"])
    status = standing(capsys)
    assert status["fusion", "concat"] == "in use"
    assert status["fusion", "gated"] == "default"
    assert status["fusion", "attention"] == "available"
    assert status["attention", "flash"] == "missing"
    assert status["router", "moe"] == "available"  # off until plugins: names it
    assert status["attention", "sdpa"] == "in use"  # what `auto` takes here


def test_enabling_and_disabling_edits_one_line_and_keeps_comments(project: Path) -> None:
    before = (project / "params.yaml").read_text()
    assert main(["plugin", "enable", "moe"]) == 0
    assert (project / "params.yaml").read_text() == before.replace("plugins: []", "plugins: [moe]")
    assert main(["plugin", "disable", "moe"]) == 0
    assert (project / "params.yaml").read_text() == before


def test_a_part_whose_package_is_gone_can_be_disabled(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (project / "params.yaml").read_text()
    gone = before.replace("plugins: []", "plugins: [film]").replace("fusion: gated", "fusion: film")
    (project / "params.yaml").write_text(gone)
    assert main(["plugin", "enable", "concat"]) == 2
    assert "tomas plugin disable film" in capsys.readouterr().err
    assert main(["plugin", "disable", "film"]) == 0
    assert (project / "params.yaml").read_text() == before


def test_enable_edits_a_profile_when_told(project: Path) -> None:
    before = (project / "params.yaml").read_text()
    assert main(["plugin", "enable", "concat", "--profile", "tiny"]) == 0
    assert (project / "params.yaml").read_text() == before
    profile = (project / "profiles" / "tiny.yaml").read_text()
    assert "fusion: concat" in profile
    assert "extends: cpu" in profile


def test_a_profile_is_edited_as_what_it_extends_makes_it(project: Path) -> None:
    mine = project / "profiles" / "mine.yaml"
    mine.write_text("about: mine\nextends: tiny_debug\ntemporal:\n  kind: cnn\n")
    assert main(["plugin", "enable", "voter", "--profile", "mine"]) == 0
    assert read_profile(mine).overlay["plugins"] == ["moe", "align", "voter"]
    assert main(["plugin", "disable", "align", "--profile", "mine"]) == 0
    assert read_profile(mine).overlay["plugins"] == ["moe", "voter"]
    before = mine.read_text()
    assert main(["plugin", "disable", "cnn", "--profile", "mine"]) == 0
    assert mine.read_text() == before.replace("kind: cnn", "kind: mixer")


def test_a_plug_in_that_goes_takes_its_schedules_with_it(project: Path) -> None:
    def schedules() -> Any:
        return plain(read_yaml(project / "params.yaml"))["schedules"]

    assert main(["profile", "use", "moe_reasoning"]) == 0
    assert main(["plugin", "disable", "moe"]) == 0
    assert schedules() == {"enable_align_at_epoch": 3}
    assert main(["plugin", "disable", "align"]) == 0
    assert schedules() == {}


def test_what_cannot_stand_beside_the_rest_is_listed_as_incompatible_and_not_enabled(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (project / "params.yaml").read_text()
    assert standing(capsys)["attention", "linear"] == "incompatible"
    assert standing(capsys)["align", "bistate"] == "available"
    assert main(["plugin", "enable", "linear"]) == 1
    assert (project / "params.yaml").read_text() == before
    assert main(["plugin", "enable", "regressor"]) == 0
    assert standing(capsys)["align", "bistate"] == "incompatible"
    (project / "params.yaml").write_text("seed: 1\n")  # what is left out has its default
    assert standing(capsys)["align", "bistate"] == "available"


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["plugin", "info", "gatd"], "Did you mean gated"),
        (["plugin", "enable", "mo"], "unknown part"),
        (["plugin", "list", "--kind", "fushion"], "Did you mean fusion"),
        (["plugin", "disable", "gated"], "is the default fusion"),
        (["profile", "use", "tinny"], "Did you mean tiny"),
        (["profile", "show", "nowhere.yaml"], "no profile file"),
        (["train", "-p", "tiny", "--set", "lr"], "KEY=VALUE"),
        (["train", "-p", "tiny", "--plugins", "mo"], "unknown part"),
    ],
)
def test_a_wrong_call_is_one_line_and_exit_code_2(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_nothing_is_written_that_could_not_run(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "profiles" / "bad.yaml").write_text("about: bad\nencoder: {lrr: 0.1}\n")
    before = (project / "params.yaml").read_text()
    assert main(["profile", "use", "bad"]) == 1
    assert "encoder.lrr: unknown key" in capsys.readouterr().err
    assert (project / "params.yaml").read_text() == before


@pytest.mark.usefixtures("project")
def test_using_a_profile_says_what_changed_and_the_list_marks_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "use", "tiny"]) == 0
    assert "backbone.name: smollm2-135m -> tiny" in capsys.readouterr().out
    main(["profile", "list"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("*")] == ["tiny"]


@pytest.mark.usefixtures("project")
def test_info_says_how_a_part_is_used_and_what_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugin", "info", "flash"]) == 0
    text = capsys.readouterr().out
    assert 'pip install "tomas[cuda]"' in text
    assert "backbone.attention: flash" in text
    assert "sdpa, eager" in text


def test_listing_and_help_are_fast_and_load_nothing_heavy() -> None:
    for words in (["plugin", "list"], ["--help"]):
        code = (
            "import sys; from tomas.cli import main\n"
            "try: main(sys.argv[1:])\nexcept SystemExit: pass\n"
            "heavy = {'torch', 'transformers', 'mlflow', 'pandas', 'pydantic'} & set(sys.modules)\n"
            "assert not heavy, heavy"
        )
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", code, *words], capture_output=True, text=True, cwd=ROOT, check=False
        )
        assert done.returncode == 0, done.stderr
        assert time.perf_counter() - start < 2.0  # 0.15 s on a quiet machine; the promise is 0.5


def test_the_doctor_finds_a_healthy_project_and_an_ill_one(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / ".dvc").mkdir()
    assert main(["doctor", "--json"]) == 0
    findings = {finding["topic"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert findings["attention"]["text"] == "auto: sdpa"
    (project / "params.yaml").write_text("encoder: {fusion: gatd}\n")
    assert main(["doctor"]) == 1
    assert "Did you mean gated" in capsys.readouterr().out


def test_the_doctor_tells_a_fallback_and_strict_makes_it_a_problem(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOMAS_STRICT", "0")
    (project / ".dvc").mkdir()
    (project / "params.yaml").write_text("backbone: {attention: flash}\n")
    assert main(["doctor"]) == 0
    assert "flash -> sdpa: flash_attn is not installed" in capsys.readouterr().out
    assert main(["doctor", "--strict"]) == 1
