"""A run stays inside its plan, or is stopped and reported; every test starts real processes."""

import os
import sys
import time

import psutil
import pytest

from tests.execution.plans import a_plan
from tomas.domain.plan import Plan
from tomas.errors import UserError
from tomas.execution.allowance import default_timeout_s, environment
from tomas.execution.executor import execute, held
from tomas.execution.record import Record

TWO_WORKERS = """
import os, sys, time
shared = bytearray(os.urandom(1 << 20)) * int(sys.argv[1])
own = int(sys.argv[2])
for _ in range(3):
    if os.fork() == 0:
        mine = bytearray(os.urandom(1 << 20)) * own
        time.sleep(0.6)
        os._exit(0)
for _ in range(3):
    os.wait()
"""


def run(plan: Plan, *command: str, timeout_s: float = 20) -> Record:
    return execute(plan, command, submitted=time.time(), timeout_s=timeout_s)


def python(plan: Plan, code: str, *words: str, timeout_s: float = 20) -> Record:
    return run(plan, sys.executable, "-c", code, *words, timeout_s=timeout_s)


@pytest.mark.parametrize("code", [0, 3])
def test_the_childs_status_is_ours(code: int) -> None:
    record = run(a_plan(), "sh", "-c", f"exit {code}")
    assert record.exit_code == code
    assert record.outcome == ("failed" if code else "finished")


def test_a_run_that_takes_more_memory_than_planned_is_stopped_and_reported() -> None:
    record = python(a_plan(cpu_mem_gb=0.1), "x = bytearray(2 << 30); import time; time.sleep(20)")
    assert (record.outcome, record.exit_code) == ("out_of_memory", 137)
    assert "0.1 GB" in record.detail
    assert record.used.wall_ms < 10_000
    assert record.used.peak_mem_gb > 0.1


def test_memory_of_all_processes_counts_together() -> None:
    record = python(a_plan(cpu_mem_gb=0.15), TWO_WORKERS, "1", "60")
    assert record.outcome == "out_of_memory"


def test_memory_that_workers_share_is_counted_once() -> None:
    record = python(a_plan(cpu_mem_gb=0.2), TWO_WORKERS, "100", "1")
    assert record.outcome == "finished", record.detail
    assert 0.09 < record.used.peak_mem_gb < 0.2


def test_the_run_is_bound_to_as_many_cpus_as_planned() -> None:
    many = len(os.sched_getaffinity(0))
    code = "import os, sys; sys.exit(len(os.sched_getaffinity(0)))"
    for cores in range(1, many + 1):
        record = python(a_plan(cpu_core=cores), code)
        assert record.exit_code == cores == len(record.cpus)
        assert "cpu_core" in record.enforced
    record = python(a_plan(cpu_core=many + 1), code)
    assert record.exit_code == many
    assert "cpu_core" in record.not_enforced
    assert "cpu_core" not in record.enforced


def test_the_run_starts_when_planned_and_not_before() -> None:
    submitted = time.time() - 0.2  # planning took 200 ms of the 600 before the start
    record = execute(a_plan(start_ms=600), ["true"], submitted=submitted, timeout_s=20)
    assert 600 <= record.used.start_ms < 800


def test_what_runs_too_long_is_stopped_with_all_it_started() -> None:
    record = run(a_plan(), "sh", "-c", "sleep 6543 & sleep 6543", timeout_s=0.3)
    assert (record.outcome, record.exit_code) == ("timeout", 124)
    assert not [process for process in psutil.process_iter(["cmdline"]) if "6543" in (process.info["cmdline"] or [])]


def test_what_a_run_leaves_behind_is_ended_even_outside_its_session() -> None:
    record = run(a_plan(), "sh", "-c", "setsid sleep 7654 & sleep 0.2")
    assert record.outcome == "finished"
    assert not [process for process in psutil.process_iter(["cmdline"]) if "7654" in (process.info["cmdline"] or [])]


def test_cpu_time_is_that_of_all_processes() -> None:
    burn = "import time\nwhile time.process_time() < 0.15: pass"
    record = python(
        a_plan(), f"import subprocess, sys\nfor _ in range(2): subprocess.run([sys.executable, '-c', '''{burn}'''])"
    )
    assert record.used.cpu_time_s >= 0.3
    assert record.used.cpu_core < 1.5  # one after the other: beside each other they would take 2


def test_a_signal_that_ends_the_child_is_reported_as_a_shell_would() -> None:
    record = run(a_plan(), "sh", "-c", "kill -SEGV $$")
    assert (record.outcome, record.exit_code) == ("signalled", 139)
    assert "SIGSEGV" in record.detail


def test_libraries_are_told_what_they_may_use() -> None:
    variables = environment(a_plan(cpu_core=3, gpu_sm=37.5, gpu_mem_gb=1.5).resource_config)
    assert variables["OMP_NUM_THREADS"] == "3"
    assert variables["CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"] == "38"
    assert variables["CUDA_MPS_PINNED_DEVICE_MEM_LIMIT"] == "0=1536M"
    assert "CUDA_VISIBLE_DEVICES" not in variables


def test_a_run_without_a_share_of_the_gpu_does_not_see_it() -> None:
    assert environment(a_plan().resource_config)["CUDA_VISIBLE_DEVICES"] == ""
    enforced, _ = held(a_plan().resource_config, [0], in_scope=False, timeout_s=0)
    assert "hidden" in enforced["gpu_sm"]


def test_every_planned_field_is_either_enforced_or_said_not_to_be() -> None:
    for plan in (a_plan(), a_plan(gpu_sm=50, gpu_mem_gb=4), a_plan(cpu_core=999)):
        record = run(plan, "true")
        fields = {"cpu_core", "cpu_mem_gb", "gpu_sm", "gpu_mem_gb"}
        assert fields == fields & (record.enforced.keys() | record.not_enforced.keys())
        assert not record.enforced.keys() & record.not_enforced.keys()


def test_a_plan_that_cannot_run_says_why() -> None:
    plan = Plan(status="no_tool", text="Nobody can do that.")
    with pytest.raises(UserError, match="Nobody can do that"):
        run(plan, "true")


def test_a_command_that_does_not_exist_is_one_line() -> None:
    with pytest.raises(UserError, match="no-such-command: cannot be run"):
        run(a_plan(), "no-such-command")


def test_the_default_timeout_spares_what_is_merely_late() -> None:
    assert default_timeout_s(a_plan(latency_ms=30)) == 60
    assert default_timeout_s(a_plan(latency_ms=60_000)) == 600
