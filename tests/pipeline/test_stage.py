"""The common main of every stage, run by the real dvc in a small project."""

import json
import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.pipeline.project import Project
from tests.processes import wait_for
from tomas.config import Params, narrowed
from tomas.errors import UserError
from tomas.runtime.inputs import changed, combined, input_digests
from tomas.runtime.process import available_cores, check_cache, set_threads


def state_files(toy: Project) -> list[Path]:
    return list((toy.root / ".tomas" / "checkpoints").glob("toy-*/state.json"))


def test_only_declared_sections_can_be_read() -> None:
    params = narrowed(Params(), ("seed", "encoder"))
    assert params.encoder == Params().encoder
    with pytest.raises(AttributeError):
        _ = params.training


def test_digests_tell_an_edit_of_what_the_stage_reads_and_of_nothing_else(toy: Project) -> None:
    before = input_digests(toy.root, "toy", ("seed", "encoder"))
    (toy.root / "stages" / "other.py").write_text("")
    with (toy.root / "params.yaml").open("a") as stream:
        stream.write("training:\n  max_epochs: 9\n")
    assert input_digests(toy.root, "toy", ("seed", "encoder")) == before
    toy.set_params("0.5", "0.25")
    (toy.root / "steps.txt").write_text("4")
    after = input_digests(toy.root, "toy", ("seed", "encoder"))
    assert changed(before, after) == ["params.yaml:encoder", "steps.txt"]
    assert combined(before) != combined(after)


def test_threads_are_set_before_libraries_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert set_threads(0) == 1
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert set_threads(0) == available_cores() <= (os.cpu_count() or 1)
    set_threads(1)
    assert os.environ["OMP_NUM_THREADS"] == "1"


def test_a_wrong_key_is_named_with_its_path_before_any_work(toy: Project) -> None:
    toy.set_params("lr: 0.5", "lr: 0.5\n  learning_rate: 1\nbogus: 2")
    done = toy.run("dvc", "repro", check=False)
    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if line.startswith("toy:")]
    assert len(lines) == 2
    assert "params.yaml: encoder.learning_rate: unknown key" in lines[0]
    assert "params.yaml: bogus: unknown key" in lines[1]
    assert "Traceback" not in done.stderr
    assert not (toy.root / "assets").exists()
    assert not (toy.root / ".tomas" / "runs").exists()


def test_a_fresh_repro_leaves_git_clean_the_second_time(toy: Project) -> None:
    toy.run("dvc", "repro")
    assert json.loads((toy.root / "metrics" / "toy.json").read_text()) == {"nested": {"steps": 3}, "score": 1.0}
    toy.commit()
    toy.run("dvc", "repro", "--force")
    assert toy.run("git", "status", "--porcelain").stdout == ""
    assert "up to date" in toy.run("dvc", "repro").stdout


@pytest.mark.slow
def test_an_edit_while_the_stage_runs_fails_it(toy: Project) -> None:
    process = toy.start("dvc", "repro", TOY_SECONDS_A_STEP="0.7")
    wait_for(lambda: state_files(toy))
    toy.set_params("0.5", "0.25")
    assert process.wait(60) != 0
    assert not (toy.root / "dvc.lock").exists()
    assert not (toy.root / "metrics" / "toy.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["/bin/bash", "/bin/sh"])  # one hands its process over to the stage, one stays
def test_killing_dvc_kills_its_stage_and_the_next_repro_goes_on(toy: Project, shell: str) -> None:
    toy.set_params("jsonl", "mlflow")
    (toy.root / "steps.txt").write_text("40")
    process = toy.start("dvc", "repro", TOY_SECONDS_A_STEP="0.2", SHELL=shell)
    wait_for(lambda: state_files(toy) and json.loads(state_files(toy)[0].read_text()) >= 3)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    time.sleep(0.5)
    stopped_at = json.loads(state_files(toy)[0].read_text())
    time.sleep(1.0)
    assert json.loads(state_files(toy)[0].read_text()) == stopped_at, "the stage outlived dvc"

    toy.run("dvc", "repro")
    assert (toy.root / "assets" / "toy.txt").read_text() == "1 0.5 40\n"
    assert not state_files(toy)
    runs = toy.sql("select name, status from runs order by start_time")
    assert runs == [("dvc repro", "KILLED"), ("toy", "KILLED"), ("dvc repro", "FINISHED"), ("toy", "FINISHED")]
    finished = "(select run_uuid from runs where name = 'toy' and status = 'FINISHED')"
    first = toy.sql(f"select min(step) from metrics where key = 'count' and run_uuid = {finished}")
    assert first == [(stopped_at,)]


def test_a_cache_that_cannot_be_written_stops_the_stage_before_it_works(toy: Project) -> None:
    toy.run("dvc", "config", "cache.dir", str(toy.root / "steps.txt" / "cache"))
    done = toy.run("python", "-u", "-m", "stages.toy", check=False, DVC_STAGE="toy")
    assert done.returncode == 1
    assert "DVC's cache cannot be written" in done.stderr
    assert not (toy.root / "assets").exists()


def test_a_full_disk_is_said_before_the_stage_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=5 << 20))
    with pytest.raises(UserError, match="only 5 MiB free"):
        check_cache(tmp_path)
