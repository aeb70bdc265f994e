"""The learned T_inf knows which requests take longer, is in time for nine plans in ten, and follows the machine."""

import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.planner.small import untrained
from tests.planner.small_training import prepare, small_params, train
from tomas.domain.latency import LatencyPredictor, PlanningCase
from tomas.domain.resources import SIZES
from tomas.errors import UserError
from tomas.planner import Planner
from tomas.planner.learned_latency import FILE, Learned, Record, features

CASE = PlanningCase(text_chars=40)


def recorded(count: int, seed: int, slower: float = 1.0) -> list[Record]:
    """A machine on which long texts take longer, and requests that state a large input twice as long."""
    rng = np.random.default_rng(seed)
    records = []
    for _ in range(count):
        case = PlanningCase(int(rng.integers(5, 800)), None, (None, *SIZES)[int(rng.integers(4))])
        typical = slower * (30 + 0.2 * case.text_chars) * (2 if case.size == "large" else 1)
        records.append((case, float(typical * rng.lognormal(0, 0.15))))
    return records


def in_time(predictor: LatencyPredictor, records: list[Record]) -> float:
    return float(np.mean([elapsed <= predictor.predict(case) for case, elapsed in records]))


@pytest.fixture(scope="module")
def fitted() -> Learned:
    learned = Learned(500)
    learned.fit(recorded(200, 0))
    return learned


def test_before_it_is_trained_it_answers_the_start_value() -> None:
    assert Learned(320).predict(CASE) == 320


def test_six_numbers_tell_cases_apart() -> None:
    cases = [
        PlanningCase(0), CASE, *(PlanningCase(40, None, size) for size in SIZES), PlanningCase(40, "alpha"),
        PlanningCase(40, has_gpu=True),
    ]  # fmt: skip
    rows = [features(case) for case in cases]
    assert {len(row) for row in rows} == {6}
    assert len({tuple(row) for row in rows}) == len(cases)


def test_nine_plans_in_ten_are_in_time_and_little_is_waited_for(fitted: Learned) -> None:
    fresh = recorded(2000, 1)
    assert 0.85 < in_time(fitted, fresh) < 0.95
    for size in (None, *SIZES):
        assert 0.8 < in_time(fitted, [one for one in fresh if one[0].size == size]) < 0.98
    times = np.array([elapsed for _, elapsed in fresh])
    asked = np.array([fitted.predict(case) for case, _ in fresh])
    one_for_all = np.quantile(times, 0.9)
    assert np.mean(asked / times) < 1.4 < 0.6 * np.mean(one_for_all / times)


def test_what_takes_longer_is_known(fitted: Learned) -> None:
    short, long = fitted.predict(PlanningCase(20)), fitted.predict(PlanningCase(700))
    assert 3 < long / short < 7
    assert fitted.predict(PlanningCase(300, None, "large")) > 1.6 * fitted.predict(PlanningCase(300, None, "small"))


def test_the_same_records_give_the_same_network_and_leave_the_random_generator_alone() -> None:
    first, second = Learned(), Learned()
    first.fit(recorded(50, 3))
    torch.manual_seed(4)
    expected = torch.rand(2)
    torch.manual_seed(4)
    second.fit(recorded(50, 3))
    assert torch.equal(torch.rand(2), expected)
    assert [first.predict(case) for case, _ in recorded(20, 5)] == [second.predict(case) for case, _ in recorded(20, 5)]


@pytest.mark.parametrize("slower", [0.3, 1.0, 4.0])
def test_on_another_machine_its_level_follows_and_what_it_knows_stays(slower: float) -> None:
    learned = Learned()
    learned.fit(recorded(200, 0))
    ratio = learned.predict(PlanningCase(700)) / learned.predict(PlanningCase(20))
    was_in_time = []
    for case, elapsed in recorded(1500, 6, slower):
        was_in_time.append(elapsed <= learned.predict(case))
        learned.observe(case, elapsed)
    assert np.mean(was_in_time[500:]) == pytest.approx(0.9, abs=0.01)
    assert learned.predict(PlanningCase(700)) / learned.predict(PlanningCase(20)) == pytest.approx(ratio)


def test_without_training_it_still_finds_the_level() -> None:
    learned = Learned(10_000)
    for _ in range(600):
        learned.observe(CASE, 80.0)
    assert learned.predict(CASE) == pytest.approx(80, rel=0.15)


def test_what_is_no_time_is_left_out() -> None:
    learned = Learned()
    for elapsed in (0.0, -5.0, float("nan"), float("inf")):
        learned.observe(CASE, elapsed)
    assert learned.predict(CASE) == 500


@settings(deadline=None)
@given(st.integers(0, 10**9), st.sampled_from((None, *SIZES)), st.sampled_from((None, "tool")), st.booleans())
def test_any_case_gets_a_time_of_the_kind_that_was_recorded(
    fitted: Learned, chars: int, size: Any, tool: str | None, has_gpu: bool
) -> None:
    assert 20 < fitted.predict(PlanningCase(chars, tool, size, has_gpu)) < 700


def test_it_comes_back_as_it_was_saved(fitted: Learned, tmp_path: Path) -> None:
    fitted.save(tmp_path)
    again = Learned()
    again.load(tmp_path)
    assert [again.predict(case) for case, _ in recorded(30, 8)] == [fitted.predict(case) for case, _ in recorded(30, 8)]


def test_observations_from_threads_are_all_counted() -> None:
    learned = Learned()
    crowd = [threading.Thread(target=lambda: [learned.observe(CASE, 1e9) for _ in range(20)]) for _ in range(4)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    assert learned.predict(CASE) == pytest.approx(500 * np.exp(80 * 0.09))


@pytest.mark.parametrize("time_ms", [0.0, -1.0, float("nan"), float("inf")])
def test_a_time_that_cannot_be_is_refused(time_ms: float) -> None:
    with pytest.raises(UserError, match="above 0"):
        Learned(time_ms)
    with pytest.raises(UserError, match="above 0"):
        Learned().fit([(CASE, time_ms)])


def test_it_is_trained_with_the_planner_on_this_machines_own_times(tmp_path: Path) -> None:
    paths = prepare(tmp_path / "project")
    train(paths, small_params(t_inf={"kind": "learned", "fixed_ms": 100_000}), tmp_path / "planner")
    assert (tmp_path / "planner" / FILE).is_file()
    planner = Planner.load(tmp_path / "planner")
    expected = planner.t_inf.predict(PlanningCase(len("is this milk all right"), None, None, has_gpu=True))
    plan = planner.plan("is this milk all right")
    assert plan.start_ms == expected or plan.status in {"wait", "no_tool"}
    assert 0 < expected < 5000  # not the 100 s it would have answered without training
    moved = planner.t_inf.predict(PlanningCase(len("is this milk all right"), None, None, has_gpu=True))
    assert moved != expected  # planning was observed


def test_a_planner_without_its_times_is_refused(tmp_path: Path) -> None:
    folder = untrained(tmp_path / "planner", t_inf={"kind": "learned"})
    with pytest.raises(UserError, match="dvc repro"):
        Planner.load(folder)
    learned = Learned()
    learned.fit(recorded(20, 0))
    learned.save(folder)
    assert Planner.load(folder).plan("hi").status in {"ready", "wait"}
    shutil.rmtree(folder)
