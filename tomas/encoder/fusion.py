"""How a tool's meaning and a row's resources become one vector; every part maps (s, r) to e of the hidden size."""

import torch
from torch import nn

MAX_SHARE = 0.6


class Gated(nn.Module):
    """e = s + alpha * f(s, r): starts as pure meaning (alpha = 0) and takes in resources as far as they help.

    f is normalised to the length of s, so that alpha is the share of resources in the vector. Beyond MAX_SHARE it would
    drown the meaning: at 0.6 the cosine of e and s is 0.86 where f is orthogonal to s.
    """

    def __init__(self, hidden: int, d_resource: int, length: float) -> None:
        super().__init__()
        self.length = length
        self.alpha = nn.Parameter(torch.zeros(()))
        self.mix = nn.Sequential(nn.Linear(hidden + d_resource, hidden), nn.GELU(), nn.Linear(hidden, hidden))

    @property
    def share(self) -> torch.Tensor:
        """Alpha within its bounds."""
        return self.alpha.clamp(-MAX_SHARE, MAX_SHARE)

    def forward(self, s_BH: torch.Tensor, r_BR: torch.Tensor) -> torch.Tensor:
        """The joined vector."""
        f_BH = nn.functional.normalize(self.mix(torch.cat([s_BH / self.length, r_BR], dim=1)), dim=1)
        return s_BH + self.share * self.length * f_BH


class Attention(nn.Module):
    """Self-attention over the two vectors, their mean taken, normalised to the length of s."""

    def __init__(self, hidden: int, d_resource: int, length: float) -> None:
        super().__init__()
        self.length = length
        self.lift = nn.Linear(d_resource, hidden)
        heads = next(n for n in (8, 4, 2, 1) if hidden % n == 0)
        self.attention = nn.MultiheadAttention(hidden, heads, batch_first=True)
        self.norm = nn.LayerNorm(hidden)

    def forward(self, s_BH: torch.Tensor, r_BR: torch.Tensor) -> torch.Tensor:
        """The joined vector."""
        pair_B2H = torch.stack([s_BH / self.length * s_BH.shape[1] ** 0.5, self.lift(r_BR)], dim=1)
        mixed_B2H = pair_B2H + self.attention(pair_B2H, pair_B2H, pair_B2H, need_weights=False)[0]
        return nn.functional.normalize(self.norm(mixed_B2H.mean(dim=1)), dim=1) * self.length


class Concat(nn.Module):
    """Meaning and resources side by side, half the width each, normalised to the length of s."""

    def __init__(self, hidden: int, d_resource: int, length: float) -> None:
        super().__init__()
        self.length = length
        self.tool = nn.Linear(hidden, hidden // 2)
        self.resources = nn.Linear(d_resource, hidden - hidden // 2)

    def forward(self, s_BH: torch.Tensor, r_BR: torch.Tensor) -> torch.Tensor:
        """The joined vector."""
        halves = torch.cat([self.tool(s_BH / self.length), self.resources(r_BR)], dim=1)
        return nn.functional.normalize(halves, dim=1) * self.length
