"""Sequences laid end to end: each gets what it gets alone, also while they grow, and to the bit in bfloat16."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from tests.backbone.test_layers import SHAPE, made
from tomas.backbone.greedy import MAX_NEW_TOKENS, continued
from tomas.backbone.loading import Backbone
from tomas.backbone.packed import NAME, Packing

TEXTS = [[5, 9, 3, 41], [8, 7, 6, 5, 4, 50, 12], [33], [5, 9, 3, 20, 2]]


def packed(backbone: Backbone, texts: list[list[int]]) -> list[torch.Tensor]:
    backbone.model.set_attn_implementation(NAME)
    packing = Packing([len(ids) for ids in texts])
    out = packing.run(backbone, backbone.embed(torch.tensor([token for ids in texts for token in ids])))
    rows = sum(len(ids) for ids in texts)
    return list(out.last_hidden_state[0, :rows].split([len(ids) for ids in texts]))


@torch.no_grad()
@pytest.mark.parametrize("kind", ["llama", "gemma"])
def test_each_sequence_is_what_transformers_computes_of_it(kind: str) -> None:
    backbone = made(kind)
    alone = [backbone.body(input_ids=torch.tensor([ids]), use_cache=False).last_hidden_state[0] for ids in TEXTS]
    for ours, theirs in zip(packed(backbone, TEXTS), alone, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_in_bfloat16_company_changes_no_bit() -> None:
    backbone = made("llama")
    backbone.model.to(torch.bfloat16)
    for ids, together in zip(TEXTS, packed(backbone, TEXTS), strict=True):
        [alone] = packed(backbone, [ids])
        assert torch.equal(alone, together)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["llama", "gemma"])
def test_sequences_grow_a_token_at_a_time_and_some_end_early(kind: str) -> None:
    backbone = made(kind)
    whole = packed(backbone, TEXTS)
    packing = Packing([len(ids) - 1 for ids in TEXTS if len(ids) > 1], room=3)
    packing.run(backbone, backbone.embed(torch.tensor([token for ids in TEXTS for token in ids[:-1]])))
    packing.keep([0, 2])
    out = packing.run(backbone, backbone.embed(torch.tensor([TEXTS[0][-1], TEXTS[3][-1]]))).last_hidden_state[0]
    torch.testing.assert_close(out[0], whole[0][-1], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(out[1], whole[3][-1], rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["llama", "gemma"])
def test_continuations_are_those_of_transformers_greedy_search(kind: str) -> None:
    backbone = made(kind)
    backbone.model.generation_config.eos_token_id = 7
    expected = []
    for ids in TEXTS:
        out = backbone.model.generate(
            torch.tensor([ids]), max_new_tokens=MAX_NEW_TOKENS, do_sample=False, repetition_penalty=1.1
        )
        expected.append([token for token in out[0, len(ids) :].tolist() if token != 7])
    kernel = backbone.model.config._attn_implementation
    assert continued(backbone, TEXTS) == expected
    assert backbone.model.config._attn_implementation == kernel


@torch.no_grad()
def test_a_text_is_continued_alike_alone_and_in_company() -> None:
    """At widths at which a product with a single row is known to round otherwise."""
    torch.manual_seed(0)
    config = LlamaConfig(**{**SHAPE, "hidden_size": 576, "intermediate_size": 1536, "vocab_size": 512})
    model = LlamaForCausalLM(config).to(torch.bfloat16).eval().requires_grad_(False)
    backbone = Backbone("wide", model, None, made("llama").attention)
    model.generation_config.eos_token_id = 0
    together = continued(backbone, TEXTS)
    assert together == [continued(backbone, [ids])[0] for ids in TEXTS]
    assert all(together)
