"""A process with all its descendants: what memory they hold, and how to end them."""

import contextlib
import time

import psutil

END_S = 2.0  # a process inside a system call dies when that returns
GONE = (psutil.NoSuchProcess, psutil.AccessDenied)


class ProcessTree:
    """The descendants of one process; those seen once stay known after their parent has gone."""

    def __init__(self, pid: int) -> None:
        try:
            self._known = [psutil.Process(pid)]
        except GONE:
            self._known = []

    def memory_bytes(self, exact_above: int) -> int:
        """Memory held by the whole tree.

        Resident sizes count a page once for every process that shares it; only where their sum is above `exact_above`
        are the shared pages divided among the sharers, which takes the kernel milliseconds.
        """
        members = self._find()
        resident = sum(_resident(member) for member in members)
        return sum(_proportional(member) for member in members) if resident > exact_above else resident

    def end(self) -> None:
        """Kill what still runs, also what has left the process group."""
        until = time.monotonic() + END_S
        while (members := self._find()) and time.monotonic() < until:  # one may start another before it is killed
            for member in members:
                with contextlib.suppress(*GONE):
                    member.kill()
            time.sleep(0.005)

    def _find(self) -> list[psutil.Process]:
        found: dict[int, psutil.Process] = {}
        for process in self._known:
            if process.pid in found:  # a descendant of one before it
                continue
            try:
                found |= {child.pid: child for child in (process, *process.children(recursive=True))}
            except GONE:
                continue
        self._known = [process for process in found.values() if _runs(process)]
        return self._known


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except GONE:
        return False


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except GONE:
        return 0


def _proportional(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except (*GONE, AttributeError):  # outside Linux there is no such figure
        return _resident(process)
