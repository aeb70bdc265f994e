"""Batches of examples in an order of their own for each epoch, texts of similar length together."""

import math
from collections.abc import Sequence

import numpy as np

from tomas.config import Training
from tomas.domain.resources import Ints
from tomas.planner.examples import Batch, Batches

BUCKET = 32
"""Batches whose texts are sorted by length together; with half as many, twice as much of a batch is padding."""
WHOLE_TEXTS = 32
"""Most texts whose pass through every layer is kept for the backward pass; 96 took more than 24 GB."""


class TextBatches:
    """What an epoch is made of: each of `rows`, or of a share of them, once, drawn by seed and epoch alone."""

    def __init__(self, batches: Batches, rows: Ints, size: int, seed: Sequence[int], share: float = 1.0) -> None:
        self.batches, self.rows, self.size, self.seed = batches, rows, size, tuple(seed)
        self.count = math.ceil(len(rows) * share)
        self._epoch = -1

    def __len__(self) -> int:
        """Batches of an epoch; less than half a batch at the end goes into the one before.

        So that, of several processes, none is left without a row.
        """
        return max(1, (self.count + self.size // 2) // self.size)

    def batch(self, epoch: int, index: int) -> Batch:
        """One batch."""
        return self.batches.batch(self._rows(epoch, index))

    def texts(self, epoch: int, index: int) -> list[int]:
        """The texts of one batch."""
        texts: list[int] = self.batches.examples.text_E[self._rows(epoch, index)].tolist()
        return texts

    def drawn(self, epochs: int) -> list[int]:
        """Every text that so many epochs meet."""
        return sorted(
            {text for epoch in range(epochs) for index in range(len(self)) for text in self.texts(epoch, index)}
        )

    def _rows(self, epoch: int, index: int) -> Ints:
        if self._epoch != epoch:
            self._epoch, self._order = epoch, self.order(epoch)
        return self._order[index]

    def order(self, epoch: int) -> list[Ints]:
        """The rows of each batch."""
        examples = self.batches.examples
        rng = np.random.default_rng((*self.seed, 0, epoch))
        order = rng.permutation(self.rows)[: self.count]
        length_E = np.array([len(ids) for ids in examples.texts])[examples.text_E]
        for start in range(0, len(order), self.size * BUCKET):
            chunk = order[start : start + self.size * BUCKET]
            order[start : start + self.size * BUCKET] = chunk[np.argsort(length_E[chunk], kind="stable")]
        batches = np.split(order, [self.size * i for i in range(1, len(self))])
        return [batches[i] for i in rng.permutation(len(self))]


def in_parts(params: Training) -> Training:
    """Batches that fit in memory where texts are passed through whole, and as many an update as make up a batch."""
    parts = math.ceil(params.batch_size / WHOLE_TEXTS)
    size = math.ceil(params.batch_size / parts)
    return params.model_copy(update={"batch_size": size, "accumulate": params.accumulate * parts})
