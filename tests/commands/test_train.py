"""`tomas train` runs a DVC experiment whose parameters are the profile's, while params.yaml stays as it is."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from tomas.cli import main
from tomas.commands.train import experiment_params, overrides_between
from tomas.errors import UserError

ROOT = Path(__file__).parents[2]

LEAVES = st.booleans() | st.integers(-5, 5) | st.floats(-1e6, 1e6) | st.text("ab'\\ /:,{}=", max_size=6)
KEYS = st.sampled_from(["a", "b", "c"])
FREE = st.dictionaries(KEYS, LEAVES | st.dictionaries(KEYS, LEAVES, min_size=1))
PARAMS = st.fixed_dictionaries({"fixed": LEAVES | st.none() | st.lists(LEAVES), "free": FREE, "section": FREE})


@pytest.mark.slow
@given(before=PARAMS, after=PARAMS)
def test_dvc_reads_the_overrides_back_as_they_were_meant(before: dict[str, Any], after: dict[str, Any]) -> None:
    from hydra._internal.config_loader_impl import ConfigLoaderImpl
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from omegaconf import OmegaConf

    config = OmegaConf.create(before)
    words = list(overrides_between(before, after))
    ConfigLoaderImpl._apply_overrides_to_config(OverridesParser.create().parse_overrides(words), config)
    assert OmegaConf.to_container(config, resolve=False) == after


def test_a_setting_changes_one_key_and_a_plug_in_left_out_takes_its_schedules_along() -> None:
    profile = ROOT / "profiles" / "moe_reasoning.yaml"
    own = {
        "enable_moe_at_epoch": 2,
        "enable_align_at_epoch": 3,
        "route_temp": {"start": 1.5, "end": 0.8, "by": "epoch"},
    }

    def asked(plugins: list[str] | None, *settings: str) -> dict[str, Any]:
        return experiment_params(ROOT / "params.yaml", profile, plugins, settings)

    assert asked(None)["schedules"] == own
    assert asked(None, "schedules.enable_moe_at_epoch=1")["schedules"] == own | {"enable_moe_at_epoch": 1}
    assert asked(["align"])["schedules"] == {"enable_align_at_epoch": 3}
    assert asked([])["schedules"] == {}
    with pytest.raises(UserError, match="epoch 3 never comes"):
        asked(None, "training.max_epochs=3")


def git(folder: Path, *words: str) -> None:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


@pytest.mark.slow
def test_an_experiment_gets_the_profile_and_params_yaml_is_untouched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    project = tmp_path / "project"
    project.mkdir()
    shutil.copy(ROOT / "params.yaml", project)
    shutil.copytree(ROOT / "profiles", project / "profiles")
    (project / "dvc.yaml").write_text(
        "stages:\n  copy:\n    cmd: cp params.yaml out.yaml\n    params: [encoder, plugins]\n    outs: [out.yaml]\n"
    )
    git(project, "init", "-q")
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], cwd=project, check=True)
    git(project, "add", ".")
    git(project, "commit", "-qm", "start")
    before = (project / "params.yaml").read_bytes()
    monkeypatch.chdir(project)
    for name in ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"):
        monkeypatch.setenv(name, "Test")
    for name in ("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"):
        monkeypatch.setenv(name, "test@example.org")

    assert main(["train", "-p", "tiny", "--set", "encoder.lr=2e-05", "--name", "trial"]) == 0, capfd.readouterr()

    assert (project / "params.yaml").read_bytes() == before
    subprocess.run([sys.executable, "-m", "dvc", "exp", "apply", "trial"], cwd=project, check=True, capture_output=True)
    trained = YAML(typ="safe").load((project / "out.yaml").read_text())
    assert trained["backbone"]["name"] == "tiny"
    assert trained["encoder"]["lr"] == 2e-05
    assert trained["encoder"]["fusion"] == "gated"
