"""The state of a training on disk: whole or absent, and exact, so that a resumed run ends with the same weights."""

import logging
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout

from tomas.errors import UserError
from tomas.files import whole

log = logging.getLogger(__name__)

State = dict[str, Any]
"""Tensors and plain values only, so that it loads with `weights_only=True`."""


class Checkpoint:
    """One checkpoint file in a folder of its own, held by one run at a time."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "checkpoint.pt"
        self._lock = FileLock(folder / "lock")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder for this process; a second run of the same training waits, then finds it done."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            log.warning("%s: waiting for another run that trains here", self.file.parent)
            self._lock.acquire()
        try:
            yield
        finally:
            self._lock.release()

    def load(self) -> State | None:
        """The saved state, or None when there is none."""
        if not self.file.exists():
            return None
        try:
            state: State = torch.load(self.file, map_location="cpu", weights_only=True)
        except Exception as error:
            raise UserError(f"{self.file}: cannot be read; delete it to train from the start.") from error
        return state

    def save(self, state: State) -> None:
        """Write the state under a temporary name, then put it in place of the old one in one move."""
        with whole(self.file) as partial, partial.open("wb") as stream:
            torch.save(state, stream)
            stream.flush()
            os.fsync(stream.fileno())

    def clear(self) -> None:
        """Remove the state once what was trained is safely written elsewhere."""
        self.file.unlink(missing_ok=True)


def trained_state(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """What training can change: the parameters that need a gradient and the persistent buffers."""
    frozen = {name for name, parameter in module.named_parameters() if not parameter.requires_grad}
    return {name: tensor.detach() for name, tensor in module.state_dict().items() if name not in frozen}


def load_trained_state(module: torch.nn.Module, state: dict[str, torch.Tensor]) -> None:
    """Put a trained state back; the module must want exactly these tensors."""
    expected = trained_state(module)
    if expected.keys() != state.keys():
        different = sorted(expected.keys() ^ state.keys())
        raise UserError(f"The checkpoint belongs to another model ({different[0]} differs); delete it to train anew.")
    with torch.no_grad():
        for name, tensor in expected.items():
            tensor.copy_(state[name])


def optimizer_state(optimizer: torch.optim.Optimizer, module: torch.nn.Module) -> dict[str, dict[str, Any]]:
    """The optimizer's memory by parameter name, so that it does not depend on how parameters are grouped."""
    names: dict[torch.Tensor, str] = {parameter: name for name, parameter in module.named_parameters()}
    return {names[parameter]: dict(memory) for parameter, memory in optimizer.state.items() if parameter in names}


def load_optimizer_state(
    optimizer: torch.optim.Optimizer, module: torch.nn.Module, state: dict[str, dict[str, Any]]
) -> None:
    """Give parameters the memory saved under their names; those without start fresh."""
    parameters = dict(module.named_parameters())
    for name, memory in state.items():
        if name in parameters:
            device = parameters[name].device
            optimizer.state[parameters[name]] = {
                key: value.to(device) if isinstance(value, torch.Tensor) else value for key, value in memory.items()
            }


def rng_state() -> State:
    """The state of every global random generator of this process."""
    # Not ours to draw from, but another package may.
    generator: Any = np.random.get_state()  # noqa: NPY002
    algorithm, keys, position, has_gauss, cached = generator
    state: State = {
        "python": random.getstate(),
        "numpy": (algorithm, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, cached),
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def set_rng_state(state: State) -> None:
    """Put the random generators back to a saved state."""
    random.setstate(state["python"])
    algorithm, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((algorithm, keys.numpy().astype(np.uint32), position, has_gauss, cached))  # noqa: NPY002
    torch.set_rng_state(state["torch"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
