"""What the frozen backbone makes of each distinct text, computed once and kept on disk for every epoch and seed.

In two parts: the layers under those that learn to read, which are the same for every training on these texts, and
those above, which are computed once reading is learnt.
"""

import fcntl
import json
import math
import os
import shutil
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import torch
from filelock import FileLock
from tqdm import tqdm

from tomas.backbone.layers import states_at
from tomas.backbone.loading import Backbone
from tomas.backbone.prefix import KeyValues
from tomas.files import digest_of_value, whole, write_json
from tomas.planner.model import padded
from tomas.planner.reader import read_layers, tuned_layers

BATCH = 32
FORMAT = 3
Device = torch.device | str
Inputs = Callable[[list[int]], tuple[torch.Tensor, torch.Tensor]]
"""What goes into a store's first layer for these texts: hidden states [B, T, H] and mask [B, T]."""


class TextStore:
    """Keys and values of some layers, and hidden states, on disk; a batch is assembled with padding on the left."""

    def __init__(self, folder: Path, dtype: torch.dtype) -> None:
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        held = os.open(folder / "index.json", os.O_RDONLY)
        fcntl.flock(held, fcntl.LOCK_SH)
        weakref.finalize(self, os.close, held)  # read as long as this object lives
        self.folder, self.dtype = folder, dtype
        self.content: str = index["content"]
        """What the states are of: the same in stores that keep the keys of other texts."""
        self.lengths: list[int] = index["lengths"]
        self.starts, self.key_starts = offsets(self.lengths), offsets(index["key_lengths"])
        self.kv_shape: list[int] = index["kv_shape"]  # layers, 2, key-value heads, head width
        self.state_shape: list[int] = index["state_shape"]  # depths, hidden

    def keys_values(self, rows: Sequence[int]) -> torch.Tensor:
        """Keys and values [L, 2, B, G, T, E] of these texts, of those whose keys are kept."""
        layers, two, heads, width = self.kv_shape
        longest = max(self.lengths[row] for row in rows)
        kv = np.empty((layers, two, len(rows), heads, longest, width), bits(self.dtype))
        with (self.folder / "kv.bin").open("rb") as file:
            for place, row in enumerate(rows if layers else ()):  # a shallow backbone has none under those that read
                padding = longest - self.lengths[row]
                kv[:, :, place, :, :padding] = 0
                kv[:, :, place, :, padding:] = self._text(file, row, self.kv_shape, self.key_starts).transpose(
                    1, 2, 3, 0, 4
                )
        return torch.from_numpy(kv).view(self.dtype)

    def states(self, rows: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Hidden states [B, D, T, H] and mask [B, T] of these texts."""
        longest = max(self.lengths[row] for row in rows)
        depths, hidden = self.state_shape
        states = np.zeros((len(rows), depths, longest, hidden), bits(self.dtype))
        mask = np.zeros((len(rows), longest), np.int64)
        with (self.folder / "states.bin").open("rb") as file:
            for place, row in enumerate(rows):
                start = longest - self.lengths[row]
                states[place, :, start:] = self._text(file, row, self.state_shape, self.starts).swapaxes(0, 1)
                mask[place, start:] = 1
        return torch.from_numpy(states).view(self.dtype), torch.from_numpy(mask)

    def _text(self, file: BinaryIO, row: int, shape: list[int], starts: list[int]) -> np.ndarray:
        """What a file holds of one text [T, ...]; read, not mapped: page faults took five times as long."""
        count = self.lengths[row] * math.prod(shape)
        file.seek(starts[row] * math.prod(shape) * self.dtype.itemsize)
        return np.fromfile(file, bits(self.dtype), count).reshape(self.lengths[row], *shape)


class StoredTexts:
    """All layers' part of the texts; what is read ahead comes from disk while another batch is worked on.

    That is done without torch: its threads would get in the way of those that compute.
    """

    def __init__(self, below: TextStore, above: TextStore) -> None:
        self.below, self.above = below, above
        self._reader = ThreadPoolExecutor(1, "read-ahead")
        self._ahead: dict[tuple[int, ...], Future[Fetched]] = {}

    def read_ahead(self, rows: Sequence[int]) -> None:
        """Have what `batch` will give of these texts fetched meanwhile."""
        self._ahead[tuple(rows)] = self._reader.submit(self._fetch, tuple(rows))

    def batch(self, rows: Sequence[int], device: Device = "cpu") -> tuple[KeyValues, torch.Tensor, torch.Tensor]:
        """Keys and values of every layer, the states [B, D, T, H] that are read, and mask [B, T] of these texts."""
        ahead = self._ahead.pop(tuple(rows), None)
        below, above, states_BDTH, mask_BT = ahead.result() if ahead else self._fetch(rows)
        prefix = [(layer[0], layer[1]) for part in (below, above) for layer in part.to(device)]
        return prefix, states_BDTH.to(device), mask_BT.to(device)

    def _fetch(self, rows: Sequence[int]) -> "Fetched":
        return self.below.keys_values(rows), self.above.keys_values(rows), *self.above.states(rows)


Fetched = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def bits(dtype: torch.dtype) -> type[np.generic]:
    """A number of the same size, for what numpy copies and cannot read."""
    return np.int16 if dtype.itemsize == 2 else np.int32


def offsets(lengths: Sequence[int]) -> list[int]:
    """Where each text begins in a file that holds so many tokens of each."""
    starts: list[int] = np.concatenate([[0], np.cumsum(lengths)]).tolist()
    return starts


def open_below(
    backbone: Backbone, texts: list[list[int]], folder: Path, keyed: Sequence[int] | None = None
) -> TextStore:
    """The layers under those that learn to read: the states that go into the first of those, and keys and values.

    The latter, nine tenths of what is written, of these texts only, where `keyed` names some.
    """
    split = tuned_layers(backbone.num_layers).start

    def embedded(rows: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        tokens_BT, mask_BT = (tensor.to(backbone.model.device) for tensor in padded([texts[row] for row in rows]))
        return backbone.embed(tokens_BT), mask_BT

    content = digest_of_value([FORMAT, backbone.fingerprint, str(backbone.dtype), split, texts])
    lengths = [len(ids) for ids in texts]
    keys = lengths if keyed is None else _lengths_of(lengths, keyed)
    return _open(folder, content, _Fill(backbone, range(split), [split], lengths, keys, embedded))


def open_above(
    backbone: Backbone, adapters: str, below: TextStore, folder: Path, rows: Sequence[int] | None = None
) -> TextStore:
    """The other layers, with the reading adapters of this fingerprint in place, and the states that are read.

    Of these texts only, where `rows` names some.
    """
    split, layers = tuned_layers(backbone.num_layers).start, backbone.num_layers

    def from_below(rows: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        states_B1TH, mask_BT = (tensor.to(backbone.model.device) for tensor in below.states(rows))
        return states_B1TH[:, 0], mask_BT

    lengths = below.lengths if rows is None else _lengths_of(below.lengths, rows)
    content = digest_of_value([below.content, adapters])
    fill = _Fill(backbone, range(split, layers), read_layers(layers), lengths, lengths, from_below)
    return _open(folder, content, fill)


def _lengths_of(lengths: Sequence[int], rows: Sequence[int]) -> list[int]:
    """The lengths, zero for all texts but these."""
    kept = set(rows)
    return [length if row in kept else 0 for row, length in enumerate(lengths)]


class _Fill(NamedTuple):
    """How a store is made."""

    backbone: Backbone
    layers: range
    depths: list[int]
    """After how many layers the states are kept."""
    lengths: list[int]
    """Tokens of each text; one of none is left out."""
    key_lengths: list[int]
    """The same of the texts whose keys and values are kept."""
    inputs: Inputs


def _open(folder: Path, content: str, fill: _Fill) -> TextStore:
    """The store of this content; made on first use, others that nobody reads make room."""
    place = folder / digest_of_value([content, fill.lengths, fill.key_lengths])[:20]
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):
        if not place.is_dir():
            for old in folder.iterdir():
                if old.is_dir() and not _is_read(old):
                    shutil.rmtree(old)
            with whole(place) as partial:
                partial.mkdir()
                _write_store(fill, content, partial)
        return TextStore(place, fill.backbone.dtype)


def _is_read(store: Path) -> bool:
    """Whether a process has the store open: of two workers of a sweep, neither may take the other's away."""
    try:
        with (store / "index.json").open() as index:
            fcntl.flock(index, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        pass
    return False


@torch.no_grad()
def _write_store(fill: _Fill, content: str, folder: Path) -> None:
    """Read every text and write what is kept; written, not mapped, so that the pages are not this process's memory."""
    starts, key_starts = offsets(fill.lengths), offsets(fill.key_lengths)
    order = [row for row in np.argsort(fill.lengths, kind="stable").tolist() if fill.lengths[row]]
    with (folder / "kv.bin").open("wb") as kv_file, (folder / "states.bin").open("wb") as state_file:
        for start in tqdm(range(0, len(order), BATCH), desc="read texts", unit="batch", disable=None):
            rows = order[start : start + BATCH]
            kv_LSBGTE, states_DBTH = _read(fill, rows)
            for place, row in enumerate(rows):
                own = slice(-fill.lengths[row], None)
                if fill.key_lengths[row]:
                    _write(kv_file, key_starts[row], kv_LSBGTE[:, :, place, :, own].permute(3, 0, 1, 2, 4))
                _write(state_file, starts[row], states_DBTH[:, place, own].transpose(0, 1))
    (layers, two, _, heads, _, width), (depths, *_, hidden) = kv_LSBGTE.shape, states_DBTH.shape
    shapes = {"kv_shape": [layers, two, heads, width], "state_shape": [depths, hidden]}
    lengths = {"lengths": fill.lengths, "key_lengths": fill.key_lengths}
    write_json(folder / "index.json", {"content": content, **lengths, **shapes})


def _read(fill: _Fill, rows: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Keys and values [layers, 2, B, heads, T, width], and states [D, B, T, H], of a batch."""
    hidden_BTH, mask_BT = fill.inputs(rows)
    kept: KeyValues = []
    depths = sorted({*fill.depths, fill.layers.stop})
    states = states_at(fill.backbone, fill.layers.start, depths, hidden_BTH, mask_BT, kept)
    kv = [torch.stack(both) for both in kept]
    kv_LSBGTE = torch.stack(kv) if kv else hidden_BTH.new_empty(0, 2, len(mask_BT), 1, mask_BT.shape[1], 1)
    return kv_LSBGTE.cpu(), torch.stack([states[depth] for depth in fill.depths]).cpu()


def _write(file: BinaryIO, token: int, values_T: torch.Tensor) -> None:
    """Write a text's values [T, ...] where its tokens have their place."""
    raw = values_T.contiguous().view(torch.uint8).numpy()
    file.seek(token * (raw.nbytes // len(values_T)))
    file.write(raw.data)
