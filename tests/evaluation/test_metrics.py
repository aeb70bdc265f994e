"""Each metric equals an independent computation, and none flatters: what cannot run never counts as good."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, recall_score, roc_auc_score

from tomas.evaluation.metrics import (
    NO_TOOL,
    Runs,
    auroc,
    calibration_error,
    confusion,
    exact,
    macro_recall,
    near_optimal,
    regret,
    reliability,
    run_metrics,
    tool_metrics,
)

# (config_id, start, latency, serves, fits), and the oracle's latency; the oracle starts at 10
one_run = st.tuples(
    st.integers(0, 3), st.sampled_from([10.0, 10.0, 30.0]), st.floats(1, 400), st.booleans(), st.booleans()
)
pairs = st.lists(st.tuples(one_run, st.floats(50, 200)), min_size=1, max_size=30)


def runs_of(rows: list[tuple[int, float, float, bool, bool]]) -> Runs:
    config_id, start_ms, latency_ms, serves, fits = zip(*rows, strict=True)
    requirement = np.array([[c + 1.0, 2.0 * c, 10.0 * c, 0.0] for c in config_id])
    return Runs(
        np.array(config_id), np.array(start_ms), np.array(latency_ms), requirement, np.array(serves), np.array(fits)
    )


@settings(deadline=None)
@given(pairs)
def test_regret_is_the_time_lost_over_the_oracles_and_1_for_what_is_not_right(rows):
    runs, best = runs_of([run for run, _ in rows]), runs_of([(0, 10.0, latency, True, True) for _, latency in rows])
    for (run, oracle_ms), found in zip(rows, regret(runs, best).tolist(), strict=True):
        _, start, latency, serves, fits = run
        late = start - 10.0
        expected = max(0.0, (late + latency) / oracle_ms - 1) if serves and fits else 1.0
        assert found == pytest.approx(expected)


@settings(deadline=None)
@given(pairs)
def test_exact_runs_are_near_and_near_runs_are_right(rows):
    runs, best = runs_of([run for run, _ in rows]), runs_of([(0, 10.0, latency, True, True) for _, latency in rows])
    five, ten = near_optimal(runs, best, 5), near_optimal(runs, best, 10)
    assert not (five & ~ten).any()
    assert not (ten & ~runs.right).any()
    assert (exact(runs, best) == ((runs.config_id == 0) & runs.serves & runs.fits)).all()


def test_the_oracle_itself_is_perfect_and_choosing_nothing_is_worst():
    best = runs_of([(1, 10.0, 100.0, True, True), (2, 10.0, 50.0, True, True)])
    perfect = run_metrics(best, best)
    assert {name: value for name, value in perfect.items() if not isinstance(value, dict)} == {
        "config_accuracy": 1, "near_optimal_5": 1, "near_optimal_10": 1, "latency_regret_mean": 0,
        "latency_regret_p95": 0, "feasibility_rate": 1,
    }  # fmt: skip
    nothing = run_metrics(runs_of([(-1, 0.0, 1.0, False, False)] * 2), best)
    assert nothing["latency_regret_mean"] == 1
    assert nothing["near_optimal_10"] == 0
    assert "feasibility_rate" not in nothing  # there is no run whose feasibility could be told


def test_feasibility_is_that_of_the_runs_there_are_whatever_they_serve():
    best = runs_of([(0, 10.0, 100.0, True, True)] * 4)
    rows = [(0, 10.0, 100.0, True, True), (1, 10.0, 9.0, False, True), (2, 10.0, 9.0, True, False)]
    runs = runs_of([*rows, (-1, 0.0, 1.0, False, False)])
    assert run_metrics(runs, best)["feasibility_rate"] == pytest.approx(2 / 3)


def test_resource_errors_are_taken_over_runs_that_serve_and_relative_ones_where_there_is_an_amount():
    best = runs_of([(1, 10.0, 100.0, True, True), (3, 10.0, 100.0, True, True), (3, 10.0, 100.0, True, True)])
    runs = runs_of([(2, 10.0, 100.0, True, False), (3, 10.0, 100.0, True, True), (0, 10.0, 100.0, False, True)])
    metrics = run_metrics(runs, best)
    assert metrics["resource_mae"] == {"cpu_core": 0.5, "cpu_mem_gb": 1.0, "gpu_sm": 5.0, "gpu_mem_gb": 0.0}
    assert metrics["resource_mape"] == {"cpu_core": 0.25, "cpu_mem_gb": 0.5, "gpu_sm": 0.5}


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=60))
def test_auroc_equals_sklearns_with_ties(cases):
    score = np.array([value / 5 for value, _ in cases])
    positive = np.array([flag for _, flag in cases])
    assume(positive.any() and not positive.all())
    assert auroc(score, positive) == pytest.approx(roc_auc_score(positive, score))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60))
def test_macro_recall_and_confusion_equal_sklearns(cases):
    truth, predicted = (np.array(column) for column in zip(*cases, strict=True))
    present = sorted(set(truth.tolist()))
    expected = recall_score(truth, predicted, labels=present, average="macro", zero_division=0)
    assert macro_recall(truth, truth == predicted) == pytest.approx(expected)
    names = [0, 1, 2, 3, NO_TOOL]
    shifted = (np.where(truth == 4, NO_TOOL, truth), np.where(predicted == 4, NO_TOOL, predicted))
    assert (confusion(*shifted, 4) == confusion_matrix(*shifted, labels=names)).all()


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=80))
def test_calibration_error_is_the_weighted_gap_of_bins_that_hold_every_case_once(cases):
    confidence, right = np.array([p for p, _ in cases]), np.array([ok for _, ok in cases])
    bins = reliability(confidence, right)
    assert sum(row["cases"] for row in bins) == len(cases)
    expected = 0.0
    for number in range(10):
        inside = [(p, ok) for p, ok in cases if number / 10 <= p < (number + 1) / 10 or (number == 9 and p == 1)]
        expected += abs(sum(p for p, _ in inside) - sum(ok for _, ok in inside)) / len(cases)
    assert calibration_error(bins) == pytest.approx(expected, abs=1e-6)


def test_what_the_labels_cannot_tell_is_left_out():
    probabilities, serviceable = np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0.9, 0.4])
    only_tools = tool_metrics(np.array([0, 0]), probabilities, serviceable, 0.5)
    assert (only_tools["tool_accuracy"], only_tools["gate_refusal_rate"]) == (0.5, 0.5)
    assert not only_tools.keys() & {"no_tool_auroc", "no_tool_recall"}
    only_others = tool_metrics(np.array([NO_TOOL, NO_TOOL]), probabilities, serviceable, 0.5)
    assert only_others == {"no_tool_recall": 0.5}
    both = tool_metrics(np.array([0, NO_TOOL]), probabilities, serviceable, 0.5)
    assert both["no_tool_auroc"] == 1
