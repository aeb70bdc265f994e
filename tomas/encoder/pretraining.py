"""Phase 0: the frozen language model must say a row's sentence from the row's vector."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from tomas.backbone.loading import Backbone
from tomas.backbone.prefix import as_cache, prefill
from tomas.config import Encoder as EncoderParams
from tomas.domain.catalogue import Catalogue
from tomas.encoder.model import ResourceEncoder
from tomas.encoder.shorthand import Shorthand
from tomas.encoder.speaker import Speaker
from tomas.encoder.template import Sentence, sentence

IGNORED = -100
BUCKET = 16
"""Batches are cut from windows of this many batches, sorted by length, so that little is padded."""


@dataclass(frozen=True)
class Rows:
    """A batch: raw vectors and the tokens to be said, padded on the right."""

    tool_B: torch.Tensor
    vectors_B6: torch.Tensor
    tokens_BT: torch.Tensor
    labels_BT: torch.Tensor
    """Tokens, with IGNORED where there is padding."""
    is_value_BT: torch.Tensor


class PretrainingTask:
    """What the training loop needs: batches of rows, and the loss of saying them."""

    def __init__(
        self, backbone: Backbone, encoder: ResourceEncoder, catalogue: Catalogue, params: EncoderParams, seed: int
    ) -> None:
        self.backbone, self.encoder, self.params, self.seed = backbone, encoder, params, seed
        self.tool_N = torch.from_numpy(np.array(catalogue.tool_id))
        self.vectors_N6 = torch.tensor(catalogue.vector6(), dtype=torch.float32)
        names = [catalogue.tools[int(tool)].name for tool in self.tool_N]
        sentences = [
            sentence(name, int(v[0]), v[1:].tolist())
            for name, v in zip(names, catalogue.vector6(), strict=True)  # float32 would say 0.30000001192
        ]
        self.tokens, self.is_value = tokenized(backbone, sentences)
        self.shorthand = Shorthand.of(backbone, names, sentences)
        hidden, num_tokens = backbone.hidden_size, self.shorthand.tokens_NS.shape[1]
        self.speaker = Speaker(hidden, num_tokens, backbone.embedding_norm)
        self.trained = nn.ModuleDict({"encoder": encoder, "speaker": self.speaker})
        self.prompt_1T = self._prompt()
        self.exemplar = None if self.prompt_1T is None else prefill(backbone, self.prompt_1T)
        """The prompt's keys and values, computed once for all batches."""

    @property
    def module(self) -> nn.Module:
        """Resource stream, fusion and speaker; the meaning of the tools is a buffer."""
        return self.trained

    def param_groups(self) -> list[dict[str, Any]]:
        """The gate of the fusion is a single number and learns ten times as fast, without decay."""
        return groups(self.trained, self.params.lr)

    def num_batches(self, epoch: int) -> int:  # noqa: ARG002 - the loop asks for each epoch
        """Batches that cover an epoch's share of the table once."""
        return -(-self._rows_of_epoch // self.params.batch_size)

    @property
    def _rows_of_epoch(self) -> int:
        return math.ceil(len(self.tokens) * self.params.epoch_share)

    def batch(self, epoch: int, index: int) -> Rows:
        """Rows in random order, similar lengths together, with jitter on the six numbers."""
        rows = self._order(epoch)[index]
        noise = np.random.default_rng((self.seed, epoch, index)).uniform(-1, 1, (len(rows), 6)) * self.params.jitter
        vectors_B6 = self.vectors_N6[rows] * (1 + torch.from_numpy(noise).float())
        return self.rows(rows, vectors_B6)

    def rows(self, rows: list[int], vectors_B6: torch.Tensor) -> Rows:
        """The batch of these rows with these vectors."""
        length = max(len(self.tokens[i]) for i in rows)
        tokens_BT = torch.zeros(len(rows), length, dtype=torch.long)
        labels_BT = torch.full((len(rows), length), IGNORED)
        is_value_BT = torch.zeros(len(rows), length, dtype=torch.bool)
        for b, i in enumerate(rows):
            n = len(self.tokens[i])
            tokens_BT[b, :n] = labels_BT[b, :n] = torch.tensor(self.tokens[i])
            is_value_BT[b, :n] = torch.tensor(self.is_value[i])
        tensors = (self.tool_N[rows], vectors_B6, tokens_BT, labels_BT, is_value_BT)
        return Rows(*(tensor.to(self.backbone.model.device) for tensor in tensors))

    def loss(self, batch: Rows) -> dict[str, torch.Tensor]:
        """Mean cross-entropy a token, and the share of tokens and of value tokens said right."""
        cross_entropy, right = self.say(batch)
        said = batch.is_value_BT[batch.labels_BT != IGNORED]
        scalars = {
            "loss": cross_entropy.mean(),
            "accuracy": right.float().mean(),
            "value_accuracy": right[said].float().mean(),
        }
        if self.encoder.alpha is not None:
            scalars["alpha"] = cross_entropy.new_tensor(self.encoder.alpha)
        return scalars

    def say(self, batch: Rows) -> tuple[torch.Tensor, torch.Tensor]:
        """Cross-entropy and rightness of every real token; logits exist only where there is one to predict."""
        spoken_BSH = self.spoken(batch)
        # A position predicts the token after it, so the last token of the sentence is not read.
        inputs_BSH = torch.cat([spoken_BSH, self.backbone.embed(batch.tokens_BT[:, :-1])], dim=1)
        cache = as_cache(self.exemplar, len(inputs_BSH)) if self.exemplar else None
        out = self.backbone.body(inputs_embeds=inputs_BSH, past_key_values=cache, use_cache=False)
        hidden_BTH = out.last_hidden_state[:, spoken_BSH.shape[1] - 1 :]
        real_BT = batch.labels_BT != IGNORED
        logits_MV = self.backbone.model.lm_head(hidden_BTH[real_BT])
        labels_M = batch.labels_BT[real_BT]
        cross_entropy_M = nn.functional.cross_entropy(logits_MV, labels_M, reduction="none").float()
        return cross_entropy_M, logits_MV.detach().argmax(dim=1) == labels_M

    def spoken(self, batch: Rows) -> torch.Tensor:
        """What stands before a sentence: the vector's soft tokens, and the end of the line."""
        soft_BSH = self.speaker(self.encoder(batch.tool_B, batch.vectors_B6)).to(self.backbone.dtype)
        end_BEH = self.backbone.embed(self.shorthand.end_E).expand(len(soft_BSH), -1, -1)
        return torch.cat([soft_BSH, end_BEH], dim=1)

    def end_epoch(self, epoch: int) -> dict[str, float]:  # noqa: ARG002 - the loop tells the epoch
        """Nothing between epochs: the final figures are measured on the whole table."""
        return {}

    def _order(self, epoch: int) -> list[list[int]]:
        order = np.random.default_rng((self.seed, epoch)).permutation(len(self.tokens))[: self._rows_of_epoch].tolist()
        size, window = self.params.batch_size, self.params.batch_size * BUCKET
        batches: list[list[int]] = []
        for start in range(0, len(order), window):
            chunk = sorted(order[start : start + window], key=lambda i: len(self.tokens[i]))
            batches += [chunk[i : i + size] for i in range(0, len(chunk), size)]
        shuffled = np.random.default_rng((self.seed, epoch, 1)).permutation(len(batches))
        return [batches[i] for i in shuffled]

    def _prompt(self) -> torch.Tensor | None:
        """Token IDs of a few rows, spread over the table, each as its line and its sentence; they stand first."""
        if not self.params.exemplars:
            return None
        rows = np.linspace(0, len(self.tokens) - 1, self.params.exemplars + 2).round().astype(int)[1:-1]
        newline = self.backbone.tokenizer("\n", add_special_tokens=False)["input_ids"]
        start = self.backbone.tokenize([""], 1)[0]  # the tokenizer's own start token, where it has one
        prompt = [*start, *(token for i in rows for token in [*self.shorthand.line(i), *self.tokens[i], *newline])]
        return torch.tensor([prompt], device=self.backbone.model.device)


def groups(trained: nn.Module, lr: float) -> list[dict[str, Any]]:
    """AdamW's groups: the gate of the fusion is a single number and learns ten times as fast, without decay."""
    gate = [p for n, p in trained.named_parameters() if n.endswith("fusion.alpha")]
    rest = [p for n, p in trained.named_parameters() if not n.endswith("fusion.alpha")]
    found = [{"params": rest, "lr": lr, "weight_decay": 0.01}]
    return [*found, {"params": gate, "lr": lr * 10, "weight_decay": 0.0}] if gate else found


def tokenized(backbone: Backbone, sentences: list[Sentence]) -> tuple[list[list[int]], list[list[bool]]]:
    """Token IDs of each sentence, and which of them belong to a value."""
    encoded = backbone.tokenizer([s.text for s in sentences], add_special_tokens=False, return_offsets_mapping=True)
    flags = [
        [any(start < stop and end > begin for begin, stop in s.values) for start, end in offsets]
        for s, offsets in zip(sentences, encoded["offset_mapping"], strict=True)
    ]
    return [list(ids) for ids in encoded["input_ids"]], flags
