"""Reading adapters: they change the layers they should, at every position, and come back as they were saved."""

from pathlib import Path

import pytest
import torch

from tests.planner.small_training import small_params
from tomas.backbone.loading import Backbone, load_backbone
from tomas.backbone.lora import add_lora, without_adapters
from tomas.backbone.reading import ReadingAdapters, add_reading, apply_reading
from tomas.config import Reading

TOKENS = torch.randint(5, 200, (3, 9), generator=torch.Generator().manual_seed(0))


def backbone() -> Backbone:
    return load_backbone(small_params().backbone)


@torch.no_grad()
def states(made: Backbone) -> list[torch.Tensor]:
    return list(made.body(input_ids=TOKENS, output_hidden_states=True).hidden_states)


def trained(made: Backbone, layers: range = range(1, 2)) -> ReadingAdapters:
    """Adapters that are not zero."""
    adapters = add_reading(made, Reading(rank=2), layers)
    with torch.no_grad():
        for parameter in adapters.parameters():
            parameter.normal_(std=0.3)
    return adapters


def test_fresh_ones_change_nothing_and_all_of_them_are_trained() -> None:
    made = backbone()
    before = states(made)
    adapters = add_reading(made, Reading(rank=2), range(2))
    assert all(torch.equal(a, b) for a, b in zip(states(made), before, strict=True))
    assert len(adapters.names) == 2 * 5
    assert all(parameter.requires_grad for parameter in adapters.parameters())
    assert sum(p.requires_grad for p in made.model.parameters()) == len(list(adapters.parameters()))


def test_they_act_in_their_layers_at_every_position() -> None:
    made = backbone()
    before = states(made)
    trained(made, range(1, 2))
    after = states(made)
    assert torch.equal(after[1], before[1])
    assert ((after[2] - before[2]).abs().amax(dim=2) > 1e-4).all()


@pytest.mark.parametrize("peft_first", [False, True])
def test_saved_ones_come_back_and_can_be_put_to_rest(tmp_path: Path, *, peft_first: bool) -> None:
    made, other = backbone(), backbone()
    frozen = states(made)
    if peft_first:
        add_lora(made, small_params().lora)
    adapters = trained(made)
    adapters.save(tmp_path)
    layers = apply_reading(other, tmp_path)
    assert len(layers) == 5
    assert not any(parameter.requires_grad for parameter in other.model.parameters())
    for own, its in zip(states(made), states(other), strict=True):
        torch.testing.assert_close(own, its)
    with without_adapters(layers):
        assert all(torch.equal(a, b) for a, b in zip(states(other), frozen, strict=True))


def test_a_planner_without_them_has_none(tmp_path: Path) -> None:
    add_reading(backbone(), Reading(), range(0)).save(tmp_path)
    assert apply_reading(backbone(), tmp_path) == []


def test_the_fingerprint_tells_numbers_apart() -> None:
    first, second = trained(backbone()), trained(backbone())
    assert first.fingerprint != second.fingerprint
    second.load_state_dict(first.state_dict())
    assert first.fingerprint == second.fingerprint
