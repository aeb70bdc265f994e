"""Some of a backbone's layers alone: what is below them was computed before, what is above is not asked for."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from tomas.backbone.loading import Backbone
from tomas.backbone.prefix import positions


def run_layers(
    backbone: Backbone, layers: range, hidden_BTH: torch.Tensor, mask_BT: torch.Tensor, cache: Any = None
) -> torch.Tensor:
    """Hidden states above these layers, from those below them; padding stands on the left.

    `cache` is an empty one that takes up the layers' keys and values.
    """
    if not layers:
        return hidden_BTH
    with _alone(backbone, layers):
        out = backbone.body(
            inputs_embeds=hidden_BTH,
            attention_mask=mask_BT,
            position_ids=positions(mask_BT),
            past_key_values=cache,
            use_cache=cache is not None,
        )
    return out.last_hidden_state  # type: ignore[no-any-return]


@contextmanager
def _alone(backbone: Backbone, layers: range) -> Iterator[None]:
    """For the length of a block the backbone's body is these layers and no final norm."""
    body, config = backbone.body, backbone.model.config.get_text_config()
    whole, norm, kinds = body.layers, body.norm, getattr(config, "layer_types", None)
    body.layers, body.norm = whole[layers.start : layers.stop], nn.Identity()
    if kinds is not None:  # read by place, as some models change between kinds of attention
        config.layer_types = kinds[layers.start : layers.stop]
    try:
        yield
    finally:
        body.layers, body.norm = whole, norm
        if kinds is not None:
            config.layer_types = kinds
