"""Schedules are pure: the value depends on epoch and step only, and the end is reached."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomas.config import Anneal, parse_params
from tomas.errors import UserError
from tomas.training.schedules import Schedules, annealed, lr_factor

COUNTS = st.integers(1, 50)


@given(start=st.floats(-10, 10), end=st.floats(-10, 10), last=COUNTS)
def test_annealing_starts_at_start_and_reaches_end(start: float, end: float, last: int) -> None:
    by_epoch, by_step = Anneal(start=start, end=end), Anneal(start=start, end=end, by="step")
    assert annealed(by_epoch, last, last + 1, 0, 99) == end == annealed(by_step, 0, 99, last, last + 1)
    assert annealed(by_epoch, 0, last + 1, 0, 99) == start == annealed(by_step, 0, 99, 0, last + 1)


def test_a_run_of_one_epoch_anneals_to_the_end() -> None:
    assert annealed(Anneal(start=1.5, end=0.8), 0, 1, 0, 10) == 0.8


@given(first=st.integers(0, 5), epoch=st.integers(0, 8))
def test_a_plugin_is_on_from_its_epoch(first: int, epoch: int) -> None:
    schedules = Schedules.parse({"enable_moe_at_epoch": first}, {"enable_moe_at_epoch": "moe"})
    assert schedules.enabled("moe", epoch) is (epoch >= first)
    assert schedules.enabled("align", epoch)


@pytest.mark.parametrize(
    "value", [-1, 1.5, {"start": 1}, {"start": 1, "end": 2, "by": "week"}, {"start": 1, "end": float("nan")}]
)
def test_params_refuse_a_schedule_without_meaning(value: object) -> None:
    with pytest.raises(UserError, match="route_temp"):
        parse_params({"schedules": {"route_temp": value}})


@given(kind=st.sampled_from(["cosine", "linear", "constant"]), total=COUNTS, share=st.floats(0, 1))
def test_the_learning_rate_never_leaves_zero_to_its_peak(kind: str, total: int, share: float) -> None:
    factors = [lr_factor(kind, step, total, share) for step in range(total)]  # type: ignore[arg-type]
    assert all(0.0 < factor <= 1.0 for factor in factors)


def test_cosine_falls_and_warm_up_rises() -> None:
    factors = [lr_factor("cosine", step, 100, 0.1) for step in range(100)]
    assert factors[:10] == sorted(factors[:10])
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert factors[10] == 1.0
    assert factors[-1] < 0.001
