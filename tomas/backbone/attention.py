"""Attention as parts: a kernel for the language model, a core for layers that TOMAS trains from scratch, or both."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import nn

from tomas.config import Tva


class Core(Protocol):
    """Attention between projections: queries, keys and values in, mixed values out."""

    def __call__(
        self, q_BHTD: torch.Tensor, k_BHSD: torch.Tensor, v_BHSD: torch.Tensor, allowed_TS: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Mixed values [B, H, T, D]; `allowed_TS` is True where a query may look, None where it may look anywhere."""


@dataclass(frozen=True)
class Kernel:
    """One attention part."""

    core: type[nn.Module]
    """Made from (heads, head width, options); a module that follows `Core`."""
    transformers: str | None = None
    """The name transformers knows the backbone's kernel by; None where it may not stand in a pretrained model."""
    is_residual: bool = False
    """Whether a pretrained model keeps its own attention and this is added to it, behind gates that start at zero."""


class Full(nn.Module):
    """Softmax attention over all pairs."""

    def __init__(self, heads: int, width: int, options: Tva) -> None:  # noqa: ARG002 - every core is made alike
        super().__init__()

    def forward(
        self, q_BHTD: torch.Tensor, k_BHSD: torch.Tensor, v_BHSD: torch.Tensor, allowed_TS: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Mixed values."""
        return nn.functional.scaled_dot_product_attention(q_BHTD, k_BHSD, v_BHSD, attn_mask=allowed_TS)


class LowRank(nn.Module):
    """Tri-vein attention: queries, keys and values meet in one subspace of rank r per head, and are lifted back.

    Values that stick out of the subspace by more than `tau` of their own length also pass through a few correction
    directions orthogonal to it. With r = head width the subspace is the whole space and this is full attention.
    """

    def __init__(self, heads: int, width: int, options: Tva) -> None:
        super().__init__()
        self.rank = min(options.rank, width)
        self.corrections = min(options.corrections, width - self.rank)
        self.tau = options.tau
        self.directions_HDQ = nn.Parameter(torch.randn(heads, width, self.rank + self.corrections))

    def forward(
        self, q_BHTD: torch.Tensor, k_BHSD: torch.Tensor, v_BHSD: torch.Tensor, allowed_TS: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Mixed values; the scale is that of the full width, so that rank changes the subspace and nothing else."""
        basis_HDQ = torch.linalg.qr(self.directions_HDQ.float()).Q.to(q_BHTD.dtype)
        plane_HDR, off_HDC = basis_HDQ.split([self.rank, self.corrections], dim=2)
        v_BHSR = v_BHSD @ plane_HDR
        values_BHSQ = torch.cat([v_BHSR, self._off_plane(v_BHSD, v_BHSR, off_HDC)], dim=3)
        mixed_BHTQ = nn.functional.scaled_dot_product_attention(
            q_BHTD @ plane_HDR, k_BHSD @ plane_HDR, values_BHSQ, attn_mask=allowed_TS, scale=q_BHTD.shape[3] ** -0.5
        )
        return mixed_BHTQ @ basis_HDQ.mT  # type: ignore[no-any-return]

    def _off_plane(self, v_BHSD: torch.Tensor, v_BHSR: torch.Tensor, off_HDC: torch.Tensor) -> torch.Tensor:
        """What each value has along the correction directions, zero where it lies near enough to the plane."""
        length = v_BHSD.square().sum(dim=3, keepdim=True)
        outside = (length - v_BHSR.square().sum(dim=3, keepdim=True)).clamp(min=0.0)
        return (v_BHSD @ off_HDC) * (outside > self.tau**2 * length)


class Linear(nn.Module):
    """Attention with the positive feature map elu + 1 instead of softmax: time and memory linear in the length."""

    def __init__(self, heads: int, width: int, options: Tva) -> None:  # noqa: ARG002 - every core is made alike
        super().__init__()

    def forward(
        self, q_BHTD: torch.Tensor, k_BHSD: torch.Tensor, v_BHSD: torch.Tensor, allowed_TS: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Mixed values; a mask needs the weights of all pairs."""
        scale = q_BHTD.shape[3] ** -0.25
        q_BHTD, k_BHSD = (nn.functional.elu(x * scale) + 1.0 for x in (q_BHTD, k_BHSD))
        if allowed_TS is not None:
            weights_BHTS = (q_BHTD @ k_BHSD.mT) * allowed_TS
            return weights_BHTS @ v_BHSD / weights_BHTS.sum(dim=3, keepdim=True)
        norm_BHT1 = q_BHTD @ k_BHSD.sum(dim=2).unsqueeze(3)
        return q_BHTD @ (k_BHSD.mT @ v_BHSD) / norm_BHT1


class Attention(nn.Module):
    """Multi-head self-attention trained from scratch, with a core of one's choice between the projections."""

    def __init__(self, hidden: int, heads: int, kernel: Kernel, options: Tva) -> None:
        super().__init__()
        self.heads = heads
        self.project = nn.Linear(hidden, 3 * hidden)
        self.core = kernel.core(heads, hidden // heads, options)
        self.out = nn.Linear(hidden, hidden)

    def forward(self, x_BTH: torch.Tensor, allowed_TS: torch.Tensor | None = None) -> torch.Tensor:
        """Every position mixed with those it may look at."""
        q, k, v = self.project(x_BTH).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed_BHTD = self.core(q, k, v, allowed_TS)
        return self.out(mixed_BHTD.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


FLASH = Kernel(Full, "flash_attention_2")
SDPA = Kernel(Full, "sdpa")
EAGER = Kernel(Full, "eager")
TVA = Kernel(LowRank, "sdpa", is_residual=True)
LINEAR = Kernel(Linear)
