"""The planner's trained parts around the frozen backbone, and the one way through them.

B batch, T text tokens, C context positions, H hidden, K tools, N configurations, P timeline points, D temporal width.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence

from tomas import registry
from tomas.backbone.loading import Backbone
from tomas.backbone.lora import acting_on
from tomas.backbone.packed import Packing
from tomas.backbone.prefix import KeyValues, as_cache, positions
from tomas.config import Decoder, Lora, Temporal
from tomas.planner.characters import Characters, Grams
from tomas.planner.decoder import Rows
from tomas.planner.reader import TextReader, read_layers
from tomas.planner.windows import CHANNELS
from tomas.training.starts import own_start

MAX_TEXT_TOKENS = 192
"""Longer requests are cut."""


class Told(NamedTuple):
    """What is known of a batch of texts, by who says it; zero where one has nothing to say."""

    read_BH: torch.Tensor
    """The reader, of the text's states."""
    known_BH: torch.Tensor
    """The characters."""
    last_BH: torch.Tensor
    """The decision position."""

    def rows(self, keep_B: torch.Tensor) -> "Told":
        """Of these texts alone."""
        return Told(*(said_BH[keep_B] for said_BH in self))


class Decision(NamedTuple):
    """What one pass of the backbone leaves for the heads."""

    state_BH: torch.Tensor
    tools_BK: torch.Tensor
    gate_B: torch.Tensor
    """Logit that a tool is needed at all."""
    window_BD: torch.Tensor
    """The window the backbone was told, as the temporal encoder reads it."""
    told: Told


class Heads(nn.Module):
    """All that is trained apart from LoRA: temporal encoder, projector, reader, characters, gate and decoder."""

    def __init__(
        self, hidden: int, embedding_norm: float, num_tools: int, rows: Rows, temporal: Temporal, decoder: Decoder
    ) -> None:
        super().__init__()
        self.hidden, self.embedding_norm, self.prefix_tokens = hidden, embedding_norm, temporal.prefix_tokens
        self.temporal = registry.load("temporal", temporal.kind)(CHANNELS, temporal.points, temporal.dim)
        tokens = temporal.prefix_tokens
        self.projector = nn.Linear(temporal.dim, tokens * hidden) if tokens else nn.Sequential()
        self.decision = nn.Parameter(torch.randn(1, hidden) / hidden**0.5)
        self.mix = nn.Parameter(torch.full((hidden,), 0.1))
        with own_start("reader"):
            self.reader = TextReader(hidden)
            self.characters = Characters(hidden)
            self.norm = nn.LayerNorm(hidden)
            self.gate = nn.Linear(hidden, 1)
        with own_start("decoder"):
            self.decoder = registry.load("decoder", decoder.kind)(hidden, temporal.dim, num_tools, rows)
        if not decoder.train_vectors and hasattr(self.decoder, "config_head"):
            self.decoder.config_head.weight.requires_grad_(False)

    @property
    def num_context(self) -> int:
        """Context positions: the soft tokens of the timeline, then the decision."""
        return self.prefix_tokens + 1

    def tail(self, lora: Lora) -> int | None:
        """Positions at the end of a sequence that adapters act on; None is all of them."""
        return self.num_context if lora.scope == "context" else None

    def context(self, window_BD: torch.Tensor) -> torch.Tensor:
        """The context's input vectors [B, C, H], as long as token embeddings."""
        both_BCH = self.decision.expand(len(window_BD), 1, -1)
        if self.prefix_tokens:
            soft_BCH = self.projector(window_BD).unflatten(1, (self.prefix_tokens, self.hidden))
            both_BCH = torch.cat([soft_BCH, both_BCH], dim=1)
        return nn.functional.normalize(both_BCH, dim=2) * self.embedding_norm

    def decide(self, last_BH: torch.Tensor | None, text: "Text", window_BD: torch.Tensor) -> Decision:
        """Tool and gate logits from the text's own states, its characters, and the decision position, if any."""
        read_BH = self.reader(text.states_BDTH, text.mask_BT)
        nothing_BH = torch.zeros_like(read_BH)
        known_BH = nothing_BH if text.grams is None else self.characters(text.grams)
        if last_BH is not None:
            last_BH = self.mix * nn.functional.layer_norm(last_BH.float(), (self.hidden,))
        return self.judge(Told(read_BH, known_BH, nothing_BH if last_BH is None else last_BH), window_BD)

    def judge(self, told: Told, window_BD: torch.Tensor) -> Decision:
        """What follows from what is known of the texts."""
        state_BH = self.norm(told.read_BH + told.last_BH + told.known_BH)
        return Decision(state_BH, self.decoder.tools(state_BH, window_BD), self.gate(state_BH)[:, 0], window_BD, told)


class Text(NamedTuple):
    """What is known of a batch of texts beside what the context positions attend to."""

    states_BDTH: torch.Tensor
    mask_BT: torch.Tensor
    grams: Grams | None = None


def whole_pass(
    backbone: Backbone,
    heads: Heads,
    tokens_BT: torch.Tensor,
    mask_BT: torch.Tensor,
    window_BCP: torch.Tensor,
    grams: Grams | None = None,
) -> Decision:
    """Text and context in one pass of the backbone; padding stands on the left, so the context is last in every row."""
    window_BD = heads.temporal(window_BCP)
    context_BCH = heads.context(window_BD).to(backbone.dtype)
    inputs_BSH = torch.cat([backbone.embed(tokens_BT), context_BCH], dim=1)
    padding = {}
    if len(mask_BT) > 1:  # a single text has none: without a mask the attention kernel takes its causal path
        mask_BS = torch.cat([mask_BT, mask_BT.new_ones(len(mask_BT), heads.num_context)], dim=1)
        padding = {"attention_mask": mask_BS, "position_ids": positions(mask_BS)}
    out = backbone.body(
        inputs_embeds=inputs_BSH, use_cache=False, output_hidden_states=read_layers(backbone.num_layers), **padding
    )
    states_BDTH = text_states(out.hidden_states, tokens_BT.shape[1])
    return heads.decide(out.last_hidden_state[:, -1], Text(states_BDTH, mask_BT, grams), window_BD)


def packed_pass(
    backbone: Backbone,
    heads: Heads,
    texts: list[list[int]],
    window_BCP: torch.Tensor,
    grams: Grams | None = None,
    adapters: Sequence[nn.Module] = (),
) -> Decision:
    """Texts end to end, each with its context behind it, in one pass: as `whole_pass`, but nothing is padded."""
    window_BD = heads.temporal(window_BCP)
    context_BCH = heads.context(window_BD).to(backbone.dtype)
    device, count = context_BCH.device, heads.num_context
    lengths = [len(ids) + count for ids in texts]
    packing = Packing(lengths)
    end_B = torch.tensor(packing.ends, device=device)
    context_rows = (end_B[:, None] + torch.arange(-count, 0, device=device)).flatten()
    words_MH = backbone.embed(torch.tensor([token for ids in texts for token in [*ids, *[0] * count]], device=device))
    inputs_MH = words_MH.index_copy(0, context_rows, context_BCH.flatten(0, 1))
    with acting_on(adapters, context_rows if len(texts) > 1 else slice(-count, None)):
        out = packing.run(backbone, inputs_MH, output_hidden_states=read_layers(backbone.num_layers))
    mask_BT = pad_sequence([torch.ones(len(ids), dtype=torch.long) for ids in texts], batch_first=True).to(device)
    states = [
        pad_sequence([own[:-count] for own in hidden_1MH[0].split(lengths)], batch_first=True)
        for hidden_1MH in (out.hidden_states[depth] for depth in read_layers(backbone.num_layers))
    ]
    text = Text(torch.stack(states, dim=1), mask_BT, grams)
    return heads.decide(out.last_hidden_state[0, end_B - 1], text, window_BD)


def cached_pass(
    backbone: Backbone,
    heads: Heads,
    prefix: KeyValues,
    states_BDTH: torch.Tensor,
    mask_BT: torch.Tensor,
    window_BCP: torch.Tensor,
    grams: Grams | None = None,
) -> Decision:
    """The context alone over the text's cached keys and values: the same numbers as `whole_pass`, at a fraction."""
    window_BD = heads.temporal(window_BCP)
    context_BCH = heads.context(window_BD).to(backbone.dtype)
    mask_BS = torch.cat([mask_BT, mask_BT.new_ones(len(mask_BT), heads.num_context)], dim=1)
    out = backbone.body(
        inputs_embeds=context_BCH,
        attention_mask=mask_BS,
        position_ids=positions(mask_BS)[:, -heads.num_context :],
        past_key_values=as_cache(prefix),
        use_cache=False,
    )
    return heads.decide(out.last_hidden_state[:, -1], Text(states_BDTH, mask_BT, grams), window_BD)


def text_states(hidden_states: Any, num_tokens: int) -> torch.Tensor:
    """The text's token states [B, D, T, H] at the depths that are read; `hidden_states` may lack all others."""
    layers = read_layers(len(hidden_states) - 1)
    return torch.stack([hidden_states[layer][:, :num_tokens] for layer in layers], dim=1)


def padded(texts: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Token IDs and mask [B, T], padding on the left."""
    length = max(len(ids) for ids in texts)
    tokens_BT = torch.zeros(len(texts), length, dtype=torch.long)
    mask_BT = torch.zeros(len(texts), length, dtype=torch.long)
    for row, ids in enumerate(texts):
        tokens_BT[row, length - len(ids) :] = torch.tensor(ids)
        mask_BT[row, length - len(ids) :] = 1
    return tokens_BT, mask_BT
