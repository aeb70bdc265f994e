"""Runs for Weights & Biases, written to a folder and sent only when the user says so."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tomas.tracking.base import RunInfo, Tracker, flatten, numbers


class WandbTracker:
    """One W&B run a stage; the stages of one pipeline are a group."""

    def __init__(self, run: Any) -> None:
        self._run = run

    def params(self, values: Mapping[str, Any]) -> None:
        self._run.config.update(dict(values), allow_val_change=True)

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        # An own axis: W&B drops values whose step goes back, which a resumed run's may.
        self._run.log(dict(values) if step is None else {**values, "step": step})

    def artifact(self, path: Path) -> None:
        self._run.log_artifact(str(path), name=path.name)

    def tags(self, values: Mapping[str, str]) -> None:
        self._run.config.update({"tags": dict(values)}, allow_val_change=True)

    def planner(self, folder: Path) -> None:
        self._run.log_artifact(str(folder), name="planner", type="model")

    def summary(self, values: Mapping[str, Any]) -> None:
        self._run.summary.update(numbers(flatten(values)))


@contextmanager
def open_wandb(info: RunInfo) -> Iterator[Tracker]:
    """A W&B run, offline unless WANDB_MODE says otherwise; `wandb sync` sends it later."""
    import wandb

    folder = info.root / ".tomas" / "wandb"
    folder.mkdir(parents=True, exist_ok=True)
    run = wandb.init(
        project="tomas",
        dir=str(folder),
        mode=os.environ.get("WANDB_MODE", "offline"),
        group=f"pipeline-{info.tags.get('pipeline.pid', '0')}-{info.tags.get('pipeline.pid_start', '0')}",
        job_type=info.stage,
        config=dict(info.params),
    )
    tracker = WandbTracker(run)
    tracker.tags(info.tags)
    try:
        yield tracker
    except BaseException:
        run.finish(exit_code=1)
        raise
    run.finish()
