"""Before the frozen model is asked: encoder and speaker learn to spell a row's shorthand. Cheap, as no model runs."""

from typing import Any

import numpy as np
import torch
from torch import nn

from tomas.encoder.pretraining import PretrainingTask, groups

BATCH = 128
LR = 2e-3


class SpellingTask:
    """The soft tokens of a row should point where the embeddings of its shorthand's tokens point."""

    def __init__(self, task: PretrainingTask) -> None:
        self.task = task
        embeddings_VH = task.backbone.embed(task.shorthand.tokens_NS.unique()).float()
        self.embeddings_VH = nn.functional.normalize(embeddings_VH, dim=1)
        self.place_NS = torch.searchsorted(task.shorthand.tokens_NS.unique(), task.shorthand.tokens_NS)

    @property
    def module(self) -> nn.Module:
        """Encoder and speaker, as in the task that follows."""
        return self.task.module

    def param_groups(self) -> list[dict[str, Any]]:
        """The groups of the task that follows, at a rate of its own."""
        return groups(self.task.module, LR)

    def num_batches(self, epoch: int) -> int:  # noqa: ARG002 - the loop asks for each epoch
        """Batches that cover the table once."""
        return -(-len(self.place_NS) // BATCH)

    def batch(self, epoch: int, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Rows in random order and their six numbers with jitter."""
        task = self.task
        order = np.random.default_rng((task.seed, 3, epoch)).permutation(len(self.place_NS))
        rows = order[index * BATCH : (index + 1) * BATCH]
        noise = np.random.default_rng((task.seed, 3, epoch, index)).uniform(-1, 1, (len(rows), 6)) * task.params.jitter
        return torch.from_numpy(rows), task.vectors_N6[rows] * (1 + torch.from_numpy(noise).float())

    def loss(self, batch: tuple[torch.Tensor, torch.Tensor]) -> dict[str, torch.Tensor]:
        """One minus the cosine to the right token's embedding; and how often that token is the nearest."""
        rows, vectors_B6 = batch
        backbone = self.task.backbone
        # in the backbone's precision: half the time in bfloat16, and no worse
        with torch.autocast(backbone.model.device.type, backbone.dtype, enabled=backbone.dtype != torch.float32):
            soft_BSH = self.task.speaker(self.task.encoder(self.task.tool_N[rows], vectors_B6))
            cosine_BSV = (nn.functional.normalize(soft_BSH, dim=2) @ self.embeddings_VH.T).float()
        place_BS = self.place_NS[rows.to(self.place_NS.device)]
        nearest = cosine_BSV.gather(2, place_BS[:, :, None])
        return {
            "loss": 1 - nearest.mean(),
            "accuracy": (cosine_BSV.argmax(dim=2) == place_BS).float().mean(),
        }

    def end_epoch(self, epoch: int) -> dict[str, float]:  # noqa: ARG002 - the loop tells the epoch
        """Nothing between epochs."""
        return {}
