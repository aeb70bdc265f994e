"""Timelines are step functions, read exactly or smoothed, and refuse what cannot be."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.domain.cases import levels, slow_grid, timelines, times
from tomas.domain.resources import TIMELINE_COLUMNS
from tomas.domain.timeline import MAX_ROWS, Method, Timeline
from tomas.errors import UserError

HEADER = ",".join(TIMELINE_COLUMNS)
TWO = Timeline(np.array([0.0, 100.0]), np.array([[1.0, 2, 3, 4], [3.0, 6, 9, 12]]))


@settings(max_examples=300, deadline=None)
@given(timelines(), times)
def test_at_gives_the_row_in_force(timeline: Timeline, moment: float) -> None:
    grid = slow_grid(timeline)
    assert tuple(timeline.at(moment)) == grid[min(int(moment * 4), len(grid) - 1)]


@settings(max_examples=300, deadline=None)
@given(timelines(), times, st.lists(times, min_size=1, max_size=8))
def test_after_is_the_same_machine_on_a_later_clock(timeline: Timeline, moment: float, offsets: list[float]) -> None:
    later = timeline.after(moment)
    assert later.time_ms[0] == 0
    expected = timeline.resample(np.array(offsets) + moment)
    assert later.resample(offsets).tolist() == expected.tolist()


@settings(max_examples=300, deadline=None)
@given(timelines(), st.floats(0, 1e6), st.floats(1e-9, 1e3))
def test_after_stays_a_timeline_when_the_clock_rounds(timeline: Timeline, moment: float, unit: float) -> None:
    odd = Timeline(timeline.time_ms * unit + 1e6, timeline.free)
    later = odd.after(moment + 1e6)
    assert later.free[-1].tolist() == timeline.free[-1].tolist()
    assert (np.diff(later.time_ms) > 0).all()


@settings(max_examples=300, deadline=None)
@given(timelines(), times)
def test_the_running_minimum_is_the_least_of_every_moment_so_far(timeline: Timeline, moment: float) -> None:
    grid = np.array(slow_grid(timeline))
    expected = grid[: int(moment * 4) + 1].min(axis=0)
    assert timeline.running_min([moment])[0].tolist() == expected.tolist()


@settings(max_examples=300, deadline=None)
@given(timelines(), st.lists(st.tuples(levels, levels, levels, levels), min_size=1, max_size=6))
def test_an_amount_lasts_until_the_first_moment_that_has_less(
    timeline: Timeline, amounts: list[tuple[float, ...]]
) -> None:
    grid = np.array(slow_grid(timeline))
    for row, lasting in zip(amounts, timeline.lasting(np.array(amounts)), strict=True):
        short = grid < row
        expected = np.where(short.any(axis=0), short.argmax(axis=0) / 4, np.inf)
        assert lasting.tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("method", "cores"),
    [
        ("previous", [1.0, 1.0, 1.0, 1.0, 3.0, 3.0]),
        ("linear", [1.0, 1.0, 1.5, 2.0, 3.0, 3.0]),
        ("nearest", [1.0, 1.0, 1.0, 1.0, 3.0, 3.0]),
    ],
)
def test_the_interpolations_read_between_rows_and_hold_beyond_them(method: Method, cores: list[float]) -> None:
    sampled = TWO.resample([-50.0, 0.0, 25.0, 50.0, 100.0, 1e9], method)
    assert sampled.shape == (6, 4)
    assert sampled[:, 0].tolist() == cores
    assert sampled[:, 3].tolist() == [4 * core for core in cores]


def test_nearest_turns_over_halfway() -> None:
    assert TWO.resample([50.0, 50.1], "nearest")[:, 0].tolist() == [1.0, 3.0]


def test_an_unknown_interpolation_is_named_with_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"cubic.*previous, linear or nearest"):
        TWO.resample([0.0], "cubic")  # type: ignore[arg-type]


def test_the_same_timeline_is_read_from_rows_columns_frames_and_text() -> None:
    rows = TWO.to_rows()
    text = f"\ufeffgpu_sm,{HEADER},note\n7,0,1,2,3,4,x\n\n8,100,3,6,9,12,y\n".replace("gpu_sm,time", "busy,time", 1)
    for read in (
        Timeline.from_rows(rows),
        Timeline.from_rows([list(row.values()) for row in rows]),
        Timeline.from_rows(pd.DataFrame(rows)),
        Timeline.from_rows(pd.DataFrame(rows).to_dict("list")),
        Timeline.from_csv_text(text),
    ):
        assert read.to_rows() == rows
        assert len(read) == 2


def test_a_machine_that_stays_as_it_is_needs_one_row() -> None:
    assert Timeline.constant([16, 64, 100, 24]).at(1e12).tolist() == [16, 64, 100, 24]


def test_the_arrays_of_a_timeline_cannot_be_written_and_are_its_own() -> None:
    moments, free = np.array([0.0]), np.ones((1, 4))
    timeline = Timeline(moments, free)
    free[0, 0] = 99
    assert timeline.free[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        timeline.free[0, 0] = 5


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "empty"),
        ("\n \n", "empty"),
        (HEADER, "1 to .* rows, found 0"),
        ("time_ms,cpu_cores\n0,1\n", "lacks the columns cpu_mem_gb, gpu_sm, gpu_mem_gb"),
        (f"{HEADER}\n0,1,2,3\n", "column 5 is missing"),
        (f"{HEADER}\n0,1,2,3,4\n5,1,2,many,4\n", "row 2: gpu_sm is not a number: 'many'"),
        (f"{HEADER}\n0,1,2,,4\n", "row 1: gpu_sm is not a number: ''"),
        (f"{HEADER}\n0,1,2,nan,4\n", "row 1: gpu_sm is nan"),
        (f"{HEADER}\n0,1,-2,3,4\n", "row 1: cpu_mem_gb is -2"),
        (f"{HEADER}\n0,1,2,1200,4\n", "row 1: gpu_sm is 1200, it must be 0 to 100 percent"),
        (f"{HEADER}\ninf,1,2,3,4\n", "row 1: time_ms is not finite"),
        (f"{HEADER}\n5,1,2,3,4\n5,1,2,3,4\n", "row 2: time_ms must increase, 5 comes after 5"),
        (f"{HEADER}\n5,1,2,3,4\n6,1,2,3,4\n2,1,2,3,4\n", "row 3: time_ms must increase, 2 comes after 6"),
        ('a"b\n"' + "x" * 200_000, "not CSV"),
    ],
)
def test_broken_text_is_refused_with_its_row_and_reason(text: str, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        Timeline.from_csv_text(text)


@pytest.mark.parametrize(
    "rows",
    [
        [],
        "rows",
        7,
        None,
        [7],
        [[0, 1, 2, 3]],
        [{"time_ms": 0}],
        [{"time_ms": 0}, [1]],
        {"time_ms": [0]},
        {name: [[0, 1]] for name in TIMELINE_COLUMNS},
        {**{name: [1] for name in TIMELINE_COLUMNS}, "gpu_sm": [1, 2]},
        {**{name: [1] for name in TIMELINE_COLUMNS}, "gpu_sm": [[1], [2, 3]]},
        dict.fromkeys(TIMELINE_COLUMNS, 1),
        [[0, 1, 2, 3, 10**400]],
        [[None] * 5],
    ],
)
def test_rows_that_are_no_timeline_are_refused_in_one_line(rows: object) -> None:
    with pytest.raises(UserError, match=r"^[^\n]+$"):
        Timeline.from_rows(rows)


def test_too_many_rows_are_refused_before_they_are_read() -> None:
    with pytest.raises(UserError, match="100000 rows, found 100001"):
        Timeline.from_rows([None] * (MAX_ROWS + 1))
    with pytest.raises(UserError, match="characters"):
        Timeline.from_csv_text("0" * 16_000_001)


@given(st.text(max_size=200) | st.lists(st.floats() | st.text(max_size=3), max_size=12).map(lambda c: f"{HEADER}\n{c}"))
def test_any_text_is_a_timeline_or_one_clear_line(text: str) -> None:
    complaint = ""
    try:
        assert len(Timeline.from_csv_text(text)) >= 1
    except UserError as error:
        complaint = str(error)
    assert "\n" not in complaint


def test_errors_of_a_file_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "free.csv"
    with pytest.raises(UserError, match=r"free\.csv: No such file"):
        Timeline.from_csv(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match=r"free\.csv: not UTF-8 at byte 0"):
        Timeline.from_csv(path)
    path.write_text(f"{HEADER}\n0,1,2,3,x\n")
    with pytest.raises(UserError, match=r"free\.csv: timeline row 1: gpu_mem_gb"):
        Timeline.from_csv(path)
    path.write_text(f"{HEADER}\n0,1,2,3,4\n")
    assert Timeline.from_csv(path).at(0).tolist() == [1, 2, 3, 4]
    assert Timeline.from_csv(str(path)).at(0).tolist() == [1, 2, 3, 4]
