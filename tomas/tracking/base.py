"""What a stage may record, and what every store is told about the run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Tracker(Protocol):
    """A running stage's record."""

    def params(self, values: Mapping[str, Any]) -> None:
        """Settings of this stage, nested or flat."""

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Numbers, at a training step or of the whole stage."""

    def artifact(self, path: Path) -> None:
        """A copy of a file or folder."""

    def tags(self, values: Mapping[str, str]) -> None:
        """Words to find the run by."""

    def planner(self, folder: Path) -> None:
        """The trained planner, in the store's own model format where it has one."""

    def summary(self, values: Mapping[str, Any]) -> None:
        """The stage's final metrics, nested; the ones on top are also the pipeline's."""


@dataclass(frozen=True)
class RunInfo:
    """What is known about a stage's run before it starts."""

    stage: str
    root: Path
    """Folder the store lies in: the user's repository, also when the stage runs in an experiment's copy."""
    params: Mapping[str, Any]
    """The whole of params.yaml, nested."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Where it comes from: commit, experiment, process, hashes of what it reads."""


def flatten(values: Mapping[str, Any], separator: str = ".") -> dict[str, Any]:
    """Nested mappings as one level: `{"a": {"b": 1}}` gives `{"a.b": 1}`."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat.update({f"{key}{separator}{name}": item for name, item in flatten(value, separator).items()})
        else:
            flat[str(key)] = value
    return flat


def numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """The entries of a flat mapping that are numbers."""
    return {key: float(value) for key, value in values.items() if isinstance(value, int | float)}
