"""What a training is, as the loop and its hooks see it: the task, the settings, and where it stands."""

import os
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import torch
from accelerate import Accelerator

from tomas.training.checkpoint import Checkpoint, State, rng_state
from tomas.training.hooks import Hooks
from tomas.training.schedules import LearningRate, Schedules

Row = dict[str, float]
History = list[Row]
"""A row per logged update (step, epoch, lr, loss, the task's scalars, scheduled values) and a row per epoch's end
(step, epoch, epoch_loss, the task's validation metrics)."""


class Task(Protocol):
    """What is trained; the loop knows nothing else of it."""

    @property
    def module(self) -> torch.nn.Module:
        """What is trained; only its parameters that need a gradient, and its buffers, are checkpointed."""

    def param_groups(self) -> list[dict[str, Any]]:
        """AdamW's groups: `params`, peak `lr`, `weight_decay`."""

    def num_batches(self, epoch: int) -> int:
        """Batches in an epoch."""

    def batch(self, epoch: int, index: int) -> Any:
        """The global batch: a pure function of seed, epoch and index, so that resuming is exact."""

    def loss(self, batch: Any) -> dict[str, torch.Tensor]:
        """`loss` (a mean over the rows given, see `global_mean`), scalars to log, and tensors for loss hooks."""

    def end_epoch(self, epoch: int) -> dict[str, float]:
        """Validation metrics, maybe none."""


class MetricSink(Protocol):
    """The one method of a tracker that the loop needs."""

    def metrics(self, values: dict[str, float], step: int | None = None) -> None:
        """Record values at a step."""


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """How long and how fast to train."""

    max_epochs: int
    warmup_share: float = 0.05
    schedule: LearningRate = "cosine"
    grad_clip: float = 1.0
    accumulate: int = 1
    stop_loss: float | None = None
    checkpoint_every_s: float = field(default_factory=lambda: float(os.environ.get("TOMAS_CHECKPOINT_S", "60")))
    """Set by the environment where it matters, since it changes no result."""
    log_every: int = 10


@dataclass
class Run:
    """Where a training stands, as hooks see it."""

    task: Task
    settings: LoopSettings
    schedules: Schedules
    hooks: Hooks
    accelerator: Accelerator
    checkpoint: Checkpoint | None
    tracker: MetricSink | None
    epoch: int = 0
    update: int = 0
    """Updates made in this epoch."""
    step: int = 0
    """Updates made in all."""
    epoch_loss: torch.Tensor = field(default_factory=lambda: torch.zeros(()))
    """Sum of the updates' losses in this epoch."""
    stopped: bool = False
    history: History = field(default_factory=list)
    rng: State = field(default_factory=rng_state)
    """The random generators after the last update."""

    @cached_property
    def total_steps(self) -> int:
        """Updates of the whole training."""
        return sum(self.updates(epoch) for epoch in range(self.settings.max_epochs))

    def updates(self, epoch: int) -> int:
        """Updates of an epoch; its last one may gather fewer batches."""
        return -(-self.task.num_batches(epoch) // self.settings.accumulate)

    def scheduled(self) -> Row:
        """Every scheduled value now."""
        return self.schedules.values(self.epoch, self.settings.max_epochs, self.step, self.total_steps)

    def record(self, row: Row) -> None:
        """Add a row to the history and to the tracker."""
        self.history.append(row)
        if self.tracker and self.accelerator.is_main_process:
            self.tracker.metrics({name: value for name, value in row.items() if name != "step"}, step=self.step)
