"""Processes told apart for good: by id and start, since ids are used again."""

from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class ProcessId:
    """One process of this machine, alive or not."""

    pid: int
    start: str

    def is_alive(self) -> bool:
        """Whether this very process still runs."""
        try:
            return process_id(self.pid) == self and psutil.Process(self.pid).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


def process_id(pid: int) -> ProcessId:
    """The process that has this id now."""
    stat = Path(f"/proc/{pid}/stat")
    if stat.parent.parent.is_dir():
        try:
            # Field 22, ticks since boot: unlike a clock time it reads the same every time.
            return ProcessId(pid, stat.read_text().rpartition(")")[2].split()[19])
        except (FileNotFoundError, ProcessLookupError) as error:
            raise psutil.NoSuchProcess(pid) from error
    return ProcessId(pid, str(psutil.Process(pid).create_time()))


def pipeline_process() -> ProcessId:
    """The nearest dvc process above this one, or this one where a stage is run by hand."""
    me = psutil.Process()
    owner = next((parent for parent in me.parents() if _is_dvc(parent)), me)
    return process_id(owner.pid)


def _is_dvc(process: psutil.Process) -> bool:
    try:
        words = process.cmdline()
    except psutil.Error:
        return False
    return any(Path(word).name == "dvc" for word in words[:3])
