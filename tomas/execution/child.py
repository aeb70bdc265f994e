"""Starting a command inside its plan: on its CPUs, with its environment, and never outliving us."""

import contextlib
import ctypes
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from types import FrameType

import psutil

from tomas.errors import UserError
from tomas.execution.record import EXIT_KILLED

PR_SET_PDEATHSIG = 1
PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
LOAD_SAMPLE_S = 0.05


def idle_cpus(count: int) -> list[int]:
    """The least busy of the CPUs this process may use; all of them where there are fewer."""
    usable = sorted(os.sched_getaffinity(0))
    busy = psutil.cpu_percent(interval=LOAD_SAMPLE_S, percpu=True)
    by_load = sorted(usable, key=lambda cpu: busy[cpu] if cpu < len(busy) else 0.0)
    return sorted(by_load[:count])


def start(command: Sequence[str], variables: Mapping[str, str], cpus: Sequence[int]) -> subprocess.Popen[bytes]:
    """Start the command in a session of its own, with our standard streams.

    Signals that ask us to end wait until `signals_passed_on` can pass them on: none may fall between the two.
    """
    parent = os.getpid()
    # Loaded here: between fork and exec nothing may be imported.
    libc = ctypes.CDLL(None)

    def prepare() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
        os.sched_setaffinity(0, cpus)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the kernel knew
            os._exit(EXIT_KILLED)

    signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
    try:
        return subprocess.Popen(
            list(command), env={**os.environ, **variables}, start_new_session=True, preexec_fn=prepare
        )
    except OSError as error:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
        raise UserError(f"{command[0]}: cannot be run: {error.strerror}") from error


@contextlib.contextmanager
def signals_passed_on(process: subprocess.Popen[bytes]) -> Iterator[list[int]]:
    """Send the child every signal that asks us to end; gives those received.

    The child has its own session, so a Ctrl-C reaches it only through us. A second one kills it.
    """
    received: list[int] = []

    def pass_on(number: int, _: FrameType | None) -> None:
        again = number == signal.SIGINT and number in received
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL if again else number)
        received.append(number)

    if threading.current_thread() is not threading.main_thread():
        signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
        yield received  # only the main thread may set handlers, and only it is interrupted
        return
    before = {number: signal.signal(number, pass_on) for number in PASSED_ON}
    signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
