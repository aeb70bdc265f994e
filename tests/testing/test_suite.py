"""Every part of TOMAS passes the suite that other people's parts are asked to pass, and a bad part does not."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tomas.domain.plan import ResourceConfig, run_plan
from tomas.execution.exporters.job import Export
from tomas.kernel.availability import missing_modules
from tomas.kernel.spec import PartSpec
from tomas.kernel.tables import PARTS
from tomas.testing import check_part
from tomas.testing.suite import CHECKS

CHECKED = [part for part in PARTS if part.kind in CHECKS and not missing_modules(part)]


@pytest.mark.parametrize("part", CHECKED, ids=lambda part: f"{part.kind}.{part.name}")
def test_our_own_part_conforms(part: PartSpec) -> None:
    check_part(part)


class NoFusion(nn.Module):
    """Leaves the resources out."""

    def __init__(self, hidden: int, d_resource: int, length: float) -> None:
        super().__init__()
        self.mix = nn.Linear(hidden, hidden)

    def forward(self, s_BH: torch.Tensor, r_BR: torch.Tensor) -> torch.Tensor:
        return self.mix(s_BH)


class PeekingKernel:
    """Forgets the mask."""

    @staticmethod
    def core(*_: Any) -> Any:
        return lambda q, k, v, *_mask: nn.functional.scaled_dot_product_attention(q, k, v)


class Instant:
    """Promises no time at all."""

    def predict(self, case: Any) -> float:
        return 0.0

    def observe(self, case: Any, elapsed_ms: float) -> None: ...


class Forgetful:
    """Adds a layer and does not say so in the checkpoint."""

    def __init__(self, options: Any) -> None: ...

    def on_epoch_start(self, run: Any) -> None:
        if run.epoch == 0:
            run.task.module["mlp"].append(nn.Linear(1, 1))


class Tangled:
    """Keeps a tensor where plain values belong."""

    def __init__(self, options: Any) -> None: ...

    def on_checkpoint_save(self, state: dict[str, Any]) -> None:
        state["tangled"] = torch.zeros(1)


class Emptying:
    """Takes every tool out of the choice."""

    def __init__(self, options: Any) -> None: ...

    def on_plan_logits(self, planner: Any, case: Any, logits: Any) -> Any:
        return np.full(len(logits), -np.inf)


class Reckless:
    """Always takes the largest configuration, from a moment at which it does not fit."""

    def __init__(self, options: Any) -> None: ...

    def on_plan_end(self, planner: Any, case: Any, prediction: Any, plan: Any) -> Any:
        if prediction.doubt < 0.5:
            return None
        return run_plan(planner.catalogue, 2, status="ready", start_ms=1400.0, feasible=True)


def stingy(job: Any) -> Export:
    """Asks for half of everything."""
    half = {name: value / 2 for name, value in job.resources.model_dump().items()}
    return Export(" ".join(job.command), ResourceConfig(**half), enforced=dict.fromkeys(half, "a promise"))


@pytest.mark.parametrize(
    ("kind", "factory", "message"),
    [
        ("fusion", "NoFusion", "resources make no difference"),
        ("attention", "PeekingKernel", "saw the last one"),
        ("latency", "Instant", "predicted 0.0 ms"),
        ("observer", "Forgetful", "Unexpected key"),
        ("observer", "Tangled", "not JSON serializable"),
        ("retriever", "Emptying", "left no tool"),
        ("voter", "Reckless", "does not fit"),
        ("exporter", "stingy", "less than the plan's"),
        ("fusoin", "NoFusion", "is no kind of part"),
    ],
)
def test_a_part_that_does_not_conform_is_told_why(kind: str, factory: str, message: str) -> None:
    with pytest.raises((AssertionError, RuntimeError, TypeError), match=message):
        check_part(PartSpec(kind, "bad", f"{__name__}:{factory}", "a bad part"))
