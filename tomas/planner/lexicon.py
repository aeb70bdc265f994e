"""A second opinion on the tool: which words and letters came with it, learnt by a linear model without the backbone.

A language model knows what words mean, but takes an odd wording for a known one, and reads Chinese in bytes. Whoever
only counts words errs elsewhere: both together are right more often than either.
"""

import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from tomas.domain.resources import Floats, Ints
from tomas.planner.characters import CJK, LENGTHS, runs

WORD = re.compile(rf"([{CJK}]+)|[^\W{CJK}]+")
LETTERS = (2, 3, 4)
LONGEST = 2000
"""Characters of a text that are looked at."""
BUCKETS = 2**16
EPOCHS, BATCH, LR = 10, 256, 0.05
FILE = "lexicon.safetensors"


def grams(text: str) -> Iterator[str]:
    """A text's words, pairs of words, and runs of letters within a word."""
    words = list(WORD.finditer(text[:LONGEST].lower()))
    for first, second in pairwise(words):
        yield f"{first[0]} {second[0]}"
    for word in words:
        if word[1]:
            yield from (f"={run}" for run in runs(word[1], LENGTHS))
        else:
            yield f"={word[0]}"
            yield from runs(f"_{word[0]}_", LETTERS)


class Lexicon(nn.Module):
    """Logits of every tool, and of none of them (the last), from the texts' grams."""

    def __init__(self, num_tools: int) -> None:
        super().__init__()
        self.weights = nn.EmbeddingBag(BUCKETS, num_tools + 1, mode="sum")
        self.bias = nn.Parameter(torch.zeros(num_tools + 1))
        nn.init.zeros_(self.weights.weight)

    def forward(self, counted: Sequence["Counted"]) -> torch.Tensor:
        """One row of logits a text."""
        starts_B = np.cumsum([0, *(len(buckets) for buckets, _ in counted[:-1])])
        ids_M, shares_M = (np.concatenate(parts) for parts in zip(*counted, strict=True))
        weighed = self.weights(torch.from_numpy(ids_M), torch.from_numpy(starts_B), torch.from_numpy(shares_M))
        return weighed + self.bias  # type: ignore[no-any-return]

    @torch.no_grad()
    def opinions(self, texts: Sequence[str]) -> Floats:
        """Log-probabilities [B, K + 1] of every tool and of none."""
        opinions: Floats = self([count(text) for text in texts]).log_softmax(dim=1).double().numpy()
        return opinions

    def save(self, folder: Path) -> None:
        """Write it beside a planner's other weights."""
        save_file(self.state_dict(), folder / FILE)


Counted = tuple[Ints, np.ndarray]
"""The buckets of a text's grams, and how much each of them counts."""


def count(text: str) -> Counted:
    """The tenth time a gram counts three times as much as the first; a long text as much as a short one."""
    found = Counter(zlib.crc32(gram.encode()) % BUCKETS for gram in grams(text))
    shares = 1 + np.log(np.fromiter(found.values(), dtype=np.float32, count=len(found)))
    buckets = np.fromiter(found, dtype=np.int64, count=len(found))
    return buckets, shares / max(float(np.linalg.norm(shares)), 1e-9)


def learn_lexicon(texts: Sequence[str], tool_id: Ints, num_tools: int, seed: int) -> Lexicon:
    """A lexicon fitted to texts and their Tool IDs (-1 = no tool serves it)."""
    lexicon, generator = Lexicon(num_tools), torch.Generator().manual_seed(seed)
    counted = [count(text) for text in texts]
    truth = torch.from_numpy(np.where(tool_id < 0, num_tools, tool_id))
    optimizer = torch.optim.Adam(lexicon.parameters(), lr=LR, fused=True)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(texts), generator=generator).split(BATCH):
            loss = nn.functional.cross_entropy(lexicon([counted[row] for row in rows.tolist()]), truth[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return lexicon.eval().requires_grad_(False)


def load_lexicon(folder: Path, num_tools: int) -> Lexicon:
    """The lexicon of a planner."""
    lexicon = Lexicon(num_tools)
    lexicon.load_state_dict(load_file(folder / FILE))
    return lexicon.eval().requires_grad_(False)
