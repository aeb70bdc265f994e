"""Labelled examples as arrays: texts once, windows once, and the rows each example chooses from."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from tomas.backbone.loading import Backbone
from tomas.data.validated import Timelines
from tomas.domain.catalogue import Catalogue
from tomas.domain.fit import feasible_at
from tomas.domain.resources import SIZES
from tomas.planner.characters import grams
from tomas.planner.model import MAX_TEXT_TOKENS
from tomas.planner.windows import WindowReader

MOST_EXCESS = 1.0
"""Twice as long as the best is as wrong as it gets."""


@dataclass(frozen=True)
class Examples:
    """One split of data/labelled; the index over examples is E."""

    texts: list[list[int]]
    """Token IDs of each distinct text."""
    text_E: np.ndarray
    tool_E: np.ndarray
    """-1 where no tool serves the request."""
    size_E: np.ndarray
    config_E: np.ndarray
    """The oracle's configuration; -1 where there is none."""
    now_ECP: np.ndarray
    """Windows from T_inf on: what the backbone is told."""
    start_ECP: np.ndarray
    """Windows from the moment the run can start: what the configuration is looked up by."""
    excess_EN: np.ndarray
    """How much longer than the best each configuration of the tool and size takes, as a share of the best and at most
    1; -1 where it does not fit at that moment, or there is none."""
    grams: list[list[int]]
    """The grams of the characters of each distinct text."""

    def __len__(self) -> int:
        return len(self.text_E)


@dataclass(frozen=True)
class Batch:
    """Examples as tensors; every tensor's first dimension is the batch."""

    text_B: torch.Tensor
    tool_B: torch.Tensor
    size_B: torch.Tensor
    config_B: torch.Tensor
    ids_BN: torch.Tensor
    place_B: torch.Tensor
    """Where config_B stands in ids_BN."""
    now_BCP: torch.Tensor
    start_BCP: torch.Tensor
    excess_BN: torch.Tensor
    has_grams_B: torch.Tensor
    """Whether the text has characters that are known by themselves."""

    def rows(self, keep_B: torch.Tensor) -> "Batch":
        """The batch with only these rows."""
        return Batch(**{name: value[keep_B] for name, value in vars(self).items()})


def read_examples(
    frame: pd.DataFrame, backbone: Backbone, timelines: Timelines, reader: WindowReader, catalogue: Catalogue
) -> Examples:
    """The examples of a labelled split."""
    distinct, text_E = np.unique(frame["text"].to_numpy(str), return_inverse=True)
    now, start = [], []
    for name, t_inf_ms, start_ms in zip(frame["timeline"], frame["t_inf_ms"], frame["start_ms"], strict=True):
        timeline = timelines[name]
        now.append(reader.read(timeline, float(t_inf_ms)))
        same = pd.isna(start_ms) or start_ms == t_inf_ms
        start.append(now[-1] if same else reader.read(timeline, float(start_ms)))
    sizes = {size: place for place, size in enumerate(SIZES)}
    size_E = frame["input_size"].map(lambda size: sizes.get(size, 0)).to_numpy(np.int64)
    return Examples(
        texts=backbone.tokenize(distinct.tolist(), MAX_TEXT_TOKENS),
        text_E=text_E,
        tool_E=frame["tool_id"].to_numpy(np.int64),
        size_E=size_E,
        config_E=frame["config_id"].to_numpy(np.int64),
        now_ECP=np.stack(now),
        start_ECP=np.stack(start),
        excess_EN=_excess(frame, size_E, timelines, catalogue),
        grams=[grams(text) for text in distinct.tolist()],
    )


def _excess(frame: pd.DataFrame, size_E: np.ndarray, timelines: Timelines, catalogue: Catalogue) -> np.ndarray:
    cases = _cases(catalogue)
    excess_EN = np.full((len(frame), cases.shape[1]), -1.0, dtype=np.float32)
    rows = zip(frame["timeline"], frame["start_ms"], frame["tool_id"], size_E, strict=True)
    for place, (name, start_ms, tool, size) in enumerate(rows):
        if pd.isna(start_ms):
            continue
        ids = catalogue.ids(tool, SIZES[size])
        latency_ms = catalogue.latency_ms[ids]
        fits = feasible_at(timelines[name], catalogue.requirement[ids], latency_ms, float(start_ms))
        share = np.minimum(latency_ms / latency_ms[fits].min(initial=np.inf) - 1, MOST_EXCESS)
        excess_EN[place, : len(ids)] = np.where(fits, share, -1.0)
    return excess_EN


def _cases(catalogue: Catalogue) -> np.ndarray:
    """Config IDs of every tool and size, filled up with -1."""
    cases = [catalogue.ids(tool, size) for tool in range(len(catalogue.tools)) for size in SIZES]
    ids_case = np.full((len(cases), max(len(ids) for ids in cases)), -1, dtype=np.int64)
    for place, ids in enumerate(cases):
        ids_case[place, : len(ids)] = ids
    return ids_case


class Batches:
    """Cuts examples into batches; the rows of each example's tool and size come along."""

    def __init__(self, examples: Examples, catalogue: Catalogue) -> None:
        self.examples, self.ids_case = examples, _cases(catalogue)

    def batch(self, rows: Any) -> Batch:
        """These examples."""
        own = self.examples
        tool, size, config = own.tool_E[rows], own.size_E[rows], own.config_E[rows]
        ids = self.ids_case[np.maximum(tool, 0) * len(SIZES) + size]
        place = np.argmax(ids == config[:, None], axis=1)
        now, start = own.now_ECP[rows], own.start_ECP[rows]
        has_grams = np.array([bool(own.grams[text]) for text in own.text_E[rows]])
        arrays = (own.text_E[rows], tool, size, config, ids, place, now, start, own.excess_EN[rows], has_grams)
        return Batch(*map(torch.from_numpy, arrays))
