"""The gated fusion starts as pure meaning and opens as far as resources help; every fusion keeps the length."""

import pytest
import torch

from tomas import registry
from tomas.encoder.fusion import Gated

HIDDEN, RESOURCE, LENGTH = 12, 5, 3.0


def streams() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.nn.functional.normalize(torch.randn(7, HIDDEN), dim=1) * LENGTH, torch.randn(7, RESOURCE)


def test_the_gate_is_shut_at_first() -> None:
    s, r = streams()
    assert torch.equal(Gated(HIDDEN, RESOURCE, LENGTH)(s, r), s)


def test_the_gate_gets_a_gradient_while_it_is_shut_and_the_rest_as_soon_as_it_opens() -> None:
    s, r = streams()
    fusion = Gated(HIDDEN, RESOURCE, LENGTH)
    fusion(s, r).pow(3).sum().backward()
    assert fusion.alpha.grad is not None
    assert fusion.alpha.grad != 0
    assert all(p.grad is not None and not p.grad.any() for p in fusion.mix.parameters())
    with torch.no_grad():
        fusion.alpha.fill_(0.1)
    fusion(s, r).pow(3).sum().backward()
    assert all(p.grad.any() for p in fusion.mix.parameters())


@pytest.mark.parametrize("alpha", [-0.5, 0.25, 0.6])
def test_alpha_is_the_share_of_resources_in_the_vector(alpha: float) -> None:
    s, r = streams()
    fusion = Gated(HIDDEN, RESOURCE, LENGTH)
    with torch.no_grad():
        fusion.alpha.fill_(alpha)
    assert (fusion(s, r) - s).norm(dim=1).tolist() == pytest.approx([abs(alpha) * LENGTH] * len(s), rel=1e-5)


@pytest.mark.parametrize("name", ["attention", "concat"])
def test_fusions_without_a_gate_keep_the_length_of_the_meaning(name: str) -> None:
    s, r = streams()
    torch.manual_seed(1)
    joined = registry.load("fusion", name)(HIDDEN, RESOURCE, LENGTH)(s, r)
    assert joined.norm(dim=1).tolist() == pytest.approx([LENGTH] * len(s), rel=1e-5)
