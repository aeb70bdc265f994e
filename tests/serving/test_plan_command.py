"""`tomas plan`: JSON on stdout and nothing else, one plan or one for every line of a file."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.serving.cases import ordinary
from tomas.cli import main
from tomas.domain.plan import Plan
from tomas.domain.request import Request
from tomas.planner import Planner


@pytest.fixture
def plan(untrained: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*words: str) -> tuple[int, str, str]:
        code = main(["plan", "--planner", str(untrained), *words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def as_words(body: dict[str, Any], folder: Path) -> list[str]:
    words = ["--", body["text"]]
    for name, value in body.get("input", {}).items():
        words = ["--input", f"{name}={value}", *words]
    if "input_size" in body:
        words = ["--input-size", body["input_size"], *words]
    if "t_inf_ms" in body:
        words = ["--t-inf", str(body["t_inf_ms"]), *words]
    if "timeline" in body:
        (folder / "timeline.csv").write_text(body["timeline"])
        words = ["--timeline", str(folder / "timeline.csv"), *words]
    return words


def test_the_command_prints_the_very_plan_python_gives(plan: Any, planner: Planner, tmp_path: Path) -> None:
    for body in ordinary(12):
        code, out, err = plan(*as_words(body, tmp_path))
        assert (code, err) == (0, "")
        assert out == planner.plan(Request.read(body)).to_json() + "\n"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "Say what should be done"),
        ([""], "text: String should have at least 1 character"),
        (["x" * 20_001], "text: String should have at most 20000 characters"),
        (["x", "--input", "images"], "--input images: write NAME=NUMBER"),
        (["x", "--input", "images=-1"], "input.images"),
        (["x", "--t-inf", "nan"], "t_inf_ms"),
        (["x", "--timeline", "/nowhere.csv"], "/nowhere.csv: No such file"),
        (["x", "--out", "plans.jsonl"], "--out belongs to --batch"),
        (["--batch", "f.jsonl", "--t-inf", "5"], "--t-inf stands in the lines"),
        (["--batch", "f.jsonl", "--resume"], "--resume needs --out"),
        ([os.fsdecode(b"\xff\xfe")], "text:"),
    ],
)
def test_a_wrong_call_is_one_line_and_exit_2(plan: Any, words: list[str], reason: str) -> None:
    code, out, err = plan(*words)
    assert (code, out) == (2, "")
    assert reason in err
    assert err.count("\n") == 1


def test_without_a_planner_it_says_how_to_get_one(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["plan", "x", "--planner", str(tmp_path)]) == 1
    assert "make repro" in capsys.readouterr().err


def a_file(folder: Path, count: int = 150) -> Path:
    """Ordinary lines, and bad ones at 3, 70 and 101."""
    lines = [json.dumps(body, ensure_ascii=False).encode() for body in ordinary(count)]
    for place, bad in ((2, b"{"), (69, b'{"text": ""}'), (100, b'{"text": "\xff"}')):
        lines.insert(place, bad)
    lines.insert(50, b"")
    path = folder / "requests.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def test_a_bad_line_is_reported_with_its_number_and_stops_nothing(plan: Any, planner: Planner, tmp_path: Path) -> None:
    out = tmp_path / "plans.jsonl"
    code, printed, err = plan("--batch", str(a_file(tmp_path)), "--out", str(out))
    assert (code, printed) == (1, "")
    for number in (3, 71, 102):
        assert f"line {number}: " in err
    plans = [Plan.model_validate_json(line) for line in out.read_text().splitlines()]
    expected = planner.plan_batch([Request.read(body) for body in ordinary(150)])
    assert [one.config_id for one in plans] == [one.config_id for one in expected]
    assert "150 plans, 3 bad lines" in err


def test_without_bad_lines_the_exit_code_is_0_and_plans_may_go_to_stdout(plan: Any, tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    path.write_text("".join(json.dumps(body) + "\n" for body in ordinary(5)))
    code, printed, _ = plan("--batch", str(path))
    assert code == 0
    assert len([Plan.model_validate_json(line) for line in printed.splitlines()]) == 5


def test_timelines_of_a_file_are_seen_from_its_folder(plan: Any, tmp_path: Path) -> None:
    (tmp_path / "busy.csv").write_text("time_ms,cpu_cores,cpu_mem_gb,gpu_sm,gpu_mem_gb\n0,0,0,0,0\n")
    path = tmp_path / "requests.jsonl"
    path.write_text('{"text": "sharpen it", "timeline": "busy.csv"}\n{"text": "sharpen it", "timeline": "no.csv"}\n')
    code, printed, err = plan("--batch", str(path))
    assert code == 1
    assert json.loads(printed)["status"] in ("infeasible", "no_tool")
    assert "line 2: " in err


@pytest.mark.parametrize("kept", [0, 1, 40, 64, 100, 149, 150])
def test_an_interrupted_file_is_completed_to_the_byte(plan: Any, tmp_path: Path, kept: int) -> None:
    requests, out = a_file(tmp_path), tmp_path / "plans.jsonl"
    plan("--batch", str(requests), "--out", str(out))
    whole = out.read_bytes()
    lines = whole.splitlines(keepends=True)
    out.write_bytes(b"".join(lines[:kept]) + (lines[kept][:17] if kept < len(lines) else b""))
    _, _, err = plan("--batch", str(requests), "--out", str(out), "--resume")
    assert out.read_bytes() == whole
    assert f"{150 - kept} plans" in err


def test_plans_of_another_file_are_not_gone_on_with(plan: Any, tmp_path: Path) -> None:
    requests, out = a_file(tmp_path, 20), tmp_path / "plans.jsonl"
    out.write_text('{"status": "no_tool"}\n' * 30)
    code, _, err = plan("--batch", str(requests), "--out", str(out), "--resume")
    assert code == 1
    assert "of another file" in err


@pytest.mark.slow
def test_a_killed_run_goes_on_without_losing_or_repeating_a_line(untrained: Path, tmp_path: Path) -> None:
    requests, out, whole = tmp_path / "requests.jsonl", tmp_path / "plans.jsonl", tmp_path / "whole.jsonl"
    requests.write_text("".join(json.dumps(body) + "\n" for body in ordinary(500)))
    base = [sys.executable, "-m", "tomas.cli", "plan", "--planner", str(untrained), "--batch", str(requests), "--out"]
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([*base, str(whole)], check=True, capture_output=True, env=one_thread)
    with subprocess.Popen([*base, str(out)], stderr=subprocess.DEVNULL, env=one_thread) as process:
        while not out.exists() or out.stat().st_size < 50_000:
            assert process.poll() is None, "it was too quick to be killed"
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    assert 0 < len(out.read_bytes()) < len(whole.read_bytes())
    subprocess.run([*base, str(out), "--resume"], check=True, capture_output=True, env=one_thread)
    assert out.read_bytes() == whole.read_bytes()
