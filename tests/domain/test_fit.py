"""What fits when, against a walk over a fine grid of moments."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.domain.cases import catalogues, levels, slow_earliest, slow_fits, timelines, times
from tomas.domain.catalogue import Catalogue
from tomas.domain.fit import CHUNK_CELLS, earliest_start, feasible_at, longest_windows, quickest_of_equal, windows
from tomas.domain.timeline import Timeline

MANY = settings(max_examples=1500, deadline=None)


@MANY
@given(timelines(), catalogues(), times)
def test_feasibility_is_what_every_moment_of_the_run_says(timeline: Timeline, table: Catalogue, start: float) -> None:
    expected = [
        slow_fits(timeline, need, latency, start)
        for need, latency in zip(table.requirement.tolist(), table.latency_ms.tolist(), strict=True)
    ]
    assert feasible_at(timeline, table.requirement, table.latency_ms, start).tolist() == expected


@MANY
@given(timelines(), catalogues(), times)
def test_the_earliest_start_is_the_first_moment_that_fits(timeline: Timeline, table: Catalogue, start: float) -> None:
    expected = [
        slow_earliest(timeline, need, latency, start)
        for need, latency in zip(table.requirement.tolist(), table.latency_ms.tolist(), strict=True)
    ]
    assert earliest_start(timeline, table.requirement, table.latency_ms, start).tolist() == expected


@settings(max_examples=500, deadline=None)
@given(timelines(), catalogues(), times, st.floats(0.001, 1000.0), st.floats(0.0, 5000.0))
def test_a_start_that_was_promised_is_feasible_on_any_clock(
    timeline: Timeline, table: Catalogue, start: float, unit: float, shift: float
) -> None:
    """Times that are no round numbers lose bits in sums; promise and check must round alike."""
    odd = Timeline(timeline.time_ms * unit + shift, timeline.free)
    latency = table.latency_ms * unit
    starts = earliest_start(odd, table.requirement, latency, start * unit + shift)
    for place in np.flatnonzero(np.isfinite(starts)):
        assert feasible_at(odd, table.requirement[[place]], latency[[place]], float(starts[place])).all()


@settings(max_examples=300, deadline=None)
@given(timelines(), st.lists(st.tuples(levels, levels, levels, levels), min_size=1, max_size=6), times)
def test_the_longest_window_is_the_longest_latency_that_ever_fits(
    timeline: Timeline, needs: list[tuple[float, ...]], start: float
) -> None:
    requirement = np.array(needs)
    for need, longest in zip(requirement, longest_windows(timeline, requirement, start), strict=True):
        if longest == 0:
            assert not slow_fits(timeline, need, 0.0, start)
        elif np.isfinite(longest):
            assert np.isfinite(slow_earliest(timeline, need, longest - 0.25, start))
            assert not np.isfinite(slow_earliest(timeline, need, longest, start))
        else:
            assert np.isfinite(slow_earliest(timeline, need, 1e6, start))


def test_a_run_may_not_touch_the_moment_at_which_its_resources_go() -> None:
    timeline = Timeline(np.array([0.0, 10.0]), np.array([[1.0] * 4, [0.0] * 4]))
    need = np.ones((2, 4))
    assert feasible_at(timeline, need, np.array([9.75, 10.0]), 0.0).tolist() == [True, False]
    assert windows(timeline, need[:1], 4.0).tolist() == [6.0]


def test_a_run_may_start_at_the_moment_its_resources_come() -> None:
    timeline = Timeline(np.array([0.0, 10.0]), np.array([[0.0] * 4, [1.0] * 4]))
    assert earliest_start(timeline, np.ones((1, 4)), np.array([1e9]), 3.0).tolist() == [10.0]


def test_a_table_too_large_for_one_go_gives_what_its_rows_give_alone() -> None:
    rng = np.random.default_rng(7)
    timeline = Timeline(np.arange(4000.0), rng.uniform(0, 8, (4000, 4)))
    need, latency = rng.uniform(0, 6, (300, 4)), rng.uniform(0.1, 5, 300)
    assert len(need) * len(timeline) > CHUNK_CELLS
    starts = earliest_start(timeline, need, latency, 3.5)
    longest = longest_windows(timeline, need, 3.5)
    for place in range(0, 300, 7):
        row = slice(place, place + 1)
        assert earliest_start(timeline, need[row], latency[row], 3.5) == starts[row]
        assert longest_windows(timeline, need[row], 3.5) == longest[row]


def test_of_equal_requirements_only_the_quickest_is_kept() -> None:
    need = np.array([[1.0, 2, 3, 4], [0.0, 0, 0, 0], [1.0, 2, 3, 4]])
    kept = quickest_of_equal(need, np.array([5.0, 1.0, 3.0]))
    assert sorted(kept.tolist()) == [1, 2]
    assert quickest_of_equal(need[:0], np.zeros(0)).tolist() == []
