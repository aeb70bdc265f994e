"""Perfect answers measure as perfect, poor ones as poor, and every number says what its name says."""

import dataclasses
import json

import numpy as np
import pytest

from tests.evaluation.world import CAPACITY, CATALOGUE, GATE, TOOLS, answers, judged, small_cases
from tomas.domain.plan import run_plan
from tomas.evaluation.answers import plan_parse_rate
from tomas.evaluation.errors import confusions, error_causes
from tomas.evaluation.evaluate import END_TO_END, MASKED, UNMASKED, judge_answers, measure
from tomas.evaluation.metrics import NO_TOOL, exact, near_optimal
from tomas.evaluation.tool_baseline import TfidfLogreg

PERFECT, FAIR = judged(1.0), judged(0.3)
HEADLINE = (
    "tool_accuracy", "tool_macro_recall", "no_tool_auroc", "config_accuracy", "near_optimal_5", "near_optimal_10",
    "feasibility_rate", "feasibility_rate_masked", "plan_parse_rate",
)  # fmt: skip


def test_perfect_answers_measure_as_perfect():
    metrics = measure(PERFECT)
    assert {name: metrics[name] for name in HEADLINE} == dict.fromkeys(HEADLINE, 1.0)
    assert metrics["latency_regret_mean"] == metrics["latency_regret_p95"] == metrics["gate_refusal_rate"] == 0
    assert metrics["end_to_end"]["near_optimal_5"] == metrics["end_to_end"]["status_accuracy"] == 1
    assert set(metrics["resource_mae"].values()) == set(metrics["resource_mape"].values()) == {0.0}
    assert metrics["latency_ms_p50"] == 2
    assert [cause.name for cause in error_causes(PERFECT)] == ["right"]
    assert confusions(PERFECT) == []


def test_the_metrics_are_json_and_the_oracle_bounds_every_planner():
    metrics = measure(FAIR)
    json.dumps(metrics, allow_nan=False)
    oracle = metrics["baselines"]["oracle"]
    assert (oracle["near_optimal_5"], oracle["latency_regret_mean"]) == (1, 0)
    planners = [*metrics["given_tool"].values(), metrics["end_to_end"], *metrics["baselines"].values()]
    assert all(row["near_optimal_5"] <= row["near_optimal_10"] <= 1 for row in planners)
    assert 0 < metrics["tool_accuracy"] < 1


def test_the_headline_is_without_the_mask_but_for_regret_and_what_says_masked():
    metrics = measure(FAIR)
    given = metrics["given_tool"]
    for name in ("config_accuracy", "near_optimal_5", "feasibility_rate", "resource_mae"):
        assert metrics[name] == given[UNMASKED][name]
    assert metrics["feasibility_rate_masked"] == given[MASKED]["feasibility_rate"] == 1
    assert metrics["latency_regret_mean"] == given[MASKED]["latency_regret_mean"]
    assert given[MASKED]["near_optimal_5"] > given[UNMASKED]["near_optimal_5"]


def test_end_to_end_a_refusal_and_a_wrong_tool_are_no_runs():
    whole, masked = FAIR.runs[END_TO_END], FAIR.runs[MASKED]
    truth, answered = FAIR.tool_id[FAIR.running], FAIR.answered[FAIR.running]
    missed = answered != truth
    assert 0 < missed.sum() < len(missed)
    assert not whole.right[missed].any()
    same = whole.config_id[~missed] == masked.config_id[~missed]
    assert same.all()  # given the tool it took anyway, it says the same


def test_a_configuration_of_a_smaller_input_is_quicker_and_still_no_answer():
    cases = [case for case in small_cases() if case.runs and case.size == "large"][:3]
    said = answers(cases)
    small = [int(CATALOGUE.ids(case.tool_id, "small")[-1]) for case in cases]
    plans = [
        run_plan(CATALOGUE, config, status="ready", start_ms=case.decision.start_ms, feasible=True, tool_confidence=1.0)
        for case, config in zip(cases, small, strict=True)
        if case.decision
    ]
    results = judge_answers(cases, dataclasses.replace(said, plans=plans), CATALOGUE, CAPACITY, GATE)
    assert (results.runs[END_TO_END].latency_ms < results.best.latency_ms).any()
    assert not near_optimal(results.runs[END_TO_END], results.best, 10).any()
    assert error_causes(results)[0].name == "wrong input size"


def test_groups_hold_every_case_once_and_agree_with_the_whole():
    metrics = measure(FAIR)
    for name in ("source", "language", "tool", "status"):
        groups = metrics[f"per_{name}"]
        assert sum(row["cases"] for row in groups.values()) == metrics["cases"]
    assert set(metrics["per_tool"]) == {*TOOLS, "no_tool"}
    recalls = [metrics["per_tool"][tool]["tool_accuracy"] for tool in TOOLS]
    assert np.mean(recalls) == pytest.approx(metrics["tool_macro_recall"])
    assert "per_label" not in metrics


def test_causes_count_every_case_and_right_ones_are_near_refused_or_truly_infeasible():
    causes = {cause.name: cause.cases for cause in error_causes(FAIR)}
    assert sum(causes.values()) == len(FAIR.cases)
    near = int(near_optimal(FAIR.runs[END_TO_END], FAIR.best, 5).sum())
    plans = zip(FAIR.cases, FAIR.answers.plans, strict=True)
    other = sum(
        case.status == plan.status and (case.tool_id == NO_TOOL or plan.tool_id == case.tool_id)
        for case, plan in plans
        if case.status in ("no_tool", "infeasible")
    )
    assert causes["right"] == near + other
    assert set(causes) > {"wrong tool", "refused although a tool serves it", "served although no tool does"}


def test_confusions_are_the_off_diagonal_of_the_answers():
    found = {(pair.truth, pair.taken_for): pair.cases for pair in confusions(FAIR)}
    names = [*TOOLS, "no tool"]
    for (truth, taken_for), count in found.items():
        asked, said = names.index(truth), names.index(taken_for)
        pairs = [(tool % 3, answer % 3) for tool, answer in zip(FAIR.tool_id, FAIR.answered, strict=True)]
        assert pairs.count((asked, said)) == count
    assert sum(found.values()) == int((FAIR.tool_id != FAIR.answered).sum())


def test_exact_runs_are_the_oracles_configuration():
    masked = FAIR.runs[MASKED]
    assert (exact(masked, FAIR.best) == (masked.config_id == FAIR.best.config_id)).all()


def test_a_plan_that_breaks_the_schema_is_counted():
    plan = PERFECT.answers.plans[0]
    broken = plan.model_copy(update={"tool_confidence": 3.0})
    assert plan_parse_rate([plan, plan, plan, broken]) == 0.75


def test_the_tool_baseline_learns_words_and_what_no_tool_serves():
    texts = ["translate this letter", "sharpen the photo", "what time is it", "把照片变清晰", "翻译这封信"] * 6
    truth = np.array([0, 1, NO_TOOL, 1, 0] * 6)
    model = TfidfLogreg.fit(texts, truth, 2)
    probabilities, serviceable = model.predict(["translate the letter", "sharpen my photo", "what time", "照片变清晰"])
    assert probabilities.argmax(axis=1).tolist() == [0, 1, *probabilities.argmax(axis=1)[2:3].tolist(), 1]
    assert probabilities.sum(axis=1) == pytest.approx(1)
    assert serviceable.argmin() == 2
