"""What the frozen backbone makes of each distinct text, computed once and kept on disk for every epoch and seed."""

import fcntl
import hashlib
import json
import math
import os
import shutil
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from filelock import FileLock
from tqdm import tqdm

from tomas.backbone.loading import Backbone
from tomas.backbone.prefix import KeyValues, keys_values, positions
from tomas.files import whole, write_json
from tomas.planner.model import padded, text_states
from tomas.planner.reader import read_layers

BATCH = 32
FORMAT = 1


class TextStore:
    """Keys, values and read states of texts, on disk; a batch is assembled with padding on the left."""

    def __init__(self, folder: Path, dtype: torch.dtype) -> None:
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        held = os.open(folder / "index.json", os.O_RDONLY)
        fcntl.flock(held, fcntl.LOCK_SH)
        weakref.finalize(self, os.close, held)  # read as long as this object lives
        self.folder, self.dtype = folder, dtype
        self.lengths: list[int] = index["lengths"]
        self.starts = np.concatenate([[0], np.cumsum(self.lengths)]).tolist()
        self.kv_shape: list[int] = index["kv_shape"]  # layers, 2, key-value heads, head width
        self.state_shape: list[int] = index["state_shape"]  # depths, hidden

    def batch(
        self, rows: Sequence[int], device: torch.device | str = "cpu"
    ) -> tuple[KeyValues, torch.Tensor, torch.Tensor]:
        """Keys and values, states [B, D, T, H] and mask [B, T] of these texts."""
        lengths = [self.lengths[row] for row in rows]
        longest = max(lengths)
        layers, two, heads, width = self.kv_shape
        depths, hidden = self.state_shape
        kv = torch.zeros(layers, two, len(rows), heads, longest, width, dtype=self.dtype)
        states = torch.zeros(len(rows), depths, longest, hidden, dtype=self.dtype)
        mask = torch.zeros(len(rows), longest, dtype=torch.long)
        # Read, not mapped: a text is one stretch of the file, and a page fault every 4 KiB took five times as long.
        with (self.folder / "kv.bin").open("rb") as kv_file, (self.folder / "states.bin").open("rb") as state_file:
            for place, (row, length) in enumerate(zip(rows, lengths, strict=True)):
                kv_TLSGE = self._text(kv_file, row, self.kv_shape)
                kv[:, :, place, :, longest - length :] = kv_TLSGE.permute(1, 2, 3, 0, 4)
                states[place, :, longest - length :] = self._text(state_file, row, self.state_shape).transpose(0, 1)
                mask[place, longest - length :] = 1
        return [(layer[0], layer[1]) for layer in kv.to(device)], states.to(device), mask.to(device)

    def _text(self, file: BinaryIO, row: int, shape: list[int]) -> torch.Tensor:
        """What a file holds of one text [T, ...]."""
        count = self.lengths[row] * math.prod(shape)
        file.seek(self.starts[row] * math.prod(shape) * self.dtype.itemsize)
        raw = np.fromfile(file, dtype=np.uint8, count=count * self.dtype.itemsize)
        return torch.from_numpy(raw).view(self.dtype).view(-1, *shape)


def open_store(backbone: Backbone, fingerprint: str, texts: list[list[int]], folder: Path) -> TextStore:
    """The store of these token sequences for this backbone; made on first use, others that nobody reads make room."""
    name = hashlib.sha256(json.dumps([FORMAT, fingerprint, str(backbone.dtype), texts]).encode()).hexdigest()[:20]
    place = folder / name
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):
        if not place.is_dir():
            for old in folder.iterdir():
                if old.is_dir() and not _is_read(old):
                    shutil.rmtree(old)
            with whole(place) as partial:
                partial.mkdir()
                _fill(backbone, texts, partial)
        return TextStore(place, backbone.dtype)


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
def _fill(backbone: Backbone, texts: list[list[int]], folder: Path) -> None:
    """Read every text and write what is kept; written, not mapped, so that the pages are not this process's memory."""
    lengths = [len(ids) for ids in texts]
    starts = np.concatenate([[0], np.cumsum(lengths)]).tolist()
    order = np.argsort(lengths, kind="stable").tolist()
    with (folder / "kv.bin").open("wb") as kv_file, (folder / "states.bin").open("wb") as state_file:
        for start in tqdm(range(0, len(order), BATCH), desc="read texts", unit="batch", disable=None):
            rows = order[start : start + BATCH]
            kv_LSBGTE, states_BDTH = _read([texts[row] for row in rows], backbone)
            for place, row in enumerate(rows):
                kv_TLSGE = kv_LSBGTE[:, :, place, :, -lengths[row] :].permute(3, 0, 1, 2, 4)
                _write(kv_file, starts[row], kv_TLSGE)
                _write(state_file, starts[row], states_BDTH[place, :, -lengths[row] :].transpose(0, 1))
    index = {
        "lengths": lengths,
        "kv_shape": kv_TLSGE.shape[1:],
        "state_shape": (states_BDTH.shape[1], states_BDTH.shape[3]),
    }
    write_json(folder / "index.json", {name: list(value) for name, value in index.items()})


def _read(texts: list[list[int]], backbone: Backbone) -> tuple[torch.Tensor, torch.Tensor]:
    """Keys and values [layers, 2, B, heads, T, width], and states [B, D, T, H], of a batch."""
    from transformers import DynamicCache

    tokens, mask = (tensor.to(backbone.model.device) for tensor in padded(texts))
    cache = DynamicCache()
    out = backbone.body(
        input_ids=tokens, attention_mask=mask, position_ids=positions(mask), past_key_values=cache, use_cache=True,
        output_hidden_states=read_layers(backbone.num_layers),
    )  # fmt: skip
    kv_LSBGTE = torch.stack([torch.stack(both) for both in keys_values(cache)])
    return kv_LSBGTE.cpu(), text_states(out.hidden_states, tokens.shape[1]).cpu()


def _write(file: BinaryIO, token: int, values_T: torch.Tensor) -> None:
    """Write a text's values [T, ...] where its tokens have their place."""
    raw = values_T.contiguous().view(torch.uint8).numpy()
    file.seek(token * (raw.nbytes // len(values_T)))
    file.write(raw.data)
