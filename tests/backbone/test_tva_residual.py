"""The residual changes nothing until it is trained, then only what it may."""

import pytest
import torch

from tomas.backbone.loading import Backbone, load_backbone
from tomas.backbone.prefix import as_cache, prefill
from tomas.backbone.tva_residual import add_tva
from tomas.config import Backbone as BackboneParams
from tomas.config import Tva

TOKENS = torch.tensor([[5, 9, 7, 3, 8, 4], [6, 6, 3, 9, 5, 7]])


def backbone() -> Backbone:
    return load_backbone(BackboneParams(name="tiny", dtype="float32"))


def opened(tail: int | None) -> Backbone:
    """A backbone whose residual was trained: its gates are open."""
    made = backbone()
    torch.manual_seed(0)
    with torch.no_grad():
        for residual in add_tva(made, Tva(), tail):
            residual.gate_H.fill_(2.0)
    return made


@torch.no_grad()
def logits(made: Backbone, tokens: torch.Tensor = TOKENS, mask: torch.Tensor | None = None) -> torch.Tensor:
    return made.model(tokens, attention_mask=mask).logits  # type: ignore[no-any-return]


def test_switching_it_on_changes_nothing_at_the_start() -> None:
    plain, changed = backbone(), backbone()
    add_tva(changed, Tva(), None)
    assert torch.equal(logits(plain), logits(changed))


@pytest.mark.parametrize("tail", [None, 3])
def test_changing_the_last_token_changes_no_earlier_logit(tail: int | None) -> None:
    made = opened(tail)
    other = TOKENS.clone()
    other[:, -1] = 2
    before, after = logits(made), logits(made, other)
    torch.testing.assert_close(before[:, :-1], after[:, :-1])
    assert not torch.allclose(before[:, -1], after[:, -1])


def test_padding_is_not_seen() -> None:
    made = opened(None)
    padded = torch.cat([torch.tensor([[4, 7], [3, 8]]), TOKENS], dim=1)
    mask = torch.ones_like(padded)
    mask[:, :2] = 0
    other = padded.clone()
    other[:, :2] = 9
    torch.testing.assert_close(logits(made, padded, mask)[:, 2:], logits(made, other, mask)[:, 2:])


def test_only_the_last_positions_are_changed() -> None:
    difference = (logits(opened(2)) - logits(backbone())).abs().amax(dim=(0, 2))
    assert (difference[:-2] == 0).all()
    assert (difference[-2:] > 1e-4).all()


def test_a_context_over_cached_text_gives_the_numbers_of_one_pass() -> None:
    made = opened(2)
    whole = logits(made)[:, -2:]
    cached = prefill(backbone(), TOKENS[:, :-2])  # the frozen text's keys and values
    with torch.no_grad():
        split = made.model(TOKENS[:, -2:], past_key_values=as_cache(cached), use_cache=False).logits
    torch.testing.assert_close(split, whole)


def test_gates_learn_first_and_directions_as_soon_as_a_gate_is_open() -> None:
    made = backbone()
    residuals = add_tva(made, Tva(), None)
    made.model(TOKENS).logits.square().sum().backward()
    assert all(residual.gate_H.grad.abs().sum() > 0 for residual in residuals)
    made = opened(None)
    made.model(TOKENS).logits.square().sum().backward()
    assert all(layer.self_attn.tva.core.directions_HDQ.grad.abs().sum() > 0 for layer in made.body.layers)
