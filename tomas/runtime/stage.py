"""One stage, from reading params.yaml to writing its metrics; stages/*.py only say what happens in between."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tomas.config import Params, load_params, narrowed
from tomas.errors import UserError
from tomas.files import write_json
from tomas.kernel.checks import check_available, check_parts
from tomas.memory import collect_rarely, keep_freed
from tomas.paths import Paths, project
from tomas.runtime.inputs import changed, combined, input_digests
from tomas.runtime.process import check_cache, die_with_dvc, set_threads
from tomas.tracking import Tracker, open_run

StageFunction = Callable[["StageRun"], Mapping[str, Any] | None]


@dataclass(frozen=True)
class StageRun:
    """What a stage's function is given."""

    params: Params
    """Only the sections the stage declares; reading another one is an AttributeError."""
    paths: Paths
    tracker: Tracker
    checkpoints: Path
    """Folder for the state to resume from; belongs to these parameters and inputs alone, removed after success."""
    cache: Path
    """Folder shared by all runs of this repository, for what can be computed again."""


@dataclass(frozen=True)
class Stage:
    """A stage's main: called without arguments, it runs the stage and gives the process's exit code."""

    name: str
    sections: tuple[str, ...]
    metrics: str | None
    function: StageFunction

    def __call__(self) -> int:
        die_with_dvc()
        collect_rarely()
        keep_freed()
        try:
            _run(self)
        except UserError as error:
            for line in str(error).splitlines():
                print(f"{self.name}: {line}", file=sys.stderr)
            return error.exit_code
        except KeyboardInterrupt:
            print(f"{self.name}: stopped; `dvc repro` goes on from the last checkpoint", file=sys.stderr)
            return 130
        return 0


def stage(name: str, sections: Sequence[str], metrics: str | None = None) -> Callable[[StageFunction], Stage]:
    """Make a function the main of the stage `name`: what it returns is written to metrics/{metrics}.json.

    `sections` are the keys of params.yaml it may read, the same as under `params:` in dvc.yaml.
    """
    return lambda function: Stage(name, tuple(sections), metrics, function)


def _run(stage: Stage) -> None:
    paths = project()
    params = load_params(paths.params)
    check_parts(params)
    check_available(params)
    set_threads(params.backbone.threads)
    if "DVC_STAGE" in os.environ:
        check_cache(paths.root)
    # dvc sets DVC_ROOT to the user's repository also where the stage runs in an experiment's copy.
    home = Path(os.environ.get("DVC_ROOT") or paths.root)
    before = input_digests(paths.root, stage.name, stage.sections)
    cache = home / ".tomas" / "cache"
    folder = home / ".tomas" / "checkpoints" / f"{stage.name}-{combined(before)}"
    visible = narrowed(params, stage.sections)
    if int(os.environ.get("RANK", "0")) > 0:
        # A further process of `accelerate launch`: it computes, the first one records and writes.
        with open_run(stage.name, params.model_copy(update={"tracker": "none"}), home) as tracker:
            stage.function(StageRun(visible, paths, tracker, folder, cache))
        return
    with _held(folder) as checkpoints, open_run(stage.name, params, home, before) as tracker:
        values = stage.function(StageRun(visible, paths, tracker, checkpoints, cache))
        moved = changed(before, input_digests(paths.root, stage.name, stage.sections))
        if moved:
            raise UserError(
                f"{', '.join(moved)} changed while the stage ran, and DVC would record the new state beside results "
                "of the old one; run `dvc repro` again"
            )
        if values is not None:
            tracker.summary(values)
        if stage.metrics is not None:
            write_json(paths.metrics / f"{stage.metrics}.json", values)
        shutil.rmtree(checkpoints, ignore_errors=True)


@contextmanager
def _held(folder: Path) -> Iterator[Path]:
    """A folder for this process alone: of two queue workers at the same stage, each gets one."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    for slot in (folder, *(folder.with_name(f"{folder.name}-{n}") for n in range(2, 100))):
        lock = FileLock(slot.with_name(f"{slot.name}.lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        with lock:
            yield slot
            if not slot.exists():
                # Safe while it is held: who waits on it sees that the file is gone and starts over.
                Path(lock.lock_file).unlink(missing_ok=True)
        return
    raise UserError(f"{folder}: a hundred runs of the same stage at once")
