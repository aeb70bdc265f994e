"""Runs in a real MLflow store on disk."""

import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tomas.config import Params
from tomas.errors import UserError
from tomas.tracking import RunInfo, Tracker, open_run
from tomas.tracking.mlflow.runs import MAX_PARAM_CHARS, open_mlflow
from tomas.tracking.mlflow.store import open_store, search
from tomas.tracking.provenance import gather

FIRST_USE = """
import sys
from pathlib import Path
from tomas.config import Params
from tomas.tracking import open_run
with open_run("stage" + sys.argv[2], Params(), Path(sys.argv[1])) as tracker:
    tracker.metrics({"loss": 1.0}, 3)
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder whose store exists already."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setenv("TOMAS_REQUIRE_TRACKING", "1")
        folder = tmp_path_factory.mktemp("store")
        open_store(folder)
        yield folder


def runs(root: Path, **tags: str) -> list[Any]:
    client, experiment = open_store(root)
    return search(client, experiment, " and ".join(f"tags.`tomas.{name}` = '{value}'" for name, value in tags.items()))


def info(root: Path, stage: str, **tags: str) -> RunInfo:
    return RunInfo(stage, root, Params().model_dump(mode="json"), gather(root) | tags)


def test_stages_of_one_execution_share_a_parent_with_all_parameters_and_headline_metrics(root: Path) -> None:
    for stage, value in (("first", 1.0), ("second", 2.0)):
        with open_mlflow(info(root, stage, **{"dvc.exp.name": "shared"})) as tracker:
            tracker.summary({"score": value, "detail": {"part": 0.5}, "note": "words"})
    (parent,) = runs(root, kind="pipeline", **{"dvc.exp.name": "shared"})
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics == {"first/score": 1.0, "second/score": 2.0}
    assert parent.data.params["training.lr"] == "0.001"
    assert parent.data.params["seed"] == "0"
    (child,) = runs(root, stage="second", **{"dvc.exp.name": "shared"})
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert child.data.metrics["detail/part"] == 0.5
    assert child.data.tags["tomas.package.torch"].startswith("2.")


def test_another_execution_has_another_parent(root: Path) -> None:
    for experiment in ("one", "two"):
        with open_mlflow(info(root, "stage", **{"dvc.exp.name": experiment})):
            pass
    parents = {
        run.info.run_id for name in ("one", "two") for run in runs(root, kind="pipeline", **{"dvc.exp.name": name})
    }
    assert len(parents) == 2


def test_every_step_is_kept(root: Path) -> None:
    with open_mlflow(info(root, "steps")) as tracker:
        for step in range(1500):
            tracker.metrics({"loss": float(step), "alpha": -float(step)}, step)
    (run,) = runs(root, stage="steps")
    client, _ = open_store(root)
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [(metric.step, metric.value) for metric in history] == [(step, float(step)) for step in range(1500)]


def test_parameters_take_the_form_the_store_allows(root: Path) -> None:
    with open_mlflow(info(root, "params")) as tracker:
        tracker.params({"a@b": {"c": "x" * 10_000}, "list": [1, 2]})
    (run,) = runs(root, stage="params")
    assert run.data.params == {"a_at_b.c": "x" * MAX_PARAM_CHARS, "list": "[1, 2]"}


def test_metrics_of_any_name_are_kept(root: Path) -> None:
    with open_mlflow(info(root, "names")) as tracker:
        tracker.summary({"per tool": {"a@b, c": 1.0, "语音": 2.0, "A-B.c": 3.0}})
    (run,) = runs(root, stage="names")
    assert run.data.metrics == {"per tool/a_b_ c": 1.0, "per tool/语音": 2.0, "per tool/A-B.c": 3.0}


def test_a_failed_stage_is_a_failed_run(root: Path) -> None:
    with pytest.raises(ZeroDivisionError), open_mlflow(info(root, "failing")):
        raise ZeroDivisionError
    with pytest.raises(KeyboardInterrupt), open_mlflow(info(root, "stopped")):
        raise KeyboardInterrupt
    assert [run.info.status for run in runs(root, stage="failing")] == ["FAILED"]
    assert [run.info.status for run in runs(root, stage="stopped")] == ["KILLED"]


def test_runs_of_dead_processes_are_closed_and_those_of_other_machines_left_alone(root: Path) -> None:
    client, experiment = open_store(root)
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    tags = {"tomas.pid": dead.stdout.decode().strip(), "tomas.pid_start": "1"}
    here = client.create_run(experiment, tags={**tags, "tomas.host": socket.gethostname()}).info.run_id
    elsewhere = client.create_run(experiment, tags={**tags, "tomas.host": "elsewhere"}).info.run_id
    with open_mlflow(info(root, "next")):
        (running,) = runs(root, stage="next")
        assert running.info.status == "RUNNING"
    assert client.get_run(here).info.status == "KILLED"
    assert client.get_run(elsewhere).info.status == "RUNNING"


def test_the_machine_is_watched(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.1")
    with open_mlflow(info(root, "watched")) as tracker:
        import time

        time.sleep(1.0)
        tracker.tags({"note": "here"})
    (run,) = runs(root, stage="watched")
    assert run.data.metrics["system/system_memory_usage_megabytes"] > 0
    assert run.data.tags["tomas.note"] == "here"


def test_artifacts_lie_under_the_repository_wherever_the_stage_runs(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table.csv").write_text("a,b\n")
    with open_mlflow(info(root, "artifacts")) as tracker:
        tracker.artifact(tmp_path / "table.csv")
    (run,) = runs(root, stage="artifacts")
    assert run.info.artifact_uri.startswith((root / "mlartifacts").as_uri())
    assert list(root.glob("mlartifacts/**/table.csv"))
    assert not list(tmp_path.glob("ml*"))


def test_a_store_that_is_not_there_costs_one_warning_or_is_an_error_on_demand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.delenv("TOMAS_REQUIRE_TRACKING", raising=False)
    with caplog.at_level(logging.WARNING, "tomas"), open_run("stage", Params(), tmp_path) as tracker:
        tracker.metrics({"loss": 1.0}, 1)
        tracker.summary({"loss": 1.0})
    assert len([record for record in caplog.records if "not recorded" in record.message]) == 1
    monkeypatch.setenv("TOMAS_REQUIRE_TRACKING", "1")
    with pytest.raises(UserError, match="cannot be recorded"), open_run("stage", Params(), tmp_path):
        pytest.fail("the stage must not start")
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_breaks_off_does_not_stop_the_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: Path
) -> None:
    monkeypatch.delenv("TOMAS_REQUIRE_TRACKING")
    worked = False
    with open_run("broken", Params(), root) as tracker:
        tracker.artifact(tmp_path / "absent.csv")
        tracker.metrics({"loss": 1.0}, 1)
        worked = True
    assert worked
    assert isinstance(tracker, Tracker)


@pytest.mark.slow
def test_four_processes_may_meet_in_a_fresh_store(tmp_path: Path) -> None:
    env = os.environ | {"TOMAS_REQUIRE_TRACKING": "1", "OMP_NUM_THREADS": "1"}
    env.pop("MLFLOW_TRACKING_URI", None)
    command = [sys.executable, "-c", FIRST_USE, str(tmp_path)]
    processes = [subprocess.Popen([*command, str(number)], env=env) for number in range(4)]
    assert [process.wait(120) for process in processes] == [0, 0, 0, 0]
    for number in range(4):
        (run,) = runs(tmp_path, stage=f"stage{number}")
        assert run.info.status == "FINISHED"
        assert run.data.metrics["loss"] == 1.0
