"""`tomas simulate` on the shipped requests and timelines."""

import json
from pathlib import Path

import pytest

from tomas.cli import main

SMALL = ["simulate", "--count", "40", "--policies", "oracle", "cheapest_feasible", "snapshot_greedy"]


def test_the_same_seed_gives_the_same_figures_and_picture(tmp_path: Path) -> None:
    for name in ("a", "b"):
        out, plot = tmp_path / f"{name}.json", tmp_path / f"{name}.svg"
        assert main([*SMALL, "--load", "0.2", "0.6", "--out", str(out), "--plot", str(plot)]) == 0
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    one, two = json.loads((tmp_path / "a.json").read_text())["simulations"]
    assert (one["load"], two["load"]) == (0.2, 0.6)
    assert one["policies"]["oracle"]["completion_of_oracle"] == 1.0
    assert one["policies"]["oracle"]["violations"] == 0
    assert one["policies"]["cheapest_feasible"]["completion_of_oracle"] > 1.0
    assert all(one["policies"][name]["finished"] == 40 for name in one["policies"])


def test_arrivals_in_the_file_are_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    requests, timeline = tmp_path / "requests.jsonl", tmp_path / "machine.csv"
    lines = [
        {"text": "sharpen it", "tool": "super_resolution", "input_size": "small", "arrival_ms": 100.0},
        {"text": "hello", "tool": None},
        {"text": "translate it", "tool": "machine_translation", "input_size": "small", "arrival_ms": 5100.0},
    ]
    requests.write_text("\n".join(map(json.dumps, lines)))
    timeline.write_text("time_ms,cpu_cores,cpu_mem_gb,gpu_sm,gpu_mem_gb\n0,16,64,100,24\n")
    words = [
        "simulate",
        "--requests",
        str(requests),
        "--timeline",
        str(timeline),
        "--policies",
        "oracle",
        "--t-inf",
        "0",
    ]
    assert main(words) == 0
    (one,) = json.loads(capsys.readouterr().out)["simulations"]
    assert one["load"] is None
    assert one["requests"] == 2
    assert one["policies"]["oracle"]["makespan_ms"] > 5000
    assert one["policies"]["oracle"]["waiting_ms_mean"] == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "line 1: not JSON"),
        ('{"text": "x", "tool": "juggling"}', "line 1: unknown tool"),
        ('{"text": "x", "tool": null}', "no line names the tool"),
        (
            '{"text": "a", "tool": "super_resolution", "arrival_ms": 1}\n{"text": "b", "tool": "super_resolution"}',
            "1 of 2",
        ),
        ('{"text": "a", "tool": "super_resolution", "arrival_ms": "noon"}', "line 1"),
    ],
)
def test_a_bad_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, words: str) -> None:
    requests = tmp_path / "requests.jsonl"
    requests.write_text(content)
    assert main(["simulate", "--requests", str(requests), "--policies", "oracle"]) == 1
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
