"""Opinions weigh what is likeliest, the gate keeps its promise, and both have an answer where there is no data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tomas.planner.calibration import (
    fit_gate,
    fit_gate_threshold,
    fit_opinions,
    normalised_entropy,
    serviceable,
    softmax,
    weigh,
)

scores = st.lists(st.tuples(st.integers(0, 100).map(lambda n: n / 100), st.booleans()), min_size=1, max_size=300)


def opinions(seed: int, count: int, tools: int = 4) -> np.ndarray:
    return np.log(softmax(np.random.default_rng(seed).normal(0, 2, (count, 2, tools))))


@pytest.mark.parametrize("weights", [(0.4, 0.0), (1.0, 0.5), (0.7, 2.0)])
def test_the_weights_that_labels_were_drawn_with_are_found(weights: tuple[float, float]) -> None:
    said = opinions(0, 20_000)
    drawn = (softmax(weigh(said, weights)).cumsum(axis=1) > np.random.default_rng(1).random((20_000, 1))).argmax(axis=1)
    assert fit_opinions(said, drawn) == pytest.approx(weights, abs=0.05)


@settings(deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 10), st.floats(0, 10))
def test_no_other_weights_are_likelier(seed: int, first: float, second: float) -> None:
    said, truth = opinions(seed, 50), np.random.default_rng(seed).integers(0, 4, 50)

    def likelihood(weights: tuple[float, ...]) -> float:
        return float(np.log(softmax(weigh(said, weights))[np.arange(50), truth] + 1e-300).mean())

    assert likelihood(fit_opinions(said, truth)) >= likelihood((first, second)) - 1e-5


def test_an_opinion_that_is_always_wrong_is_not_turned_round_and_the_first_keeps_its_order() -> None:
    said = opinions(2, 200)
    found = fit_opinions(said, said.sum(axis=1).argmin(axis=1))
    assert found == pytest.approx((0.05, 0.0))


def test_where_every_tool_is_right_the_weights_end_somewhere() -> None:
    said = opinions(3, 50)
    assert max(fit_opinions(said, said.sum(axis=1).argmax(axis=1))) <= 20


def test_without_examples_the_first_opinion_stands_as_it_is() -> None:
    assert fit_opinions(np.empty((0, 2, 3)), np.empty(0, dtype=np.int64)) == (1.0, 0.0)


def test_softmax_takes_masked_entries_and_large_logits():
    assert softmax(np.array([[1e4, -np.inf, 1e4]])).tolist() == [[0.5, 0, 0.5]]


@settings(deadline=None)
@given(scores, st.sampled_from([0.01, 0.1]))
def test_the_gate_refuses_less_than_it_may(cases, most):
    score, served = np.array([s for s, _ in cases]), np.array([flag for _, flag in cases])
    threshold = fit_gate_threshold(score, served, most)
    assert 0 <= threshold <= 1
    if served.any():
        assert (score[served] < threshold).mean() < most


def test_the_gate_stands_in_the_middle_of_a_gap_and_not_at_its_edge():
    score = np.array([0.9, 0.95, 0.99, 0.1, 0.3])
    assert fit_gate_threshold(score, np.array([True, True, True, False, False])) == pytest.approx(0.6)


def test_the_gate_gives_up_a_few_requests_to_refuse_many():
    served = np.concatenate((np.full(995, 0.9), np.full(5, 0.2)))
    others = np.full(500, 0.5)
    threshold = fit_gate_threshold(np.concatenate((served, others)), np.arange(1500) < 1000)
    assert threshold == pytest.approx(0.7)


def test_without_requests_that_no_tool_serves_nothing_is_refused():
    assert fit_gate_threshold(np.array([0.2, 0.4]), np.array([True, True])) == 0


@settings(deadline=None)
@given(st.lists(st.floats(0.001, 1), min_size=2, max_size=9))
def test_entropy_lies_between_sure_and_clueless(weights: list[float]) -> None:
    share = np.array(weights) / sum(weights)
    assert -1e-9 <= normalised_entropy(share) <= 1 + 1e-9
    assert normalised_entropy(np.full(len(weights), 1 / len(weights))) == pytest.approx(1.0)
    assert normalised_entropy(np.eye(len(weights))[0]) == 0.0


def test_the_gate_weighs_evidence_by_what_it_is_worth() -> None:
    generator = np.random.default_rng(0)
    evidence = generator.normal(size=(20_000, 2)) * [3.0, 1.0] + [2.0, 5.0]
    logits = 0.8 * evidence[:, 0] + 0.4 * evidence[:, 1] - 3.0
    served = generator.random(20_000) < 1 / (1 + np.exp(-logits))
    weights = fit_gate(evidence, served)
    assert weights == pytest.approx((0.8, 0.4, -3.0), abs=0.3)
    bins = np.digitize(serviceable(evidence, weights), [0.25, 0.5, 0.75])
    for place in range(4):
        assert served[bins == place].mean() == pytest.approx(
            serviceable(evidence, weights)[bins == place].mean(), abs=0.03
        )


def test_the_gate_stays_finite_where_nothing_is_in_doubt() -> None:
    evidence = np.array([[-9.0, 1.0], [-8.0, 2.0], [7.0, 6.0], [9.0, 9.0]])
    weights = fit_gate(evidence, np.array([False, False, True, True]))
    assert np.isfinite(weights).all()
    assert (serviceable(evidence, weights) > 0.5).tolist() == [False, False, True, True]


def test_the_gate_is_taken_at_its_word_where_there_is_only_one_kind() -> None:
    evidence = np.array([[1.0, 4.0], [-2.0, 3.0]])
    assert fit_gate(evidence, np.array([True, True])) == (1.0, 0.0, 0.0)
    assert serviceable(evidence, (1.0, 0.0, 0.0)) == pytest.approx(1 / (1 + np.exp([-1.0, 2.0])))
