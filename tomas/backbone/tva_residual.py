"""Low-rank attention on a pretrained backbone: a residual beside its own attention, behind gates that start at zero."""

from typing import Any

import torch
from torch import nn
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from tomas.backbone.attention import LowRank
from tomas.backbone.loading import Backbone
from tomas.config import Tva

NAME = "tva"


class TvaResidual(nn.Module):
    """What one layer adds on its last `tail` positions (None: on all): gate x low-rank attention, a gate per head."""

    def __init__(self, heads: int, width: int, options: Tva, tail: int | None) -> None:
        super().__init__()
        self.tail = tail
        self.core = LowRank(heads, width, options)
        self.gate_H = nn.Parameter(torch.zeros(heads))

    def forward(
        self, q_BHTD: torch.Tensor, k_BGSD: torch.Tensor, v_BGSD: torch.Tensor, mask: torch.Tensor | None
    ) -> torch.Tensor:
        """The residual [B, tail, H, D]; key-value heads are shared by groups of heads as in the layer itself."""
        groups = q_BHTD.shape[1] // k_BGSD.shape[1]
        k_BHSD, v_BHSD = (x.repeat_interleave(groups, dim=1) for x in (k_BGSD, v_BGSD))
        length, seen = q_BHTD.shape[2], k_BHSD.shape[2]
        start = 0 if self.tail is None else length - self.tail
        if mask is None:
            mask = torch.ones(length, seen, dtype=torch.bool, device=q_BHTD.device).tril(seen - length)
        mixed_BHTD = self.core(q_BHTD[:, :, start:], k_BHSD, v_BHSD, mask[..., start:, :])
        added_BHTD: torch.Tensor = (mixed_BHTD * self.gate_H[:, None, None]).to(q_BHTD.dtype)
        return added_BHTD.transpose(1, 2)


def tva_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    **more: Any,
) -> tuple[torch.Tensor, None]:
    """torch's attention, and the layer's residual on its last positions."""
    out_BTHD, _ = sdpa_attention_forward(module, query, key, value, mask, **more)
    added_BTHD = module.tva(query, key, value, mask)
    start = out_BTHD.shape[1] - added_BTHD.shape[1]
    return torch.cat([out_BTHD[:, :start], out_BTHD[:, start:] + added_BTHD], dim=1), None


def add_tva(backbone: Backbone, options: Tva, tail: int | None) -> nn.ModuleList:
    """Put a residual into every attention layer and give them for training; until then nothing is changed."""
    # Without a mask function of the same name transformers would pass no mask, and every position would see all.
    ALL_ATTENTION_FUNCTIONS.register(NAME, tva_attention)
    ALL_MASK_ATTENTION_FUNCTIONS.register(NAME, ALL_MASK_ATTENTION_FUNCTIONS["sdpa"])
    config = backbone.model.config.get_text_config()
    residuals = nn.ModuleList()
    for layer in backbone.body.layers:
        residual = TvaResidual(config.num_attention_heads, layer.self_attn.head_dim, options, tail)
        layer.self_attn.tva = residual.to(backbone.model.device)
        residuals.append(residual)
    backbone.model.set_attn_implementation(NAME)
    return residuals
