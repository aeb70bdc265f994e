"""A checkpoint is whole or absent, and holds only what training changes."""

import multiprocessing
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.toy import ToyTask
from tomas.errors import UserError
from tomas.training.checkpoint import Checkpoint, load_trained_state, rng_state, set_rng_state, trained_state


class Unwritable:
    """Breaks a save half way."""

    def __reduce__(self) -> str:
        raise OSError("disk full")


def test_a_save_that_fails_half_way_leaves_the_old_state(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path)
    checkpoint.save({"step": 1})
    with pytest.raises(OSError, match="disk full"):
        checkpoint.save({"step": torch.zeros(1000), "bad": Unwritable()})
    assert checkpoint.load() == {"step": 1}


def test_a_damaged_file_is_a_clear_error(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path)
    checkpoint.file.write_bytes(b"PK not a checkpoint")
    with pytest.raises(UserError, match="delete it"):
        checkpoint.load()


def test_clearing_leaves_nothing_to_resume_from(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path)
    checkpoint.save({"step": 1})
    checkpoint.clear()
    assert checkpoint.load() is None


def test_frozen_weights_are_not_stored() -> None:
    assert set(trained_state(ToyTask().module)) == {"head.1.weight", "head.1.bias"}


def test_weights_of_another_model_are_refused() -> None:
    with pytest.raises(UserError, match="another model"):
        load_trained_state(torch.nn.Linear(2, 2), {"other": torch.zeros(1)})


def test_every_random_generator_goes_on_where_it_was() -> None:
    state = rng_state()
    drawn = (random.random(), np.random.rand(), torch.rand(3).tolist())  # noqa: NPY002
    set_rng_state(state)
    assert drawn == (random.random(), np.random.rand(), torch.rand(3).tolist())  # noqa: NPY002


def hold(folder: Path, name: str, order: "multiprocessing.Queue[str]", go: "multiprocessing.synchronize.Event") -> None:
    with Checkpoint(folder).held():
        order.put(f"{name} in")
        go.wait(10)
        order.put(f"{name} out")


def test_two_runs_of_one_training_take_turns(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    order, go = context.Queue(), context.Event()
    runs = [context.Process(target=hold, args=(tmp_path, name, order, go)) for name in "ab"]
    for run in runs:
        run.start()
    entries = [order.get(timeout=60)]
    go.set()
    entries += [order.get(timeout=60) for _ in range(3)]
    for run in runs:
        run.join(60)
    first, second = entries[0][0], entries[2][0]
    assert entries == [f"{first} in", f"{first} out", f"{second} in", f"{second} out"]
    assert first != second
