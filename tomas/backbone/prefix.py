"""Keys and values of a frozen prefix: computed once, read by everything that comes after it."""

from typing import Any

import torch
from transformers import DynamicCache

from tomas.backbone.loading import Backbone

KeyValues = list[tuple[torch.Tensor, torch.Tensor]]
"""A layer's keys and values, each [B, key-value heads, T, head width], for every layer."""


@torch.no_grad()
def prefill(backbone: Backbone, tokens_BT: torch.Tensor, mask_BT: torch.Tensor | None = None) -> KeyValues:
    """Keys and values of token sequences; padding, where there is any, stands on the left."""
    cache = DynamicCache()
    position_BT = None if mask_BT is None else positions(mask_BT)
    backbone.body(
        input_ids=tokens_BT, attention_mask=mask_BT, position_ids=position_BT, past_key_values=cache, use_cache=True
    )
    return keys_values(cache)


def keys_values(cache: Any) -> KeyValues:
    """What a cache holds, layer by layer."""
    return [(layer.keys, layer.values) for layer in cache.layers]


def as_cache(prefix: KeyValues, batch: int | None = None) -> DynamicCache:
    """A fresh cache over a prefix, one row repeated for a whole batch; the prefix itself is never written to."""
    rows = prefix if batch is None else [(k.expand(batch, -1, -1, -1), v.expand(batch, -1, -1, -1)) for k, v in prefix]
    return DynamicCache(ddp_cache_data=rows)


def positions(mask_BT: torch.Tensor) -> torch.Tensor:
    """Position of every token when padding stands on the left and does not count."""
    return (mask_BT.cumsum(dim=1) - 1).clamp(min=0)
