"""Limits held by the kernel: a transient systemd scope with its own cgroup v2, where this machine has that."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from uuid import uuid4

from tomas.domain.plan import ResourceConfig
from tomas.execution.allowance import MIB, memory_bytes

CGROUPS = Path("/sys/fs/cgroup")
PROBE_S = 5.0
PROBE_BYTES = 256 * MIB


def limits(resources: ResourceConfig) -> dict[str, str]:
    """The plan as systemd's resource-control properties.

    No MemoryHigh: without swap it throttles a run that takes too much to a standstill instead of ending it.
    """
    return {
        "CPUQuota": f"{max(1, round(resources.cpu_core * 100))}%",
        "MemoryMax": str(memory_bytes(resources)),
        "MemorySwapMax": "0",
    }


@dataclass(frozen=True)
class Scope:
    """Where scopes can be made: the system's manager or the user's own."""

    manager: str
    unit: str

    def wrap(self, command: list[str], resources: ResourceConfig) -> list[str]:
        """The command inside a scope with the plan's limits; systemd-run becomes the command, with the same pid."""
        properties = [word for name, value in limits(resources).items() for word in ("-p", f"{name}={value}")]
        return ["systemd-run", self.manager, "--scope", "--quiet", f"--unit={self.unit}", *properties, "--", *command]

    def was_out_of_memory(self) -> bool:
        """Whether the kernel killed a process of the ended scope for memory; forgets the scope."""
        result = _run("systemctl", self.manager, "show", "--property=Result", "--value", self.unit)
        _run("systemctl", self.manager, "reset-failed", self.unit)
        return result == "oom-kill"


def new_scope() -> Scope | None:
    """A scope to run a command in; None on a machine without."""
    manager = _usable_manager()
    return Scope(manager, f"tomas-{uuid4().hex[:12]}.scope") if manager else None


@cache
def _usable_manager() -> str | None:
    """The systemd manager whose scopes really limit memory, found out by trying."""
    if shutil.which("systemd-run") is None or not (CGROUPS / "cgroup.controllers").exists():
        return None
    managers = ("--system", "--user") if os.geteuid() == 0 else ("--user",)
    return next((manager for manager in managers if _limits_memory(manager)), None)


def scope_of(pid: int) -> Path | None:
    """The cgroup v2 folder of a process; None while it is in our own."""
    own, its = (_cgroup(name) for name in ("self", str(pid)))
    return its if its != own else None


def has_oom_kill(cgroup: Path | None) -> bool:
    """Whether the kernel has killed a process of this cgroup for memory."""
    try:
        events = (cgroup / "memory.events").read_text().splitlines() if cgroup else []
    except OSError:
        return False
    return any(line.startswith("oom_kill ") and line != "oom_kill 0" for line in events)


def _cgroup(process: str) -> Path | None:
    try:
        lines = Path(f"/proc/{process}/cgroup").read_text().splitlines()
    except OSError:
        return None
    return next((CGROUPS / line.removeprefix("0::/") for line in lines if line.startswith("0::/")), None)


def _limits_memory(manager: str) -> bool:
    script = 'cat "/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)/memory.max"'
    command = ["systemd-run", manager, "--scope", "--quiet", "--collect", "-p", f"MemoryMax={PROBE_BYTES}"]
    return _run(*command, "--", "sh", "-c", script) == str(PROBE_BYTES)


def _run(*command: str) -> str | None:
    """What a command prints; None where it cannot be run or hangs."""
    try:
        answer = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PROBE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip()
