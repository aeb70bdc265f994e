"""What a stage's process does for itself before it works: not outlive dvc, take its threads, see that it can save."""

import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from tomas.errors import UserError
from tomas.tracking.processes import ProcessId, pipeline_process

WATCH_S = 0.2
MIN_FREE_BYTES = 1 << 30
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def die_with_dvc() -> None:
    """Kill this process when dvc dies, or a second `dvc repro` would run beside an orphan.

    A shell may stand between the two, so the kernel's own signal for a parent's death is not enough.
    """
    dvc = pipeline_process()
    if dvc.pid != os.getpid():
        threading.Thread(target=_kill_after, args=(dvc,), name="die-with-dvc", daemon=True).start()


def _kill_after(process: ProcessId) -> None:
    while process.is_alive():
        time.sleep(WATCH_S)
    os.kill(os.getpid(), signal.SIGKILL)


def set_threads(wanted: int) -> int:
    """Give numerical libraries their thread count before they are loaded; 0 takes what the machine gives."""
    threads = wanted or int(os.environ.get("OMP_NUM_THREADS") or available_cores())
    for name in THREAD_VARIABLES:
        os.environ[name] = str(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
    return threads


def available_cores() -> int:
    """Physical cores this process may use: by its CPU affinity and its cgroup's quota."""
    logical = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else psutil.cpu_count() or 1
    per_core = max(1, (psutil.cpu_count() or 1) // (psutil.cpu_count(logical=False) or 1))
    cores = max(1, logical // per_core)
    quota = _cgroup_quota()
    return max(1, min(cores, int(quota))) if quota else cores


def check_cache(root: Path) -> None:
    """See that DVC can store this stage's outputs; it would say so only after the work is done."""
    from dvc.config import Config

    dvc_dir = root / ".dvc"
    cache = Path(Config(dvc_dir=str(dvc_dir))["cache"].get("dir") or dvc_dir / "cache")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache):
            pass
    except OSError as error:
        raise UserError(
            f"{cache}: DVC's cache cannot be written ({error.strerror}); mend it or set another one: dvc cache dir"
        ) from error
    free = shutil.disk_usage(cache).free
    if free < MIN_FREE_BYTES:
        raise UserError(
            f"{cache}: only {free >> 20} MiB free for DVC's cache, {MIN_FREE_BYTES >> 20} are needed; dvc gc -w"
        )


def _cgroup_quota() -> float | None:
    """CPUs of this cgroup v2 quota, None without one."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        return None
