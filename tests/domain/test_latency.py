"""T_inf predictors: fixed and ruled ones follow their tables, the measured one follows the machine."""

import threading

import numpy as np
import pytest

from tomas.domain.latency import Fixed, LatencyPredictor, Measured, PlanningCase, RuleBased
from tomas.errors import UserError

CASE = PlanningCase(text_chars=40)


def test_fixed_never_moves() -> None:
    predictor: LatencyPredictor = Fixed()
    predictor.observe(CASE, 9000)
    assert predictor.predict(CASE) == 500


def test_the_table_is_scaled_by_size_and_gpu() -> None:
    predictor: LatencyPredictor = RuleBased(400, {"alpha": 100})
    sizes = [predictor.predict(PlanningCase(1, "alpha", size)) for size in ("small", "medium", "large")]
    assert sizes == [50, 100, 200]
    assert predictor.predict(PlanningCase(1, "alpha", None, has_gpu=True)) == 70
    assert predictor.predict(PlanningCase(1, "beta")) == predictor.predict(CASE) == 400
    predictor.observe(CASE, 9000)
    assert predictor.predict(CASE) == 400


def test_measured_starts_from_its_start_value_and_ends_at_the_machines() -> None:
    predictor: LatencyPredictor = Measured(500)
    assert predictor.predict(CASE) == 500
    for _ in range(100):
        predictor.observe(CASE, 80.0)
    assert predictor.predict(CASE) == pytest.approx(80, rel=0.01)


def test_measured_is_rarely_too_early_and_never_far_off() -> None:
    rng = np.random.default_rng(5)
    predictor = Measured()
    early, guesses = 0, []
    for elapsed in rng.lognormal(4.5, 0.2, 2000):
        guess = predictor.predict(CASE)
        early += guess < elapsed
        guesses.append(guess)
        predictor.observe(CASE, float(elapsed))
    assert early / 2000 < 0.1
    assert np.mean(guesses[10:]) < 1.6 * np.exp(4.5)


def test_measured_forgets_a_machine_that_has_changed() -> None:
    predictor = Measured()
    for elapsed in [50.0] * 50 + [400.0] * 50:
        predictor.observe(CASE, elapsed)
    assert predictor.predict(CASE) == pytest.approx(400, rel=0.02)


def test_measured_leaves_out_what_is_no_time() -> None:
    predictor = Measured()
    predictor.observe(CASE, 100.0)
    before = predictor.state()
    for elapsed in (0.0, -5.0, float("nan"), float("inf")):
        predictor.observe(CASE, elapsed)
    assert predictor.state() == before


def test_measured_goes_on_where_it_was_saved() -> None:
    first, second = Measured(), Measured()
    for elapsed in (90.0, 110.0, 130.0):
        first.observe(CASE, elapsed)
    second.restore(first.state())
    assert second.predict(CASE) == first.predict(CASE)
    second.restore(Measured().state())
    assert second.predict(CASE) == 500


def test_measured_loses_nothing_between_threads() -> None:
    predictor = Measured()
    crowd = [threading.Thread(target=lambda: [predictor.observe(CASE, 70.0) for _ in range(500)]) for _ in range(4)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    assert predictor.predict(CASE) == pytest.approx(70, rel=1e-6)


@pytest.mark.parametrize("time_ms", [0.0, -1.0, float("nan"), float("inf")])
def test_a_time_that_cannot_be_is_refused(time_ms: float) -> None:
    for make in (Fixed, RuleBased, Measured):
        with pytest.raises(UserError, match="above 0"):
            make(time_ms)
    with pytest.raises(UserError, match="above 0"):
        RuleBased(500, {"alpha": time_ms})
    with pytest.raises(UserError, match="above 0"):
        Measured().restore({"mean_ms": time_ms})
