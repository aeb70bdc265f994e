"""`tomas execute` as a person runs it: streams, signals, records, exit codes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.execution.plans import a_plan
from tests.processes import runs, wait_for

TOMAS = [sys.executable, "-m", "tomas.cli", "execute"]
# Says when it is there, and which signal ended it.
TALKER = """
import signal, sys, time
def said(number, _):
    print(signal.Signals(number).name, flush=True)
    sys.exit(7)
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, said)
signal.signal(signal.SIGUSR1, lambda *_: print("USR1", flush=True))
print("ready", flush=True)
while True:
    time.sleep(0.05)
"""


@pytest.fixture
def plan_file(tmp_path: Path) -> Path:
    path = tmp_path / "plan.json"
    path.write_text(a_plan().to_json())
    return path


@pytest.fixture
def talker(plan_file: Path) -> Iterator[subprocess.Popen[str]]:
    command = [*TOMAS, str(plan_file), "--", sys.executable, "-c", TALKER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_reaches_the_child_and_its_status_comes_back(talker: subprocess.Popen[str], number: int) -> None:
    talker.send_signal(number)
    out, err = talker.communicate(timeout=10)
    assert out == signal.Signals(number).name + "\n"
    assert talker.returncode == 7
    assert json.loads(err)["exit_code"] == 7


def test_a_signal_that_asks_for_no_end_lets_the_child_go_on(talker: subprocess.Popen[str]) -> None:
    talker.send_signal(signal.SIGUSR1)
    assert talker.stdout is not None
    assert talker.stdout.readline() == "USR1\n"
    assert talker.poll() is None


def test_a_child_that_ignores_ctrl_c_dies_of_the_second(plan_file: Path) -> None:
    deaf = "trap '' INT; echo ready; while :; do sleep 0.05; done"
    with subprocess.Popen(
        [*TOMAS, str(plan_file), "--", "sh", "-c", deaf], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=5) == 137


def test_the_child_does_not_outlive_us(talker: subprocess.Popen[str]) -> None:
    (child,) = psutil.Process(talker.pid).children()
    os.kill(talker.pid, signal.SIGKILL)
    wait_for(lambda: not runs(child))


def test_the_record_goes_to_stderr_or_to_a_file_and_never_into_the_output(plan_file: Path, tmp_path: Path) -> None:
    plain = subprocess.run(
        [*TOMAS, str(plan_file), "--", "echo", "a", "--b"], capture_output=True, text=True, check=True
    )
    assert plain.stdout == "a --b\n"
    record = json.loads(plain.stderr)
    assert record["planned"]["cpu_mem_gb"] == 0.25
    assert record["command"] == ["echo", "a", "--b"]
    target = tmp_path / "record.json"
    filed = [*TOMAS, str(plan_file), "--record", str(target), "--timeout", "5", "--", "sh", "-c", "echo x; echo y >&2"]
    silent = subprocess.run(filed, capture_output=True, text=True, check=True)
    assert (silent.stdout, silent.stderr) == ("x\n", "y\n")
    assert json.loads(target.read_text())["outcome"] == "finished"


def test_a_plan_may_come_through_a_pipe() -> None:
    done = subprocess.run([*TOMAS, "-", "--", "true"], input=a_plan().to_json(), text=True, capture_output=True)
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{}", "not a plan: status"),
        ("[", "not a plan"),
        ('{"status": "no_tool", "text": "I only plan."}', "I only plan."),
    ],
)
def test_a_bad_plan_is_one_line(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(content)
    done = subprocess.run([*TOMAS, str(path), "--", "true"], text=True, capture_output=True)
    assert done.returncode == 1
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_tools_own_command_is_run_where_none_is_given(tmp_path: Path, plan_file: Path) -> None:
    (tmp_path / "params.yaml").write_text("")
    tools = tmp_path / "data/tool_registry/tools.json"
    tools.parent.mkdir(parents=True)
    measured = {"field": "megapixels", "small_max": 1, "medium_max": 2}
    tool = {"name": "super_resolution", "description": "Sharpens.", "input": measured}
    tools.write_text(json.dumps([tool]))
    without = subprocess.run([*TOMAS, str(plan_file)], text=True, capture_output=True, cwd=tmp_path)
    assert without.returncode == 2
    assert without.stderr.count("\n") == 1
    tools.write_text(json.dumps([{**tool, "command": "echo 'two words'"}]))
    with_one = subprocess.run([*TOMAS, str(plan_file)], text=True, capture_output=True, cwd=tmp_path)
    assert with_one.stdout == "two words\n"
