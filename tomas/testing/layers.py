"""What parts that are layers must keep to: shapes, gradients, causality."""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from tomas.config import Tva

BATCH, HEADS, LENGTH, WIDTH = 2, 2, 6, 8


def check_attention(kernel: Any, options: Any) -> None:
    """A kernel's core mixes values of the right shape, sees no position it may not, and learns."""
    torch.manual_seed(0)
    core = kernel.core(HEADS, WIDTH, options or Tva())
    q, k, v = torch.randn(3, BATCH, HEADS, LENGTH, WIDTH)
    allowed = torch.ones(LENGTH, LENGTH, dtype=torch.bool).tril()
    before = core(q, k, v, allowed)
    assert before.shape == q.shape, f"gave {tuple(before.shape)}, not the queries' {tuple(q.shape)}"
    assert before.isfinite().all(), "gave numbers that are none"
    later_k, later_v = k.clone(), v.clone()
    later_k[:, :, -1] += 1.0
    later_v[:, :, -1] += 1.0
    after = core(q, later_k, later_v, allowed)
    assert torch.allclose(before[:, :, :-1], after[:, :, :-1], atol=1e-6), "an earlier position saw the last one"
    assert not torch.allclose(before[:, :, -1], after[:, :, -1]), "the last position does not see itself"
    assert torch.equal(core(q, k, v, allowed), before), "the same input gave another result"
    _check_gradients(core, lambda: core(q, k, v))


def check_fusion(factory: Any, _options: Any) -> None:
    """A fusion maps (s, r) to vectors of the hidden size that are trainable and depend on both streams."""
    torch.manual_seed(0)
    hidden, d_resource, length = 12, 5, 3.0
    fusion = factory(hidden, d_resource, length)
    s_BH, r_BR = torch.randn(4, hidden), torch.randn(4, d_resource)
    joined = fusion(s_BH, r_BR)
    assert joined.shape == (4, hidden), f"gave {tuple(joined.shape)}, not {(4, hidden)}"
    assert joined.isfinite().all(), "gave numbers that are none"
    optimizer = torch.optim.SGD(fusion.parameters(), lr=0.1)
    target = torch.randn(4, hidden)
    for _ in range(5):
        optimizer.zero_grad()
        (fusion(s_BH, r_BR) - target).square().sum().backward()
        optimizer.step()
    assert not torch.allclose(fusion(s_BH, r_BR), fusion(s_BH, r_BR + 1.0)), "resources make no difference"
    assert not torch.allclose(fusion(s_BH, r_BR), fusion(s_BH + 1.0, r_BR)), "the tool's meaning makes no difference"


def check_temporal(factory: Any, _options: Any) -> None:
    """A temporal encoder maps windows of any number of points to one vector each, and learns."""
    torch.manual_seed(0)
    channels, dim = 8, 10
    for points in (5, 16):
        encoder = factory(channels, points, dim)
        window_BCP = torch.randn(3, channels, points)
        vector_BD = encoder(window_BCP)
        assert vector_BD.shape == (3, dim), f"gave {tuple(vector_BD.shape)}, not {(3, dim)}"
        assert vector_BD.isfinite().all(), "gave numbers that are none"
        assert torch.allclose(encoder(window_BCP[1:2])[0], vector_BD[1], atol=1e-5), (
            "a window's vector depends on others"
        )
        _check_gradients(encoder, functools.partial(encoder, window_BCP))


def _check_gradients(module: nn.Module, run: Callable[[], torch.Tensor]) -> None:
    module.zero_grad()
    if any(parameter.requires_grad for parameter in module.parameters()):
        run().square().sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, f"{name} gets no gradient: it would never be trained"
