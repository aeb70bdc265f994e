"""Weights laid out beforehand give the bits of the layers they replace, for any number of rows."""

import pytest
import torch
from torch import nn

from tests.backbone.test_layers import TOKENS_BT, made
from tomas.backbone.prepacked import Prepacked, prepack


@torch.no_grad()
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("rows", [1, 3, 40, 300])
def test_a_layer_gives_the_bits_of_the_one_it_replaces(rows: int, *, bias: bool) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(96, 64, bias=bias).to(torch.bfloat16)
    x_BTH = torch.randn(2, rows, 96).to(torch.bfloat16)
    assert torch.equal(Prepacked(layer)(x_BTH), layer(x_BTH))


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_the_backbone_computes_the_same_and_only_bfloat16_is_changed(dtype: torch.dtype) -> None:
    backbone = made("llama")
    backbone.model.to(dtype)
    before = backbone.body(TOKENS_BT, use_cache=False).last_hidden_state
    prepack(backbone)
    assert torch.equal(backbone.body(TOKENS_BT, use_cache=False).last_hidden_state, before)
    replaced = sum(isinstance(module, Prepacked) for module in backbone.body.modules())
    assert replaced == (4 * 7 if dtype == torch.bfloat16 else 0)
    assert type(backbone.model.lm_head) is nn.Linear
