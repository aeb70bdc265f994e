"""What a text says in scripts that are written without spaces: its characters, one to three at a time.

A backbone that was trained on English reads such a character as two or three bytes, and hardly knows what it means.
Here every run of up to three characters has a learned vector of its own.
"""

import re
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import nn

CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"  # kana, Chinese characters, Hangul
SCRIPTS = re.compile(f"[{CJK}]+")
LENGTHS = (1, 2, 3)
BUCKETS = 2**15
WIDTH = 64


class Grams(NamedTuple):
    """The grams of a batch of texts, one text after the other."""

    ids_M: torch.Tensor
    starts_B: torch.Tensor
    count_B: torch.Tensor

    @classmethod
    def of(cls, texts: Sequence[list[int]], device: torch.device | str = "cpu") -> "Grams":
        """A batch of what `grams` gave."""
        count_B = torch.tensor([len(own) for own in texts])
        ids_M = torch.tensor([gram for own in texts for gram in own], dtype=torch.long)
        return cls(ids_M.to(device), (count_B.cumsum(0) - count_B).to(device), count_B.to(device))


def grams(text: str) -> list[int]:
    """The buckets of a text's grams; none for a text in Latin script."""
    found = {zlib.crc32(run.encode()) % BUCKETS for word in SCRIPTS.findall(text) for run in runs(word, LENGTHS)}
    return sorted(found)


def runs(word: str, lengths: Sequence[int]) -> Iterator[str]:
    """All runs of so many characters within a word."""
    for length in lengths:
        for start in range(len(word) - length + 1):
            yield word[start : start + length]


class Characters(nn.Module):
    """A learned vector for each gram, added up."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.vectors = nn.EmbeddingBag(BUCKETS, WIDTH, mode="sum")
        nn.init.normal_(self.vectors.weight, std=0.02)
        self.out = nn.Linear(WIDTH, hidden, bias=False)

    def forward(self, grams: Grams) -> torch.Tensor:
        """One vector a text, zero where it has no gram."""
        sum_BW = self.vectors(grams.ids_M, grams.starts_B)
        return self.out(sum_BW / grams.count_B.clamp(min=1).sqrt()[:, None])  # type: ignore[no-any-return]
