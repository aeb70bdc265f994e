"""Runs as lines of JSON, one file a run: no service, no database, read by any tool."""

import json
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tomas.tracking.base import RunInfo, Tracker, flatten, numbers


class JsonlTracker:
    """Appends one line an event to `.tomas/runs/RUN.jsonl`; artifacts lie in the folder of the same name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        self._stream = folder.with_suffix(".jsonl").open("a", encoding="utf-8", buffering=1)

    def write(self, event: str, **values: Any) -> None:
        """One line: what happened, when, and its values."""
        line = {"event": event, "time": round(time.time(), 3), **values}
        self._stream.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")

    def params(self, values: Mapping[str, Any]) -> None:
        self.write("params", params=flatten(values))

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        self.write("metrics", step=step, metrics=dict(values))

    def artifact(self, path: Path) -> None:
        target = self._folder / path.name
        if path.is_dir():
            shutil.copytree(path, target, dirs_exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)
        self.write("artifact", path=path.name)

    def tags(self, values: Mapping[str, str]) -> None:
        self.write("tags", tags=dict(values))

    def planner(self, folder: Path) -> None:
        self.artifact(folder)

    def summary(self, values: Mapping[str, Any]) -> None:
        self.write("summary", metrics=numbers(flatten(values)))

    def close(self, status: str) -> None:
        """The last line; a file without it belongs to a run that was killed or still goes on."""
        self.write("end", status=status)
        self._stream.close()


@contextmanager
def open_jsonl(info: RunInfo) -> Iterator[Tracker]:
    """A tracker that writes lines of JSON under the repository's `.tomas/runs`."""
    run = f"{time.strftime('%Y%m%d-%H%M%S')}-{info.stage}-{info.tags.get('pid', '0')}"
    tracker = JsonlTracker(info.root / ".tomas" / "runs" / run)
    tracker.write("start", stage=info.stage)
    tracker.tags(info.tags)
    tracker.params(info.params)
    try:
        yield tracker
    except BaseException:
        tracker.close("failed")
        raise
    tracker.close("finished")
