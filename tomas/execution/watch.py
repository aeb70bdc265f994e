"""Looks at a run until it ends, and ends it when it takes too much memory or time."""

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tomas.execution.record import Outcome
from tomas.execution.systemd import Scope, has_oom_kill, scope_of
from tomas.execution.tree import ProcessTree

POLL_S = 0.02
POLL_SHARE = 0.1  # at most this share of the time is spent on looking
GRACE_S = 5.0
ENDING = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT}


@dataclass(frozen=True)
class Ended:
    """How a run ended and what it took."""

    exit_code: int
    """As `subprocess` counts: -N where signal N ended it."""
    stopped_for: Outcome | None
    """Why it was stopped; None where it ended by itself or by a signal from outside."""
    wall_s: float
    cpu_s: float
    peak_bytes: int
    """The most that was seen in the whole tree at one moment."""
    max_resident_bytes: int
    """The most any one process held, as the kernel counts: from before it became the command."""


class Watch:
    """One run and its limits; a timeout of 0 sets none."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        scope: Scope | None,
        memory_bytes: int,
        timeout_s: float,
        received: Sequence[int],
    ) -> None:
        self._process = process
        self._scope = scope
        self._memory = memory_bytes
        self._began = time.monotonic()
        self._deadline = self._began + timeout_s if timeout_s else None
        self._received = received
        self._tree = ProcessTree(process.pid)
        self._kill_at: float | None = None
        self._cgroup: Path | None = None
        self._peak = 0
        self._stopped_for: Outcome | None = None

    def until_the_end(self) -> Ended:
        """Wait for the child; nothing it started is left behind."""
        with _waiter(self._process.pid) as ends_within:
            pause = 0.0
            while not ends_within(pause):
                looked = time.monotonic()
                self._look(looked)
                pause = max(POLL_S, (time.monotonic() - looked) / POLL_SHARE)
        wall_s = time.monotonic() - self._began
        _, status, usage = os.wait4(self._process.pid, 0)
        code = self._process.returncode = os.waitstatus_to_exitcode(status)
        if code and self._scope and self._scope.was_out_of_memory():
            self._stopped_for = "out_of_memory"
        self._tree.end()
        return Ended(
            code, self._stopped_for, wall_s, usage.ru_utime + usage.ru_stime, self._peak, usage.ru_maxrss * 1024
        )

    def _look(self, now: float) -> None:
        self._peak = max(self._peak, self._tree.memory_bytes(exact_above=self._memory))
        if self._scope:
            self._cgroup = scope_of(self._process.pid) or self._cgroup
        if self._stopped_for is None:
            if self._peak > self._memory or has_oom_kill(self._cgroup):
                self._stopped_for = "out_of_memory"
                self._tree.end()  # at once: what others need is at stake
            elif self._deadline is not None and now > self._deadline:
                self._stopped_for = "timeout"
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGTERM)
        if self._kill_at is None and (self._stopped_for or ENDING.intersection(self._received)):
            self._kill_at = now + GRACE_S
        if self._kill_at is not None and now > self._kill_at:
            self._tree.end()


@contextlib.contextmanager
def _waiter(pid: int) -> Iterator[Callable[[float], bool]]:
    """Tells whether the child ends within so many seconds, without reaping it."""
    descriptor = os.pidfd_open(pid)
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    try:
        yield lambda seconds: bool(poll.poll(seconds * 1000))
    finally:
        os.close(descriptor)
