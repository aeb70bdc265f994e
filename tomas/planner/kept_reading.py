"""How texts are read, learnt once: trainings that read the same texts from the same start share what was learnt."""

import json
import shutil
from functools import cache
from hashlib import sha256
from pathlib import Path

import numpy as np

import tomas
from tomas.files import digest
from tomas.planner.tasks import ReadingTask
from tomas.training.checkpoint import Checkpoint, trained_state

KEPT = 8
"""Readings on disk; the oldest make room."""


def kept_reading(folder: Path, task: ReadingTask) -> Checkpoint:
    """The checkpoint of this reading, which may be at its end already."""
    place = folder / _key(task)
    if not place.is_dir():
        place.mkdir(parents=True, exist_ok=True)  # two processes of one training
        for old in sorted(folder.iterdir(), key=lambda other: other.stat().st_mtime)[:-KEPT]:
            shutil.rmtree(old, ignore_errors=True)
    return Checkpoint(place)


def _key(task: ReadingTask) -> str:
    """A name for all that its end depends on: the code, the settings, the texts with their tools, and the start."""
    examples, order = task.examples, task.order
    settings = [vars(task.reading), vars(task.params), order.seed, order.rows.tolist(), examples.grams]
    found = sha256(json.dumps([_code(), task.below.content, settings]).encode())
    arrays = [examples.text_E, examples.tool_E, examples.now_ECP]
    for array in (*arrays, *(tensor.cpu().numpy() for tensor in trained_state(task.module).values())):
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:20]


@cache
def _code() -> str:
    return digest(Path(tomas.__file__).parent)
