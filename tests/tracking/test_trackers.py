"""Every kind of tracker that needs no store of its own."""

import json
import os
from pathlib import Path

import pytest

from tomas.config import Params, parse_params
from tomas.errors import UsageError
from tomas.tracking import open_run
from tomas.tracking.base import flatten, numbers
from tomas.tracking.processes import ProcessId, pipeline_process, process_id


def lines(root: Path) -> list[dict[str, object]]:
    (file,) = (root / ".tomas" / "runs").glob("*.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_jsonl_keeps_every_event_in_order(tmp_path: Path) -> None:
    (tmp_path / "plot.csv").write_text("1\n")
    with open_run("stage", parse_params({"tracker": "jsonl"}), tmp_path, {"data": "abc"}) as tracker:
        tracker.metrics({"loss": 0.5}, 7)
        tracker.artifact(tmp_path / "plot.csv")
        tracker.summary({"score": 1, "by": {"tool": 2.0}, "name": "x"})
    events = lines(tmp_path)
    assert [event["event"] for event in events] == [
        "start", "tags", "params", "metrics", "artifact", "summary", "end",
    ]  # fmt: skip
    assert events[1]["tags"]["input.data"] == "abc"  # type: ignore[index]
    assert events[3]["metrics"] == {"loss": 0.5}
    assert events[3]["step"] == 7
    assert events[5]["metrics"] == {"score": 1.0, "by.tool": 2.0}
    assert events[6]["status"] == "finished"
    assert list((tmp_path / ".tomas" / "runs").glob("*/plot.csv"))


def test_jsonl_says_that_a_stage_failed(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), open_run("stage", parse_params({"tracker": "jsonl"}), tmp_path):
        raise ZeroDivisionError
    assert lines(tmp_path)[-1]["status"] == "failed"


def test_none_leaves_nothing_behind(tmp_path: Path) -> None:
    with open_run("stage", parse_params({"tracker": "none"}), tmp_path) as tracker:
        tracker.metrics({"loss": 0.5})
        tracker.artifact(tmp_path / "absent")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_tracker_is_an_error_and_not_a_gap(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="mlflow"):
        open_run("stage", Params(tracker="mlfow"), tmp_path)


def test_wandb_writes_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="the extra wandb is not installed")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    with open_run("stage", parse_params({"tracker": "wandb"}), tmp_path) as tracker:
        tracker.metrics({"loss": 0.5}, 1)
        tracker.summary({"score": 1.0})
    assert list((tmp_path / ".tomas" / "wandb").glob("wandb/offline-run-*/*.wandb"))


def test_a_process_is_told_from_a_later_one_of_the_same_id() -> None:
    me = process_id(os.getpid())
    assert me.is_alive()
    assert not ProcessId(me.pid, "0").is_alive()
    assert not ProcessId(2**22 + 1, "0").is_alive()
    assert pipeline_process().is_alive()


def test_nested_values_become_flat_and_only_numbers_are_metrics() -> None:
    flat = flatten({"a": {"b": 1, "c": {"d": 2.5}}, "e": "word", "f": None})
    assert flat == {"a.b": 1, "a.c.d": 2.5, "e": "word", "f": None}
    assert numbers(flat) == {"a.b": 1.0, "a.c.d": 2.5}
