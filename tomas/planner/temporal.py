"""Temporal encoders: a window of free resources as one vector."""

import torch
from torch import nn

KERNELS = (3, 5, 7)
WIDTH = 32


class TemporalCNN(nn.Module):
    """Convolutions at three scales, a second layer over all of them, flattened: where something is free matters."""

    def __init__(self, channels: int, points: int, dim: int) -> None:
        super().__init__()
        self.scales = nn.ModuleList([nn.Conv1d(channels, WIDTH, k, padding=k // 2) for k in KERNELS])
        self.join = nn.Conv1d(WIDTH * len(KERNELS), WIDTH, 3, stride=2, padding=1)
        self.out = nn.Linear(WIDTH * ((points + 1) // 2), dim)

    def forward(self, window_BCP: torch.Tensor) -> torch.Tensor:
        """One vector a window."""
        scales = torch.cat([conv(window_BCP) for conv in self.scales], dim=1)
        joined = nn.functional.gelu(self.join(nn.functional.gelu(scales)))
        return self.out(joined.flatten(1))  # type: ignore[no-any-return]


class NoTimeline(nn.Module):
    """Sees nothing: every window is the same vector (the ablation without a timeline)."""

    def __init__(self, channels: int, points: int, dim: int) -> None:  # noqa: ARG002 - every encoder is made alike
        super().__init__()
        self.vector = nn.Parameter(torch.zeros(dim))

    def forward(self, window_BCP: torch.Tensor) -> torch.Tensor:
        """The same vector for every window."""
        return self.vector.expand(len(window_BCP), -1)
