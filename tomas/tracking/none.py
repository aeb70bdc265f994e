"""No record at all."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tomas.tracking.base import RunInfo, Tracker


class NoTracker:
    """Takes everything and keeps nothing."""

    def params(self, values: Mapping[str, Any]) -> None: ...

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None: ...

    def artifact(self, path: Path) -> None: ...

    def tags(self, values: Mapping[str, str]) -> None: ...

    def planner(self, folder: Path) -> None: ...

    def summary(self, values: Mapping[str, Any]) -> None: ...


@contextmanager
def open_none(_info: RunInfo) -> Iterator[Tracker]:
    """A tracker that keeps nothing."""
    yield NoTracker()
