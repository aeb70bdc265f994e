"""Several sequences laid end to end in one pass: no padding, and each gets the bits it would get alone."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from transformers import AttentionInterface, AttentionMaskInterface

from tomas.backbone.loading import Backbone

NAME = "tomas_packed"


class Packing:
    """Where the sequences of a pass begin and end, and, with room for more, the keys and values they leave behind.

    The products of a pass have a row a token, and give a row the same bits whatever rows stand beside it. Attention is
    the only place where the tokens of a sequence meet, so it is done for one sequence at a time.
    """

    def __init__(self, lengths: Sequence[int], room: int = 0) -> None:
        self.lengths, self.room = list(lengths), room
        self._seen = [0] * len(self.lengths)
        self._kept: dict[int, list[tuple[torch.Tensor, torch.Tensor]]] = {}

    @property
    def ends(self) -> list[int]:
        """Where each sequence ends among the rows of this pass."""
        return torch.tensor(self.lengths).cumsum(0).tolist()

    def run(self, backbone: Backbone, inputs_MH: torch.Tensor, **more: Any) -> Any:
        """What the backbone's body makes of the sequences' rows, which come first in it.

        Afterwards each sequence may be followed by one more row.
        """
        places = [torch.arange(seen, seen + n) for seen, n in zip(self._seen, self.lengths, strict=True)]
        place_M = torch.cat(places).to(inputs_MH.device)
        if len(inputs_MH) == 1:  # a product with one row takes another way, and rounds otherwise: the row gets company
            inputs_MH, place_M = inputs_MH.repeat(2, 1), place_M.repeat(2)
        out = backbone.body(
            inputs_embeds=inputs_MH[None],
            position_ids=place_M[None],
            use_cache=False,
            packing=self,
            **more,
        )
        self._seen = [seen + n for seen, n in zip(self._seen, self.lengths, strict=True)]
        self.lengths = [1] * len(self.lengths)
        return out

    def keep(self, alive: Sequence[int]) -> None:
        """Go on with these sequences only."""
        self.lengths, self._seen = ([old[place] for place in alive] for old in (self.lengths, self._seen))
        self._kept = {layer: [kept[place] for place in alive] for layer, kept in self._kept.items()}

    def attend(
        self, layer: int, q_1HME: torch.Tensor, k_1GME: torch.Tensor, v_1GME: torch.Tensor, scaling: float,
        window: int | None = None,
    ) -> torch.Tensor:  # fmt: skip
        """Causal attention within each sequence [1, M, H, E], at most `window` tokens back."""
        out_1MHE = torch.zeros_like(q_1HME.transpose(1, 2))
        start = 0
        for place, length in enumerate(self.lengths):
            own = slice(start, start + length)
            keys, values = k_1GME[:, :, own], v_1GME[:, :, own]
            if self.room:
                keys, values = self._remembered(layer, place, keys, values)
            band_TS = _band(length, keys.shape[2], window)
            mixed = nn.functional.scaled_dot_product_attention(
                q_1HME[:, :, own], keys, values, attn_mask=None if band_TS is None else band_TS.to(keys.device),
                is_causal=length > 1 and band_TS is None, scale=scaling, enable_gqa=True,
            )  # fmt: skip
            out_1MHE[:, own] = mixed.transpose(1, 2)
            start += length
        return out_1MHE

    def _remembered(
        self, layer: int, place: int, keys: torch.Tensor, values: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """All keys and values of a sequence so far, these among them."""
        kept = self._kept.setdefault(layer, [])
        seen, length = self._seen[place], keys.shape[2]
        if place == len(kept):
            shape = (*keys.shape[:2], length + self.room, keys.shape[3])
            kept.append((keys.new_empty(shape), values.new_empty(shape)))
        for whole, new in zip(kept[place], (keys, values), strict=True):
            whole[:, :, seen : seen + length] = new
        all_keys, all_values = kept[place]
        return all_keys[:, :, : seen + length], all_values[:, :, : seen + length]


def _band(length: int, seen: int, window: int | None) -> torch.Tensor | None:
    """Which of all tokens seen the last `length` may look at, where a window is shorter than those before them."""
    if window is None or seen <= window:
        return None
    allowed_TS = torch.ones(length, seen, dtype=torch.bool)
    return allowed_TS.tril(seen - length).triu(seen - length - window + 1)


def packed_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,  # noqa: ARG001 - transformers calls every kernel alike
    *,
    scaling: float,
    packing: Packing,
    sliding_window: int | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """What transformers calls for each layer."""
    return packing.attend(module.layer_idx, query, key, value, scaling, sliding_window), None


def no_mask(*_: Any, **__: Any) -> None:
    """The packing knows who may look where."""


AttentionInterface.register(NAME, packed_attention)
AttentionMaskInterface.register(NAME, no_mask)
