"""What plug-ins of a run must keep to: hooks that exist, state that survives, and a run that still trains."""

import json
from typing import Any

import torch
from torch import nn

from tomas.training.hooks import Hooks
from tomas.training.loop import LoopSettings, fit


class SmallTask:
    """A two-layer network that learns a sum; small enough to train in milliseconds."""

    def __init__(self, lr: float = 0.01) -> None:
        torch.manual_seed(0)
        self.lr = lr
        self.head = nn.Linear(3, 6)
        self.module = nn.ModuleDict(
            {"mlp": nn.Sequential(nn.Linear(3, 6), nn.GELU(), nn.Linear(6, 1)), "head": self.head}
        )

    def param_groups(self) -> list[dict[str, Any]]:
        """One group."""
        return [{"params": list(self.module.parameters()), "lr": self.lr, "weight_decay": 0.0}]

    def num_batches(self, epoch: int) -> int:  # noqa: ARG002
        """Three."""
        return 3

    def batch(self, epoch: int, index: int) -> torch.Tensor:
        """Rows drawn from epoch and index alone."""
        return torch.randn(8, 3, generator=torch.Generator().manual_seed(10 * epoch + index))

    def loss(self, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        """Squared error, and what the planner's task gives for loss hooks."""
        rows_NH = self.head.weight
        return {
            "loss": (self.module["mlp"](batch)[:, 0] - batch.sum(dim=1)).square().mean(),
            "query_BH": batch,
            "rows_NH": rows_NH,
            "anchor_NH": rows_NH.detach() + 0.1,
            "row_tool_N": torch.arange(len(rows_NH)) // 3,
            "config_B": torch.arange(len(batch)) % 7 - 1,
        }

    def end_epoch(self, epoch: int) -> dict[str, float]:  # noqa: ARG002
        """Nothing."""
        return {}


def check_plugin(factory: Any, options: Any) -> None:
    """A plug-in has no misspelt hook, lets a run train, and gives the same run when its state was saved and loaded."""
    first, second = SmallTask(), SmallTask()
    plugin = factory(options)
    Hooks({"part": plugin})
    state: dict[str, Any] = {}
    settings = LoopSettings(max_epochs=2, log_every=1)
    fit(first, settings, hooks=Hooks({"part": plugin}))
    Hooks({"part": plugin}).call.on_checkpoint_save(module=first.module, state=state)
    assert json.loads(json.dumps(state)) == state, "the state it saves is not plain JSON"
    Hooks({"part": factory(options)}).call.on_checkpoint_load(module=second.module, state=state)
    second.module.load_state_dict(first.module.state_dict())
    x = torch.randn(4, 3)
    same = torch.allclose(second.module.eval()["mlp"](x), first.module.eval()["mlp"](x))
    assert same, "weights that were saved compute something else after loading"


def check_router(factory: Any, options: Any) -> None:
    """A router keeps the function when it takes over a layer, and its state can be saved and loaded."""
    check_plugin(factory, options)
    task = SmallTask(lr=0.0)
    x = torch.randn(5, 3)
    before = task.module["mlp"](x)
    fit(task, LoopSettings(max_epochs=1), hooks=Hooks({"part": factory(options)}))
    assert torch.allclose(task.module.eval()["mlp"](x), before, atol=1e-5), "taking over a layer changed its function"
