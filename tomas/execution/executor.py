"""Runs a command under its plan on this machine: from its start, on its CPUs, within its memory and time."""

import os
import resource
import shutil
import signal
import time
from collections.abc import Sequence

import psutil

from tomas.domain.plan import Plan, ResourceConfig
from tomas.errors import UserError
from tomas.execution.allowance import GIB, allowed, environment, memory_bytes, uses_gpu, whole_cores
from tomas.execution.child import LOAD_SAMPLE_S, idle_cpus, signals_passed_on, start
from tomas.execution.record import EXIT_KILLED, EXIT_TIMEOUT, Record, Used
from tomas.execution.systemd import new_scope
from tomas.execution.watch import Ended, Watch

MPS_DAEMON = "nvidia-cuda-mps-control"


def execute(plan: Plan, command: Sequence[str], *, submitted: float, timeout_s: float) -> Record:
    """Run the command and give the record of what was planned and used.

    `submitted` is the moment of submission in seconds since the epoch, from which the plan counts; a timeout of 0 waits
    for ever.
    """
    if not hasattr(os, "pidfd_open"):
        raise UserError("Running a command under its plan needs Linux; `tomas export` writes plans for other engines.")
    resources = allowed(plan)
    scope = new_scope()
    words = scope.wrap(list(command), resources) if scope else list(command)
    due = submitted + (plan.start_ms or 0.0) / 1000
    _sleep_until(due - LOAD_SAMPLE_S - 0.01)
    cpus = idle_cpus(whole_cores(resources))
    _sleep_until(due)
    start_ms = (time.time() - submitted) * 1000
    own_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    process = start(words, environment(resources), cpus)
    with signals_passed_on(process) as received:
        ended = Watch(process, scope, memory_bytes(resources), timeout_s, received).until_the_end()
    # Between fork and exec the child is a copy of us, which the kernel's figure includes.
    peak = max(ended.peak_bytes, ended.max_resident_bytes if ended.max_resident_bytes > own_peak else 0)
    enforced, not_enforced = held(resources, cpus, in_scope=scope is not None, timeout_s=timeout_s)
    used = Used(
        start_ms=round(start_ms, 1),
        wall_ms=round(ended.wall_s * 1000, 1),
        cpu_time_s=round(ended.cpu_s, 3),
        cpu_core=round(ended.cpu_s / ended.wall_s, 2),
        peak_mem_gb=round(peak / GIB, 6),  # to the kilobyte: a run stopped for a little too much is told so
    )
    record = Record("finished", ended.exit_code, "", list(command), plan, used, cpus, enforced, not_enforced)
    _judge(record, ended, resources, timeout_s)
    return record


def held(
    resources: ResourceConfig, cpus: Sequence[int], *, in_scope: bool, timeout_s: float
) -> tuple[dict[str, str], dict[str, str]]:
    """By field of the plan: what holds a run to it here, and why nothing does."""
    holds = {"cpu_mem_gb": "a watchdog that stops the run and all its processes"}
    lacks = {}
    if in_scope:
        holds = {"cpu_core": "systemd scope (cgroup v2) and CPU affinity", "cpu_mem_gb": "systemd scope (cgroup v2)"}
    elif len(cpus) == whole_cores(resources):
        holds["cpu_core"] = "CPU affinity and thread variables"
    if len(cpus) < whole_cores(resources):
        holds.pop("cpu_core", None)
        lacks["cpu_core"] = f"{resources.cpu_core:g} are planned and this process may use {len(cpus)}"
    if not uses_gpu(resources):
        holds |= dict.fromkeys(("gpu_sm", "gpu_mem_gb"), "the GPU is hidden from the run")
    elif why := _without_mps():
        lacks |= dict.fromkeys(("gpu_sm", "gpu_mem_gb"), why)
    else:
        holds |= dict.fromkeys(("gpu_sm", "gpu_mem_gb"), "CUDA MPS")
    if timeout_s:
        holds["timeout"] = f"stopped after {timeout_s:g} s"
    return holds, lacks


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.time()))


def _without_mps() -> str | None:
    if shutil.which("nvidia-smi") is None:
        return "this machine has no NVIDIA GPU"
    if not any(process.info["name"] == MPS_DAEMON[:15] for process in psutil.process_iter(["name"])):
        return f"no MPS daemon runs; start it with `{MPS_DAEMON} -d`"
    return None


def _judge(record: Record, ended: Ended, resources: ResourceConfig, timeout_s: float) -> None:
    """Say in the record how the run ended."""
    if ended.stopped_for == "out_of_memory":
        record.outcome, record.exit_code = "out_of_memory", EXIT_KILLED
        record.detail = f"stopped: it took more than the planned {resources.cpu_mem_gb:g} GB of memory"
    elif ended.stopped_for == "timeout":
        record.outcome, record.exit_code = "timeout", EXIT_TIMEOUT
        record.detail = f"stopped: it had not ended after {timeout_s:g} s"
    elif ended.exit_code < 0:
        record.outcome, record.exit_code = "signalled", 128 - ended.exit_code
        record.detail = f"ended by {signal.Signals(-ended.exit_code).name}"
    elif ended.exit_code:
        record.outcome = "failed"
        record.detail = f"the command ended with status {ended.exit_code}"
    else:
        late_ms = record.used.wall_ms - (record.plan.expected_latency_ms or 0.0)
        record.detail = f"finished, {abs(late_ms):.0f} ms {'later' if late_ms > 0 else 'sooner'} than expected"
