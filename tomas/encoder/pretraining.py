"""Phase 0: the frozen language model must say a row's sentence from the row's vector."""

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
        sentences = [
            sentence(catalogue.tools[int(tool)].name, int(v[0]), v[1:].tolist())
            for tool, v in zip(self.tool_N, catalogue.vector6(), strict=True)  # float32 would say 0.30000001192
        ]
        self.tokens, self.is_value = tokenized(backbone, sentences)
        self.prompt_1T = self._prompt([s.text for s in sentences])
        self.exemplar = None if self.prompt_1T is None else prefill(backbone, self.prompt_1T)
        """The prompt's keys and values, computed once for all batches."""

    @property
    def module(self) -> nn.Module:
        """Resource stream and fusion; the meaning of the tools is a buffer."""
        return self.encoder

    def param_groups(self) -> list[dict[str, Any]]:
        """One group; the gate is a single number and learns ten times as fast, without decay."""
        gate = [p for n, p in self.encoder.named_parameters() if n == "fusion.alpha"]
        rest = [p for n, p in self.encoder.named_parameters() if n != "fusion.alpha"]
        groups = [{"params": rest, "lr": self.params.lr, "weight_decay": 0.01}]
        if gate:
            groups.append({"params": gate, "lr": self.params.lr * 10, "weight_decay": 0.0})
        return groups

    def num_batches(self, epoch: int) -> int:  # noqa: ARG002 - the loop asks for each epoch
        """Batches that cover the table once."""
        return -(-len(self.tokens) // self.params.batch_size)

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
        vector_B1H = self.encoder(batch.tool_B, batch.vectors_B6).unsqueeze(1).to(self.backbone.dtype)
        # Position t predicts token t of the sentence, so the vector stands before the first and the last is not read.
        inputs_BTH = torch.cat([vector_B1H, self.backbone.embed(batch.tokens_BT[:, :-1])], dim=1)
        cache = as_cache(self.exemplar, len(inputs_BTH)) if self.exemplar else None
        hidden_BTH = self.backbone.body(
            inputs_embeds=inputs_BTH, past_key_values=cache, use_cache=False
        ).last_hidden_state
        real_BT = batch.labels_BT != IGNORED
        logits_MV = self.backbone.model.lm_head(hidden_BTH[real_BT])
        labels_M = batch.labels_BT[real_BT]
        cross_entropy_M = nn.functional.cross_entropy(logits_MV, labels_M, reduction="none").float()
        return cross_entropy_M, logits_MV.detach().argmax(dim=1) == labels_M

    def end_epoch(self, epoch: int) -> dict[str, float]:  # noqa: ARG002 - the loop tells the epoch
        """Nothing between epochs: the final figures are measured on the whole table."""
        return {}

    def _order(self, epoch: int) -> list[list[int]]:
        order = np.random.default_rng((self.seed, epoch)).permutation(len(self.tokens)).tolist()
        size, window = self.params.batch_size, self.params.batch_size * BUCKET
        batches: list[list[int]] = []
        for start in range(0, len(order), window):
            chunk = sorted(order[start : start + window], key=lambda i: len(self.tokens[i]))
            batches += [chunk[i : i + size] for i in range(0, len(chunk), size)]
        shuffled = np.random.default_rng((self.seed, epoch, 1)).permutation(len(batches))
        return [batches[i] for i in shuffled]

    def _prompt(self, texts: list[str]) -> torch.Tensor | None:
        """Token IDs of a few rows in the template, spread over the table; they stand before every vector."""
        if not self.params.exemplars:
            return None
        rows = np.linspace(0, len(texts) - 1, self.params.exemplars + 2).round().astype(int)[1:-1]
        prompt = "".join(texts[i] + "\n" for i in rows)
        return torch.tensor(self.backbone.tokenize([prompt], 2048), device=self.backbone.model.device)


def tokenized(backbone: Backbone, sentences: list[Sentence]) -> tuple[list[list[int]], list[list[bool]]]:
    """Token IDs of each sentence, and which of them belong to a value."""
    encoded = backbone.tokenizer([s.text for s in sentences], add_special_tokens=False, return_offsets_mapping=True)
    flags = [
        [any(start < stop and end > begin for begin, stop in s.values) for start, end in offsets]
        for s, offsets in zip(sentences, encoded["offset_mapping"], strict=True)
    ]
    return [list(ids) for ids in encoded["input_ids"]], flags
