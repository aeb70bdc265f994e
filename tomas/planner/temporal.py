"""Temporal encoders: a window of free resources as one vector."""

from collections.abc import Callable

import torch
from torch import nn

KERNELS = (3, 5, 7)
WIDTH = 32
BLOCKS = 2
POINT_WIDTH = 16
FIRST_STEP = 0.2
"""A block's networks start at this share of their usual size, so that a window comes through them nearly as it is."""


class PointReader(nn.Module):
    """Blocks over the points of a window, which are then flattened: where something is free matters."""

    def __init__(self, channels: int, points: int, dim: int, width: int, block: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.lift = nn.Linear(channels, width)
        self.place = nn.Parameter(torch.randn(points, width) / 10)
        self.blocks = nn.Sequential(*(block() for _ in range(BLOCKS)))
        self.narrow = nn.Linear(width, POINT_WIDTH)
        self.out = nn.Linear(points * POINT_WIDTH, dim)

    def forward(self, window_BCP: torch.Tensor) -> torch.Tensor:
        """One vector a window."""
        points_BPW = self.blocks(self.lift(window_BCP.mT) + self.place)
        return self.out(nn.functional.gelu(self.narrow(points_BPW)).flatten(1))  # type: ignore[no-any-return]


class Mixing(nn.Module):
    """A network over the points, then one over the channels of each point, each added to what comes in."""

    def __init__(self, points: int) -> None:
        super().__init__()
        self.norm_points, self.norm_channels = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.points = nn.Sequential(nn.Linear(points, points), nn.GELU(), _small(nn.Linear(points, points)))
        self.channels = nn.Sequential(nn.Linear(WIDTH, 2 * WIDTH), nn.GELU(), _small(nn.Linear(2 * WIDTH, WIDTH)))

    def forward(self, x_BPW: torch.Tensor) -> torch.Tensor:
        """The points, each knowing of the others."""
        x_BPW = x_BPW + self.points(self.norm_points(x_BPW).mT).mT
        return x_BPW + self.channels(self.norm_channels(x_BPW))  # type: ignore[no-any-return]


def _small(linear: nn.Linear) -> nn.Linear:
    nn.init.zeros_(linear.bias)
    with torch.no_grad():
        linear.weight.mul_(FIRST_STEP)
    return linear


class TemporalMixer(PointReader):
    """Blocks that mix a window's points, then its channels."""

    def __init__(self, channels: int, points: int, dim: int) -> None:
        super().__init__(channels, points, dim, WIDTH, lambda: Mixing(points))


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
