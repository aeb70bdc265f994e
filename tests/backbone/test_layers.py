"""Layers one after the other are the whole backbone, of whatever kind, and it is whole again afterwards."""

from itertools import pairwise

import pytest
import torch
from transformers import DynamicCache, Gemma3ForCausalLM, Gemma3TextConfig, LlamaConfig, LlamaForCausalLM

from tests.backbone.small import tiny
from tomas.backbone.layers import run_layers
from tomas.backbone.loading import Backbone
from tomas.backbone.prefix import positions

SHAPE = {
    "vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 4, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "pad_token_id": 0,
}  # fmt: skip
TOKENS_BT = torch.randint(1, 64, (3, 9), generator=torch.Generator().manual_seed(0))
MASK_BT = torch.tensor([[1] * 9, [0] * 4 + [1] * 5, [0] * 2 + [1] * 7])


def llama() -> LlamaForCausalLM:
    return LlamaForCausalLM(LlamaConfig(**SHAPE))


def gemma() -> Gemma3ForCausalLM:
    """Changes between kinds of attention from layer to layer, the window being shorter than the text."""
    kinds = ["sliding_attention", "full_attention", "sliding_attention", "full_attention"]
    return Gemma3ForCausalLM(Gemma3TextConfig(**SHAPE, layer_types=kinds, sliding_window=3))


def made(kind: str) -> Backbone:
    torch.manual_seed(0)
    model = {"llama": llama, "gemma": gemma}[kind]()
    return Backbone(kind, model.eval().requires_grad_(False), None, tiny().attention)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["llama", "gemma"])
@pytest.mark.parametrize("cuts", [[0, 4], [0, 1, 3, 4], [0, 0, 2, 4]])
def test_layers_in_parts_are_the_backbone(kind: str, cuts: list[int]) -> None:
    backbone = made(kind)
    whole_cache = DynamicCache()
    out = backbone.body(
        input_ids=TOKENS_BT, attention_mask=MASK_BT, position_ids=positions(MASK_BT), past_key_values=whole_cache,
        use_cache=True, output_hidden_states=True,
    )  # fmt: skip
    real = MASK_BT.bool()
    hidden_BTH = backbone.embed(TOKENS_BT)
    for start, stop in pairwise(cuts):
        cache = DynamicCache()
        hidden_BTH = run_layers(backbone, range(start, stop), hidden_BTH, MASK_BT, cache)
        if stop < 4:
            torch.testing.assert_close(hidden_BTH[real], out.hidden_states[stop][real])
        for layer in range(start, stop):
            keys, expected = cache.layers[layer].keys, whole_cache.layers[layer].keys
            torch.testing.assert_close(keys.transpose(1, 2)[real], expected.transpose(1, 2)[real])
    torch.testing.assert_close(backbone.body.norm(hidden_BTH)[real], out.last_hidden_state[real])


@torch.no_grad()
@pytest.mark.parametrize("kind", ["llama", "gemma"])
def test_the_backbone_is_whole_again_also_after_an_error(kind: str) -> None:
    backbone = made(kind)
    before = backbone.model(TOKENS_BT).logits
    run_layers(backbone, range(1, 2), backbone.embed(TOKENS_BT), MASK_BT)
    handle = backbone.body.layers[2].register_forward_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run_layers(backbone, range(1, 3), backbone.embed(TOKENS_BT), MASK_BT)
    handle.remove()
    assert torch.equal(backbone.model(TOKENS_BT).logits, before)
