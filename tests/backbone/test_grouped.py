"""Attention for training on a CPU computes what transformers' own plain products compute, and its gradients."""

import pytest
import torch

from tests.backbone.test_layers import MASK_BT, TOKENS_BT, made
from tomas.backbone.grouped import NAME
from tomas.backbone.loading import Backbone
from tomas.backbone.prefix import as_cache, positions, prefill


def loss_and_gradient(backbone: Backbone, kernel: str) -> tuple[torch.Tensor, torch.Tensor]:
    backbone.model.set_attn_implementation(kernel)
    inputs_BTH = backbone.embed(TOKENS_BT).clone().requires_grad_()
    out_BTH = backbone.body(
        inputs_embeds=inputs_BTH, attention_mask=MASK_BT, position_ids=positions(MASK_BT), use_cache=False
    ).last_hidden_state
    loss = (out_BTH[:, -3:] * torch.linspace(-1, 1, 32)).pow(2).sum()
    [gradient] = torch.autograd.grad(loss, inputs_BTH)
    return loss.detach(), gradient


@pytest.mark.parametrize("kind", ["llama", "gemma"])
def test_states_and_gradients_are_those_of_plain_products(kind: str) -> None:
    backbone = made(kind)
    for ours, theirs in zip(loss_and_gradient(backbone, NAME), loss_and_gradient(backbone, "eager"), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_it_reads_a_prefix() -> None:
    backbone = made("llama")
    whole = backbone.body(input_ids=TOKENS_BT, use_cache=False).last_hidden_state[:, 5:]
    backbone.model.set_attn_implementation(NAME)
    cache = as_cache(prefill(backbone, TOKENS_BT[:, :5]))
    rest = backbone.body(input_ids=TOKENS_BT[:, 5:], past_key_values=cache, use_cache=False).last_hidden_state
    torch.testing.assert_close(rest, whole, rtol=1e-4, atol=1e-5)


def test_gradients_flow_to_all_but_a_prefix() -> None:
    """Over a prefix they are those of one pass in which the prefix is a constant."""
    backbone = made("llama")
    gradients = []
    for kernel in (NAME, "eager"):
        backbone.model.set_attn_implementation(kernel)
        inputs_BTH = backbone.embed(TOKENS_BT[:, 5:]).clone().requires_grad_()
        cache = as_cache(prefill(backbone, TOKENS_BT[:1, :5]), batch=len(TOKENS_BT))
        out_BTH = backbone.body(inputs_embeds=inputs_BTH, past_key_values=cache, use_cache=False).last_hidden_state
        gradients += torch.autograd.grad((out_BTH * torch.linspace(-1, 1, 32)).pow(2).sum(), inputs_BTH)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-4, atol=1e-5)
