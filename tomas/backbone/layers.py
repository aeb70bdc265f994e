"""Some of a backbone's layers alone: what is below them was computed before, what is above is not asked for."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from transformers import DynamicCache

from tomas.backbone.loading import Backbone
from tomas.backbone.prefix import KeyValues, keys_values, positions


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


def states_at(
    backbone: Backbone,
    start: int,
    depths: Sequence[int],
    hidden_BTH: torch.Tensor,
    mask_BT: torch.Tensor,
    kept: KeyValues | None = None,
) -> dict[int, torch.Tensor]:
    """Hidden states at rising depths, from those at `start`; `kept` takes up the layers' keys and values on the way."""
    states, done = {start: hidden_BTH}, start
    for depth in depths:
        few, cache = range(done, depth), None if kept is None else DynamicCache()
        hidden_BTH = states[depth] = run_layers(backbone, few, hidden_BTH, mask_BT, cache)
        if kept is not None:
            kept += keys_values(cache)[few.start : few.stop]
        done = depth
    return states


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
