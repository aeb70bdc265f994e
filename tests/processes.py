"""Waiting for what other processes do."""

import time
from collections.abc import Callable

import psutil


def wait_for(condition: Callable[[], object], seconds: float = 30) -> None:
    """Poll until the condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def runs(process: psutil.Process) -> bool:
    """Whether it still works; one that nobody has waited for is a zombie."""
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
