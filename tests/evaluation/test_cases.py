"""Cases are read with every mistake told at once, and judged by the timeline alone."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.small import project
from tests.domain.cases import slow_fits
from tests.evaluation.world import CAPACITY, CATALOGUE, small_cases
from tomas.config import Labelling
from tomas.data.labelling import label
from tomas.data.problems import DataError
from tomas.data.validate import validate
from tomas.data.validated import load_catalogue, load_requests, load_timelines
from tomas.domain.request import Request
from tomas.domain.timeline import Timeline
from tomas.evaluation.cases import Case, judge, labelled_cases, oracle_runs, read_cases

RUNNING = [case for case in small_cases() if case.runs]


def on_whole_machine(request: Request, place: int) -> Request:
    timeline = request.timeline or Timeline.constant(CAPACITY)
    return request.model_copy(update={"timeline": timeline, "t_inf_ms": request.t_inf_ms or 100.0 + place})


def read(path: Path, *lines: object) -> list[Case]:
    path.write_text(
        "".join(line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) + "\n" for line in lines),
        "utf-8",
    )
    return read_cases([path], CATALOGUE, CAPACITY, on_whole_machine)


def test_lines_become_cases_with_their_labels(tmp_path):
    (tmp_path / "idle.csv").write_text("time_ms,cpu_cores,cpu_mem_gb,gpu_sm,gpu_mem_gb\n0,0,0,0,0\n500,8,16,100,8\n")
    first, second, third = read(
        tmp_path / "requests.jsonl",
        {"text": "do alpha", "tool": "alpha", "timeline": "idle.csv", "source": "s", "label": "silver", "other": 1},
        {"text": "hello", "tool": None, "lang": "en"},
        "\n",
        {"text": "do beta\u2028for 9 images", "tool": "beta", "t_inf_ms": 7},
    )
    assert (first.status, first.decision and first.decision.start_ms, first.size) == ("wait", 500, "medium")
    assert dict(first.groups) == {"source": "s", "label": "silver"}
    assert (second.status, second.runs, second.t_inf_ms) == ("no_tool", False, 101)
    assert (third.status, third.t_inf_ms, third.size) == ("ready", 7, "large")


def test_every_wrong_line_is_told_with_its_number(tmp_path):
    path = tmp_path / "requests.jsonl"
    with pytest.raises(DataError) as error:
        read(
            path,
            {"text": "fine", "tool": None},
            "{not json\n",
            {"text": "do it"},
            {"text": "do it", "tool": "gamma"},
            {"text": " ", "tool": "alpha"},
            {"text": "do it", "tool": "alpha", "timeline": "absent.csv"},
            "[1]\n",
            {"text": "do it again", "tool": "gamma"},
        )
    told = str(error.value).splitlines()
    assert [line.split(": ")[0] for line in told] == [f"{path}:{number}" for number in range(2, 8)]
    for words, line in zip(
        ("not JSON", "no `tool`", "on 1 more lines", "empty", "absent.csv", "object"), told, strict=True
    ):
        assert words in line


def test_a_file_that_is_not_there_or_empty_is_told(tmp_path):
    (tmp_path / "empty.jsonl").write_text("")
    for name in ("absent.jsonl", "empty.jsonl"):
        with pytest.raises(DataError, match=name):
            read_cases([tmp_path / name], CATALOGUE, CAPACITY, on_whole_machine)


@settings(deadline=None)
@given(st.data())
def test_a_choice_is_judged_by_its_case_and_its_timeline(data):
    case = data.draw(st.sampled_from(RUNNING))
    config = data.draw(st.integers(-1, len(CATALOGUE) - 1))
    start = data.draw(st.sampled_from([0.0, 100.0, case.t_inf_ms, *case.timeline.time_ms.tolist()]))
    run = judge([case], [config], [start], CATALOGUE)
    row = None if config < 0 else CATALOGUE.row(config)
    assert run.serves[0] == (row is not None and (row["tool"], row["input_size"]) == (case.request.tool, case.size))
    latency = float(CATALOGUE.latency_ms[config])
    assert run.fits[0] == (
        row is not None and slow_fits(case.timeline, CATALOGUE.requirement[config].tolist(), latency, start)
    )


def test_the_oracles_runs_serve_and_fit():
    best = oracle_runs(RUNNING, CATALOGUE)
    assert best.right.all()
    assert len(best) == len(RUNNING) > 50


def test_labelled_examples_become_the_cases_they_were_labelled_as(tmp_path):
    paths = project(tmp_path)
    folder = paths.validated
    validate(paths, CAPACITY, folder)
    catalogue, timelines = load_catalogue(folder), load_timelines(folder)
    settings = Labelling(train_examples=60, eval_examples=60)
    examples = label(0, load_requests(folder), timelines, catalogue, CAPACITY, settings)["test"]
    examples.to_parquet(tmp_path / "test.parquet")
    cases = labelled_cases(tmp_path / "test.parquet", folder, catalogue, CAPACITY)
    assert [case.status for case in cases] == examples["status"].tolist()
    assert [case.tool_id for case in cases] == examples["tool_id"].tolist()
    best = [-1 if case.decision is None or case.decision.best is None else case.decision.best for case in cases]
    assert best == examples["config_id"].tolist()
    assert {case.groups["machine"] for case in cases} == {"made"}
    assert all(case.request.input_size is None for case in cases)  # the size is for the planner to find
