"""A window holds what is free when, the least that was free until then, and how long how much stays free."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tomas.config import Temporal
from tomas.domain.timeline import Timeline
from tomas.planner.windows import FIRST_MS, LAST_MS, WindowReader

CAPACITY = np.array([8.0, 16.0, 100.0, 0.0])
POINTS = 6


@st.composite
def machines(draw: st.DrawFn) -> Timeline:
    """Up to ten rows over five minutes."""
    cells = np.frombuffer(draw(st.binary(min_size=5, max_size=50)), dtype=np.uint8)
    rows = cells[: len(cells) // 5 * 5].reshape(-1, 5).astype(float)
    moments, places = np.unique(rows[:, 0] ** 2 * 4.5, return_index=True)
    return Timeline(moments, rows[places, 1:] % 9)


def reader(normalise: str = "none", sample: list[tuple[Timeline, float]] | None = None) -> WindowReader:
    params = Temporal.model_validate({"points": POINTS, "normalise": normalise})
    return WindowReader.make(params, CAPACITY, "previous", sample or [])


@settings(deadline=None)
@given(machines(), st.integers(0, 100_000).map(float))
def test_a_window_is_read_off_the_timeline_at_its_offsets(timeline: Timeline, start_ms: float) -> None:
    made = reader()
    window = made.read(timeline, start_ms)
    assert window.shape == (12, POINTS)
    assert window.dtype == np.float32
    for point, offset in enumerate(made.offsets_ms):
        end = start_ms + offset
        changes = timeline.time_ms[(timeline.time_ms > start_ms) & (timeline.time_ms <= end)]
        seen = np.array([timeline.at(moment) for moment in (start_ms, *changes)])
        assert window[:4, point].tolist() == timeline.at(end).tolist()
        assert window[4:8, point].tolist() == seen.min(axis=0).tolist()


def test_a_window_says_how_long_each_share_of_the_machine_stays_free() -> None:
    falls = Timeline(np.array([0.0, 500.0, 3000.0]), np.array([[8.0, 16, 50, 0], [4, 16, 50, 0], [8, 16, 0, 0]]))
    cores, memory, sm, gpu_memory = reader().read(falls, 100.0)[8:].tolist()
    half_gone, all_gone = np.log1p([400.0 / FIRST_MS, 2900.0 / FIRST_MS]) / np.log1p(LAST_MS / FIRST_MS)
    assert cores == pytest.approx([1, 1, 1, half_gone, half_gone, half_gone])  # up to 4 of 8 stay
    assert memory == [1] * 6
    assert sm == pytest.approx([all_gone] * 3 + [0] * 3)  # 50 of 100 until 3000 ms, more never
    assert gpu_memory == [1] * 6  # the machine has none: nothing that is asked for is short


def test_offsets_are_log_spaced_over_the_range_of_latencies() -> None:
    offsets = reader().offsets_ms
    assert (offsets[0], offsets[-1]) == (pytest.approx(FIRST_MS), pytest.approx(LAST_MS))
    assert np.diff(np.log(offsets)) == pytest.approx([np.log(LAST_MS / FIRST_MS) / (POINTS - 1)] * (POINTS - 1))


def test_a_later_start_reads_a_later_window() -> None:
    timeline = Timeline(np.array([0.0, 1000.0]), np.array([[8.0, 16.0, 100.0, 4.0], [1.0, 2.0, 10.0, 0.0]]))
    early, late = (reader().read(timeline, start_ms) for start_ms in (0.0, 1000.0))
    assert early[:4, 0].tolist() == [8, 16, 100, 4]
    assert late[:8, 0].tolist() == [1, 2, 10, 0] * 2
    assert np.array_equal(late, reader().read(Timeline.constant([1, 2, 10, 0]), 0.0))


def test_minmax_is_the_share_of_the_machine_also_where_it_lacks_something() -> None:
    window = reader("minmax").read(Timeline.constant([4, 16, 25, 2]), 0.0)
    assert window[:8, 0].tolist() == [0.5, 1.0, 0.25, 2.0] * 2
    assert window[8:].tolist() == [[1, 1, 1, 0, 0, 0], [1] * 6, [1, 0, 0, 0, 0, 0], [1] * 6]


def test_standard_takes_mean_and_spread_from_a_sample() -> None:
    sample = [(Timeline.constant([2, 8, 50, 3]), 0.0), (Timeline.constant([6, 8, 100, 3]), 700.0)]
    made = reader("standard", sample)
    windows = np.stack([made.read(*case) for case in sample])
    assert windows[:, [0, 2]].mean(axis=(0, 2)) == pytest.approx([0, 0], abs=1e-6)
    assert windows[:, [0, 2]].std(axis=(0, 2)) == pytest.approx([1, 1])
    assert windows[:, [1, 3]].tolist() == np.zeros((2, 2, POINTS)).tolist()
    # what never changed in the sample is not blown up when it does
    assert made.read(Timeline.constant([2, 9, 50, 2.5]), 0.0)[[1, 3], 0].tolist() == [1.0, -0.5]


@settings(deadline=None)
@given(st.floats(0, 1e308), st.sampled_from(["minmax", "none"]))
def test_no_amount_makes_a_window_that_is_no_number(amount: float, normalise: str) -> None:
    assert np.isfinite(reader(normalise).read(Timeline.constant([amount, amount, 100, amount]), 0.0)).all()


@pytest.mark.parametrize("normalise", ["minmax", "standard", "none"])
def test_a_reader_survives_json(normalise: str) -> None:
    timeline = Timeline(np.array([0.0, 333.3]), np.array([[7.0, 11.0, 33.3, 1.0], [1.0, 2.0, 10.0, 0.0]]))
    made = reader(normalise, [(timeline, 0.0)])
    again = WindowReader.from_json(json.loads(json.dumps(made.to_json())))
    assert np.array_equal(again.read(timeline, 12.3), made.read(timeline, 12.3))
