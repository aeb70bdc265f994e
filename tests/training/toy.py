"""A task small enough to train in milliseconds: noisy linear regression with a frozen and a trained layer."""

from typing import Any

import torch

from tomas.training.processes import global_mean


class ToyTask:
    """y = W x; rows without a target do not count, so that a batch's shards hold unequal numbers of items."""

    def __init__(self, seed: int = 0, dropout: float = 0.1, rows: int = 6) -> None:
        torch.manual_seed(seed)
        self.frozen = torch.nn.Linear(4, 4).requires_grad_(False)
        torch.nn.init.orthogonal_(self.frozen.weight)
        self.head = torch.nn.Sequential(torch.nn.Dropout(dropout), torch.nn.Linear(4, 2))
        self.module = torch.nn.ModuleDict({"frozen": self.frozen, "head": self.head})
        self.seed, self.rows = seed, rows

    def param_groups(self) -> list[dict[str, Any]]:
        return [{"params": [p for p in self.module.parameters() if p.requires_grad], "lr": 0.1, "weight_decay": 0.01}]

    def num_batches(self, epoch: int) -> int:
        return 5

    def batch(self, epoch: int, index: int) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(1000 * self.seed + 100 * epoch + index)
        x = torch.randn(self.rows, 4, generator=generator)
        return {"x": x, "y": x[:, :2] - x[:, 2:], "counts": (torch.rand(self.rows, generator=generator) < 0.7).float()}

    def loss(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        error = (self.head(self.frozen(batch["x"])) - batch["y"]).square().mean(dim=-1) * batch["counts"]
        return {"loss": global_mean(error.sum(), batch["counts"].sum()), "prediction": error}

    def end_epoch(self, epoch: int) -> dict[str, float]:
        return {"weight_norm": float(self.head[1].weight.detach().norm())}


def weights(task: ToyTask) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in task.module.state_dict().items()}
