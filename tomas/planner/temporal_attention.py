"""Temporal encoders that let every point of a window look at every other: a small transformer, trained from scratch."""

import torch
from torch import nn

from tomas.backbone.attention import LINEAR, SDPA, TVA, Attention, Kernel
from tomas.config import Tva
from tomas.planner.temporal import PointReader

WIDTH = 64
HEADS = 4


class Block(nn.Module):
    """Attention, then a two-layer network, each added to what comes in."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__()
        self.norm_attention, self.norm_mlp = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attention = Attention(WIDTH, HEADS, kernel, Tva())
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 2 * WIDTH), nn.GELU(), nn.Linear(2 * WIDTH, WIDTH))

    def forward(self, x_BPW: torch.Tensor) -> torch.Tensor:
        """The points, each knowing of the others."""
        x_BPW = x_BPW + self.attention(self.norm_attention(x_BPW))
        return x_BPW + self.mlp(self.norm_mlp(x_BPW))  # type: ignore[no-any-return]


class TemporalAttention(PointReader):
    """A transformer over the points of a window."""

    kernel = SDPA

    def __init__(self, channels: int, points: int, dim: int) -> None:
        super().__init__(channels, points, dim, WIDTH, lambda: Block(self.kernel))


class TemporalTva(TemporalAttention):
    """The same with low-rank attention."""

    kernel = TVA


class TemporalLinear(TemporalAttention):
    """The same with linear attention."""

    kernel = LINEAR
