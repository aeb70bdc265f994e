"""Attention cores: what they compute is what they claim, and no position sees what it may not."""

import pytest
import torch

from tomas.backbone.attention import Attention, Full, Kernel, Linear, LowRank
from tomas.config import Tva

KERNELS = {core.__name__: Kernel(core) for core in (Full, LowRank, Linear)}


def qkv(length: int = 7, width: int = 8) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    q, k, v = torch.randn(3, 2, 3, length, width, generator=generator, dtype=torch.float64)
    return q, k, v


def causal(length: int) -> torch.Tensor:
    return torch.ones(length, length, dtype=torch.bool).tril()


@pytest.mark.parametrize("mask", [None, causal(7)], ids=["open", "causal"])
def test_low_rank_at_full_rank_is_full_attention(mask: torch.Tensor | None) -> None:
    torch.manual_seed(1)
    core = LowRank(3, 8, Tva(rank=8))
    torch.testing.assert_close(core(*qkv(), mask), Full(3, 8, Tva())(*qkv(), mask), rtol=1e-5, atol=1e-6)


def test_low_rank_matches_its_definition() -> None:
    torch.manual_seed(1)
    core = LowRank(1, 8, Tva(rank=3, corrections=2, tau=0.9)).double()
    q, k, v = (x[:1, :1] for x in qkv())
    basis = torch.linalg.qr(core.directions_HDQ[0].detach()).Q
    plane, off = basis[:, :3], basis[:, 3:]
    expected = torch.zeros(7, 8, dtype=torch.float64)
    for t in range(7):
        weights = torch.softmax(
            torch.stack([(q[0, 0, t] @ plane) @ (k[0, 0, s] @ plane) for s in range(7)]) / 8**0.5, 0
        )
        for s in range(7):
            value = v[0, 0, s]
            in_plane = plane @ (plane.T @ value)
            expected[t] += weights[s] * in_plane
            if (value - in_plane).norm() / value.norm() > 0.9:
                expected[t] += weights[s] * (off @ (off.T @ value))
    torch.testing.assert_close(core(q, k, v)[0, 0], expected, rtol=1e-6, atol=1e-6)


def test_the_threshold_is_relative_to_the_value() -> None:
    """Scaling all values scales the result: an absolute threshold would not."""
    torch.manual_seed(1)
    core = LowRank(3, 8, Tva(tau=0.8)).double()
    q, k, v = qkv()
    torch.testing.assert_close(core(q, k, 1000 * v), 1000 * core(q, k, v))


def test_linear_attention_without_a_mask_equals_its_quadratic_form() -> None:
    core = Linear(3, 8, Tva())
    everything = torch.ones(7, 7, dtype=torch.bool)
    torch.testing.assert_close(core(*qkv()), core(*qkv(), everything))


@pytest.mark.parametrize("name", KERNELS)
def test_changing_the_last_position_changes_no_earlier_one(name: str) -> None:
    torch.manual_seed(2)
    layer = Attention(16, 2, KERNELS[name], Tva())
    x = torch.randn(1, 6, 16)
    changed = x.clone()
    changed[:, -1] += 1.0
    before, after = layer(x, causal(6)), layer(changed, causal(6))
    torch.testing.assert_close(before[:, :-1], after[:, :-1])
    assert not torch.allclose(before[:, -1], after[:, -1])


@pytest.mark.parametrize("name", KERNELS)
def test_every_trained_weight_gets_a_gradient(name: str) -> None:
    torch.manual_seed(2)
    layer = Attention(16, 2, KERNELS[name], Tva())
    layer(torch.randn(2, 6, 16)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in layer.parameters())
