"""The evaluation: from cases and answers to runs, and from runs to the metrics of the planner and its baselines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tomas.domain.catalogue import Catalogue
from tomas.domain.resources import Bools, Floats, Ints
from tomas.evaluation.answers import Answers, ask, plan_parse_rate
from tomas.evaluation.baselines import BASELINES
from tomas.evaluation.cases import Case, fits_from, judge, oracle_runs
from tomas.evaluation.metrics import NO_TOOL, Metrics, Runs, exact, near_optimal, regret, run_metrics, tool_metrics
from tomas.evaluation.tool_baseline import TfidfLogreg

if TYPE_CHECKING:
    from tomas.planner.planner import Planner

UNMASKED, MASKED, END_TO_END, ORACLE = "unmasked", "masked", "end_to_end", "oracle"
GROUPS = ("source", "label", "language", "machine", "tool", "status")
BASELINE_GATE = 0.5


@dataclass(frozen=True, eq=False)
class Results:
    """Everything the metrics, the plots and the report are made of.

    runs holds one run for each running case (those for which the oracle finds a configuration), by who chose it:
    the planner given the true tool without (unmasked) and with the timeline mask (masked), the planner end to end,
    each baseline, and the oracle.
    """

    cases: Sequence[Case]
    answers: Answers
    catalogue: Catalogue
    gate_threshold: float
    running: Ints
    """Places of the running cases among all."""
    runs: Mapping[str, Runs]
    tool_id: Ints
    probabilities: Floats
    serviceable: Floats

    @property
    def best(self) -> Runs:
        """The oracle's runs."""
        return self.runs[ORACLE]

    @property
    def predicted(self) -> Ints:
        """The Tool ID the planner takes for each case, before the gate."""
        chosen: Ints = self.probabilities.argmax(axis=1)
        return chosen

    @property
    def refused(self) -> Bools:
        """Which cases the gate says no tool serves."""
        below: Bools = self.serviceable < self.gate_threshold
        return below

    @property
    def answered(self) -> Ints:
        """The Tool ID the planner answers with, -1 where the gate refuses."""
        return np.where(self.refused, NO_TOOL, self.predicted)


def evaluate(
    planner: "Planner", cases: Sequence[Case], tool_baseline: TfidfLogreg | None = None
) -> tuple[Results, dict[str, Any]]:
    """Let the planner and the baselines answer all cases; give what they did and the metrics of it."""
    answers = ask(planner, cases)
    results = judge_answers(cases, answers, planner.catalogue, planner.capacity, planner.gate_threshold)
    return results, measure(results, tool_baseline)


def judge_answers(
    cases: Sequence[Case], answers: Answers, catalogue: Catalogue, capacity: Floats, gate_threshold: float
) -> Results:
    """Turn answers into runs, and let the baselines choose theirs."""
    running = np.array([place for place, case in enumerate(cases) if case.runs], dtype=np.int64)
    served = [place for place, case in enumerate(cases) if case.ids.size]
    given_place = {place: order for order, place in enumerate(served)}
    chosen = [cases[place] for place in running]
    given = [answers.given[given_place[place]] for place in running.tolist()]
    given_plans = [answers.given_plans[given_place[place]] for place in running.tolist()]
    decisions = [case.decision for case in chosen if case.decision is not None]
    runs = {
        UNMASKED: judge(
            chosen,
            [int(said.ids[np.argmax(said.config_logits)]) for said in given],
            [decision.start_ms for decision in decisions],
            catalogue,
        ),
        MASKED: _plan_runs(chosen, given_plans, catalogue),
        END_TO_END: _plan_runs(chosen, [answers.plans[place] for place in running], catalogue),
    }
    for name, baseline in BASELINES.items():
        picks = [baseline(case.timeline, case.t_inf_ms, catalogue, case.ids, capacity) for case in chosen]
        config_ids = [-1 if pick.config_id is None else pick.config_id for pick in picks]
        runs[name] = judge(chosen, config_ids, [pick.start_ms for pick in picks], catalogue)
    runs[ORACLE] = oracle_runs(chosen, catalogue)
    return Results(
        cases,
        answers,
        catalogue,
        gate_threshold,
        running,
        runs,
        np.array([case.tool_id for case in cases], dtype=np.int64),
        np.array([said.tool_probabilities for said in answers.predictions]),
        np.array([said.serviceable for said in answers.predictions]),
    )


def measure(results: Results, tool_baseline: TfidfLogreg | None = None) -> dict[str, Any]:
    """Give the metrics of ARCHITECTURE section 7.

    On top stand the headline ones: of the choice of tool; given the true tool, config_accuracy, near_optimal,
    feasibility_rate and the resource errors without the timeline mask, feasibility_rate_masked and latency_regret
    with it. given_tool and end_to_end hold all of both.
    """
    given = {mask: run_metrics(results.runs[mask], results.best) for mask in (UNMASKED, MASKED)}
    tools = tool_metrics(results.tool_id, results.probabilities, results.serviceable, results.gate_threshold)
    top = {key: value for key, value in given[UNMASKED].items() if not key.startswith("latency_regret")}
    top |= {key: value for key, value in given[MASKED].items() if key.startswith("latency_regret")}
    if "feasibility_rate" in given[MASKED]:
        top["feasibility_rate_masked"] = given[MASKED]["feasibility_rate"]
    return {
        "cases": len(results.cases),
        "running_cases": len(results.running),
        **tools,
        **top,
        "plan_parse_rate": plan_parse_rate([*results.answers.plans, *results.answers.given_plans]),
        **_planning_time(results.answers.planning_ms),
        "given_tool": given,
        "end_to_end": _end_to_end(results),
        "baselines": _baselines(results, tool_baseline),
        **{f"per_{name}": groups for name in GROUPS if (groups := _per_group(results, name))},
    }


def group_of(results: Results, name: str) -> list[str | None]:
    """Give the group each case is counted under: a tool's name or no_tool, its right status, or what it was told."""
    if name == "tool":
        return [case.request.tool or "no_tool" for case in results.cases]
    if name == "status":
        return [case.status for case in results.cases]
    return [case.groups.get(name) for case in results.cases]


def _plan_runs(cases: Sequence[Case], plans: Sequence[Any], catalogue: Catalogue) -> Runs:
    config_ids = [-1 if plan.config_id is None else plan.config_id for plan in plans]
    return judge(cases, config_ids, [plan.start_ms or 0.0 for plan in plans], catalogue)


def _planning_time(planning_ms: Floats) -> dict[str, float]:
    if not len(planning_ms):
        return {}
    return {f"latency_ms_p{part}": float(np.percentile(planning_ms, part)) for part in (50, 95)}


def _end_to_end(results: Results) -> dict[str, Any]:
    """Measure the plans as asked for: a wrong tool or a refusal counts as regret 1."""
    pairs = list(zip(results.cases, results.answers.plans, strict=True))
    metrics: dict[str, Any] = dict(run_metrics(results.runs[END_TO_END], results.best))
    metrics.pop("feasibility_rate", None)  # instead that of every plan handed out, also where none was to be
    made = [
        fits_from(case.timeline, plan.config_id, plan.start_ms, results.catalogue)
        for case, plan in pairs
        if plan.config_id is not None and plan.start_ms is not None
    ]
    if made:
        metrics["feasibility_rate_masked"] = float(np.mean(made))
    metrics["status_accuracy"] = float(np.mean([case.status == plan.status for case, plan in pairs]))
    return metrics


def _baselines(results: Results, tool_baseline: TfidfLogreg | None) -> dict[str, Metrics]:
    table = {name: run_metrics(results.runs[name], results.best) for name in (*BASELINES, ORACLE)}
    if tool_baseline is not None:
        said = tool_baseline.predict([case.request.text for case in results.cases])
        table["tfidf_logreg"] = tool_metrics(results.tool_id, *said, BASELINE_GATE)
    return table


def _per_group(results: Results, name: str) -> dict[str, dict[str, Any]]:
    labels = np.array(group_of(results, name), dtype=object)
    return {
        str(label): _group_metrics(results, labels == label)
        for label in sorted({label for label in labels if label is not None})
    }


def _group_metrics(results: Results, member: Bools) -> dict[str, Any]:
    """Measure some of the cases; the names are those of the whole, with the mask or end_to_end in front."""
    metrics: dict[str, Any] = {"cases": int(member.sum())}
    said = (results.tool_id[member], results.probabilities[member], results.serviceable[member])
    metrics |= tool_metrics(*said, results.gate_threshold)
    inside = member[results.running]
    best = results.best[inside]
    if len(best):
        unmasked, masked, whole = (results.runs[key][inside] for key in (UNMASKED, MASKED, END_TO_END))
        metrics["config_accuracy"] = float(exact(unmasked, best).mean())
        metrics["near_optimal_5"] = float(near_optimal(unmasked, best, 5).mean())
        metrics["feasibility_rate"] = float(unmasked.fits.mean())
        metrics["masked_near_optimal_5"] = float(near_optimal(masked, best, 5).mean())
        metrics["masked_latency_regret_mean"] = float(regret(masked, best).mean())
        metrics["end_to_end_near_optimal_5"] = float(near_optimal(whole, best, 5).mean())
    return metrics
