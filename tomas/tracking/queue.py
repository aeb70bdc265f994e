"""A grid of experiments through DVC's queue, waited for."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from tomas.errors import UserError

POLL_S = 3.0
MAX_IDLE_POLLS = 20
WAITING, RUNNING, FAILED = "Queued", "Running", "Failed"


def queue_grid(root: Path, name: str, grid: Sequence[str]) -> None:
    """Queue one experiment for each combination of `key=a,b` entries, named NAME-1, NAME-2 and so on."""
    overrides = [word for entry in grid for word in ("-S", entry)]
    _dvc(root, "exp", "run", "--queue", "-n", name, *overrides)


def run_queue(root: Path, workers: int, tell: Callable[[str], None]) -> list[str]:
    """Run what is queued, `workers` experiments at a time, and give the names of those that failed."""
    told = queue_status(root)
    wanted = [task for task, state in told.items() if state in (WAITING, RUNNING)]
    _start_workers(root, workers)
    idle_polls = 0
    while True:
        status = queue_status(root)
        for task in wanted:
            if status.get(task) != told.get(task):
                tell(f"{task}: {status.get(task, 'removed').lower()}")
        told = status
        left = [task for task in wanted if status.get(task) in (WAITING, RUNNING)]
        if not left:
            return [task for task in wanted if status.get(task) == FAILED]
        idle_polls = 0 if workers_alive(root) else idle_polls + 1
        if idle_polls > MAX_IDLE_POLLS:
            raise UserError(f"no queue worker stays alive; left over: {', '.join(left)}; see dvc queue logs NAME")
        if idle_polls and any(status[task] == WAITING for task in left):
            _start_workers(root, workers)
        time.sleep(POLL_S)


def queue_status(root: Path) -> dict[str, str]:
    """The state of each experiment in the queue by its name.

    Not by `dvc queue status`: it also asks the workers, by files that they may read half-written and end of.
    """
    from dvc.repo import Repo

    with Repo(str(root)) as repo:
        return {task["name"] or task["rev"][:7]: task["status"] for task in repo.experiments.celery_queue.status()}


def workers_alive(root: Path) -> bool:
    """Whether a worker of this repository's queue runs."""
    records = (root / ".dvc" / "tmp" / "exps" / "celery").glob("dvc-exp-worker-*.json")
    return any(map(_is_running, records))


def _is_running(record: Path) -> bool:
    try:
        worker = json.loads(record.read_text())
    except ValueError:  # being written
        return True
    return worker["returncode"] is None and psutil.pid_exists(worker["pid"])


def _start_workers(root: Path, workers: int) -> None:
    """Start workers; they inherit what they are given and outlive this call, so a pipe would never end."""
    command, null = [sys.executable, "-m", "dvc", "queue", "start", "-j", str(workers)], subprocess.DEVNULL
    subprocess.run(command, cwd=root, check=True, stdin=null, stdout=null, stderr=null)


def _dvc(root: Path, *words: str) -> None:
    done = subprocess.run([sys.executable, "-m", "dvc", *words], cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"dvc {' '.join(words)}: {' '.join(done.stderr.split())}")
