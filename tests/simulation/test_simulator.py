"""A simulation keeps its books: nothing is promised twice, nothing is lost, and a better rule is seen to be better."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tomas.domain.catalogue import Catalogue
from tomas.domain.request import Request
from tomas.domain.resources import RESOURCES, Floats
from tomas.domain.timeline import Timeline
from tomas.domain.tools import ToolRegistry
from tomas.evaluation.baselines import BASELINES, Choice
from tomas.simulation.ledger import Ledger
from tomas.simulation.measures import measures
from tomas.simulation.policies import Task, policies, task_of
from tomas.simulation.simulator import Replay, replay
from tomas.simulation.workload import draw_tasks, stitched

CAPACITY = np.array([8.0, 16.0, 100.0, 8.0])
T_INF_MS = 50.0
TOOL = {"name": "t", "description": "Does it.", "input": {"field": "n", "small_max": 1, "medium_max": 2}}
ROWS = [(1, 1, 10, 0.7, 900.0), (2, 1, 10, 1.1, 500.3), (4, 2, 30, 2.0, 300.1), (8, 8, 100, 8.0, 100.9)]


def a_catalogue(rows: list[tuple[float, ...]] = ROWS) -> Catalogue:
    columns = (*RESOURCES, "latency_ms")
    lines = [{"tool": "t", "input_size": "small", **dict(zip(columns, row, strict=True))} for row in rows]
    return Catalogue.from_rows(ToolRegistry.from_list([TOOL]), lines)


def some_tasks(arrivals: list[float], catalogue: Catalogue) -> list[Task]:
    return [task_of(Request(text="x", tool="t", input_size="small"), catalogue, at) for at in arrivals]


def over_promised(done: Replay, machine: Timeline, catalogue: Catalogue) -> float:
    """By how much runs took more than was free, looked at every moment anything begins, ends or changes."""
    moments = {run.start_ms for run in done.runs} | {run.end_ms for run in done.runs} | set(machine.time_ms.tolist())
    worst = 0.0
    for moment in moments:
        on = [run.config_id for run in done.runs if run.start_ms <= moment < run.end_ms]
        used = catalogue.requirement[on].sum(axis=0)
        # a machine's row begins up to a tick late on the ledger, never early
        if on:
            worst = max(worst, float((used - machine.at(moment)).max()))
    return worst


frees = st.lists(st.tuples(*(st.integers(0, int(high)) for high in CAPACITY)), min_size=1, max_size=12)


@st.composite
def machines(draw: st.DrawFn) -> Timeline:
    free = [*draw(frees), tuple(CAPACITY)]
    gaps = draw(st.lists(st.integers(1, 1_000_000), min_size=len(free) - 1, max_size=len(free) - 1))
    return Timeline(np.cumsum([0, *gaps]) / 1024, np.array(free, dtype=float))


@settings(max_examples=60, deadline=None)
@given(
    machine=machines(),
    arrivals=st.lists(st.floats(0, 3000), min_size=1, max_size=12),
    name=st.sampled_from(["oracle", *BASELINES]),
)
def test_nothing_is_promised_twice_and_every_task_ends_once(
    machine: Timeline, arrivals: list[float], name: str
) -> None:
    catalogue = a_catalogue()
    tasks = some_tasks(arrivals, catalogue)
    rule = policies(catalogue, CAPACITY, None, [name])[name]
    done = replay(tasks, machine, rule, catalogue, T_INF_MS)
    assert over_promised(done, machine, catalogue) < 1e-9
    assert sorted(run.task for run in done.runs if run.finished) == list(range(len(tasks)))
    assert not done.refused
    for run in done.runs:
        assert run.start_ms >= tasks[run.task].arrival_ms + T_INF_MS
        if run.finished:
            assert run.end_ms - run.start_ms >= catalogue.latency_ms[run.config_id]
    if name != "snapshot_greedy":
        assert done.violations == 0


def test_a_second_request_waits_for_what_the_first_one_took() -> None:
    catalogue = a_catalogue([(8, 8, 100, 8.0, 100.5)])
    tasks = some_tasks([0.0, 10.0], catalogue)
    machine = Timeline.constant(CAPACITY)
    done = replay(tasks, machine, policies(catalogue, CAPACITY, None, ["oracle"])["oracle"], catalogue, T_INF_MS)
    assert [run.start_ms for run in done.runs] == [50.0, 150.5]
    figures = measures(done, machine, catalogue, T_INF_MS)
    assert figures["completion_ms_mean"] == pytest.approx((150.5 + 241.0) / 2)
    assert figures["waiting_ms_mean"] == pytest.approx((0 + 90.5) / 2)
    assert figures["makespan_ms"] == pytest.approx(251.0)
    assert figures["utilisation"]["cpu_core"] == pytest.approx(201 / 251)


def test_a_snapshot_is_caught_out_and_pays_for_it() -> None:
    catalogue = a_catalogue()
    machine = Timeline(np.array([0.0, 100.0, 1000.0]), np.array([CAPACITY, [2, 2, 20, 2], CAPACITY]))
    tasks = some_tasks([0.0], catalogue)
    rules = policies(catalogue, CAPACITY, None, ["oracle", "snapshot_greedy"])
    caught = replay(tasks, machine, rules["snapshot_greedy"], catalogue, T_INF_MS)
    seen = replay(tasks, machine, rules["oracle"], catalogue, T_INF_MS)
    # it takes everything at 50, loses it at 100, and takes the best of what is left then
    first = caught.runs[0]
    assert (first.start_ms, first.end_ms, first.finished) == (50.0, 100.0, False)
    assert caught.violations == 1
    assert seen.violations == 0
    assert seen.runs[-1].end_ms < caught.runs[-1].end_ms
    figures = measures(caught, machine, catalogue, T_INF_MS)
    assert figures["lost"]["cpu_core"] > 0
    assert figures["violations"] == 1


def test_what_never_fits_is_refused_and_counted() -> None:
    catalogue = a_catalogue()
    machine = Timeline.constant([0.5, 0.5, 5, 0.5])
    tasks = some_tasks([0.0, 5.0], catalogue)
    for name in ("oracle", "snapshot_greedy"):
        done = replay(tasks, machine, policies(catalogue, CAPACITY, None, [name])[name], catalogue, T_INF_MS)
        assert done.refused == [0, 1]
        figures = measures(done, machine, catalogue, T_INF_MS)
        assert figures["completion_ms_mean"] is None
        assert figures["refused"] == 2


@settings(max_examples=100, deadline=None)
@given(machine=machines(), takes=st.lists(st.tuples(st.integers(0, 4_000_000), st.integers(1, 400_000)), max_size=8))
def test_a_ledger_is_the_machine_less_what_was_taken(machine: Timeline, takes: list[tuple[int, int]]) -> None:
    ledger = Ledger(machine)
    requirement = np.array([0.1, 0.2, 0.3, 0.7])
    taken = []
    for start, length in takes:
        begin, end = start / 1024, (start + length) / 1024
        conflict = ledger.first_conflict(requirement, begin, end)
        expected = _first_lack(machine, taken, requirement, begin, end)
        assert (conflict is None) == (expected is None)
        assert conflict == pytest.approx(expected) if conflict is not None else True
        if conflict is None:
            ledger.take(requirement, begin, end)
            taken.append((begin, end))
    for moment in np.linspace(0, 4000, 40):
        ticked = np.floor(moment * 1024) / 1024
        on = sum(begin <= ticked < end for begin, end in taken)
        left = machine.at(ticked) - on * requirement
        np.testing.assert_allclose(ledger.seen_from(ticked).at(0.0), left, atol=1e-8)


def _first_lack(
    machine: Timeline, taken: list[tuple[float, float]], requirement: Floats, begin: float, end: float
) -> float | None:
    moments = sorted({begin, *machine.time_ms.tolist(), *(edge for pair in taken for edge in pair)})
    for moment in moments:
        if begin <= moment < end:
            on = sum(start <= moment < stop for start, stop in taken)
            if (machine.at(moment) - on * requirement < requirement - 1e-7).any():
                return moment
    return None


def test_runs_that_touch_do_not_overlap_by_a_rounding_error() -> None:
    catalogue = a_catalogue([(8, 8, 100, 8.0, 27.6)])
    arrivals = [0.1 * number for number in range(300)]
    tasks = some_tasks(arrivals, catalogue)
    machine = Timeline.constant(CAPACITY)
    done = replay(tasks, machine, policies(catalogue, CAPACITY, None, ["oracle"])["oracle"], catalogue, T_INF_MS)
    assert over_promised(done, machine, catalogue) <= 0
    assert done.violations == 0


def test_the_load_says_how_often_requests_arrive() -> None:
    catalogue = a_catalogue([(4, 1, 10, 1.0, 100.0)])
    request = Request(text="x", tool="t", input_size="small")
    tasks = draw_tasks([request], catalogue, CAPACITY, 4000, load=0.25, seed=1)
    # each takes half of the cores for 100 ms: every 200 ms one is a load of a quarter
    assert tasks[-1].arrival_ms / len(tasks) == pytest.approx(200, rel=0.05)
    again = draw_tasks([request], catalogue, CAPACITY, 4000, load=0.25, seed=1)
    assert [task.arrival_ms for task in again] == [task.arrival_ms for task in tasks]


def test_a_stitched_machine_shows_whole_timelines_and_ends_with_all_free() -> None:
    one = Timeline(np.array([0.0, 10, 30]), np.array([[1.0] * 4, [2.0] * 4, [3.0] * 4]))
    machine = stitched([one], 100, CAPACITY, seed=0)
    np.testing.assert_array_equal(machine.time_ms, [0, 10, 30, 40, 60, 70, 90, 100, 120])
    np.testing.assert_array_equal(machine.free[:-1, 0], [1, 2] * 4)
    np.testing.assert_array_equal(machine.free[-1], CAPACITY)


def test_a_rule_is_asked_again_when_something_else_is_free() -> None:
    catalogue = a_catalogue()
    machine = Timeline(np.array([0.0, 500, 700]), np.array([[0.0] * 4, [0.0] * 4, CAPACITY]))
    asked = []

    def rule(_task: Task, timeline: Timeline, t_inf_ms: float) -> Choice:
        asked.append(float(timeline.at(t_inf_ms)[0]))
        return Choice(3 if asked[-1] else None, t_inf_ms)

    done = replay(some_tasks([0.0], catalogue), machine, rule, catalogue, T_INF_MS)
    assert len(asked) == 3  # at 0, at 500, at 700
    assert done.runs[0].start_ms == 750.0
