"""What a trained planner's figures are, with the parts that only planning uses."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial, reduce
from operator import getitem
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.common import ratio, take_turns
from benchmarks.kept_runs import EVALUATED, Figures
from tomas import registry
from tomas.config import Params, parse_params
from tomas.domain.latency import LatencyPredictor
from tomas.domain.oracle import feasible_at
from tomas.evaluation.cases import Case, labelled_cases
from tomas.evaluation.evaluate import evaluate
from tomas.paths import Paths
from tomas.planner import Planner
from tomas.planner.artifact import read_artifact
from tomas.planner.learned_latency import LEARNED, Learned, record
from tomas.planner.predictor import Case as PlannedCase

PLANNING: dict[str, dict[str, Any]] = {
    "voter entropy": {"plugins": ["voter"]},
    "retriever tfidf, 4 of 7 tools": {"plugins": ["retriever"], "retriever": {"min_tools": 2, "shortlist": 4}},
}
"""What a planner is asked with, once it is trained."""
EAGER = "attention eager"
JITTER = 0.3
"""Standard deviation of the logarithm of the real thinking time around the predicted one."""
DRAWS = 20
TIMED, ROUNDS = 50, 5
"""How many requests that a tool serves are planned one by one, and how often, for what a part costs in planning."""
COST, FEASIBLE, IN_TIME, USED = "planning time", "feasible_under_jitter", "in_time", "t_inf_used"
COLUMNS = (*EVALUATED, COST, FEASIBLE, IN_TIME, USED)


def planned(paths: Paths, params: Params, folder: Path, name: str) -> dict[str, Figures]:
    """The figures of a planner under its name; of the base planner also those with the parts of planning."""
    planner = Planner.load(folder)
    cases = cases_of(paths, planner, "test")
    found = {name: figures(planner, cases, name == "base")}
    if name == "base":
        planners = {name: planner, EAGER: eager(folder)}
        for part, overlay in PLANNING.items():
            planners[part] = Planner.load(folder, parse_params(params.model_dump(mode="json") | overlay))
        for part in (EAGER, *PLANNING):
            found[part] = figures(planners[part], cases, part.startswith("voter"))
        for part, cost in planning_times(planners, [case for case in cases if case.runs][:TIMED]).items():
            found[part][COST] = cost
        found |= thinking_times(planner, cases_of(paths, planner, "val"), cases)
    return found


def eager(folder: Path) -> Planner:
    """The same planner, its backbone's attention computed as plain matrix products."""
    artifact = read_artifact(folder)
    backbone = artifact.spec.backbone.model_copy(update={"attention": "eager"})
    return Planner(replace(artifact, spec=artifact.spec.model_copy(update={"backbone": backbone})))


def cases_of(paths: Paths, planner: Planner, split: str) -> list[Case]:
    """The labelled cases of a split."""
    return labelled_cases(paths.labelled / f"{split}.parquet", paths.validated, planner.catalogue, planner.capacity)


def figures(planner: Planner, cases: Sequence[Case], jitter: bool) -> Figures:
    """The planner's metrics on these cases."""
    _, metrics = evaluate(planner, cases)
    found = {name: float(reduce(getitem, where, metrics)) for name, where in EVALUATED.items()}
    return found | ({FEASIBLE: under_jitter(planner, cases)} if jitter else {})


def under_jitter(planner: Planner, cases: Sequence[Case]) -> float:
    """Share of plans that still fit when planning takes another time than was predicted."""
    rng = np.random.default_rng(0)
    fits: list[bool] = []
    for case, plan in zip(cases, planner.plan_batch([case.request for case in cases]), strict=True):
        if plan.config_id is None or plan.start_ms is None:
            continue
        row = slice(plan.config_id, plan.config_id + 1)
        for t_inf_ms in case.t_inf_ms * np.exp(JITTER * rng.standard_normal(DRAWS)):
            start_ms = max(float(t_inf_ms), plan.start_ms if plan.status == "wait" else 0.0)
            fit = feasible_at(
                case.timeline, planner.catalogue.requirement[row], planner.catalogue.latency_ms[row], start_ms
            )
            fits.append(bool(fit[0]))
    return float(np.mean(fits))


def planning_times(planners: Mapping[str, Planner], cases: Sequence[Case]) -> Figures:
    """How long each takes for these cases one by one, as a multiple of the base planner's time, in turns."""

    def plan(planner: Planner) -> None:
        for case in cases:
            planner.plan_batch([case.request])

    seconds = take_turns({name: partial(plan, planner) for name, planner in planners.items()}, ROUNDS)
    return {name: ratio(seconds, name, "base") for name in planners if name != "base"}


def thinking_times(planner: Planner, before: Sequence[Case], cases: Sequence[Case]) -> dict[str, Figures]:
    """How the predictors of T_inf do on the same planning times, `learned` after those of the cases before."""
    recorded, measured = (
        record(planner.predictor, [PlannedCase(case.request, case.timeline, case.t_inf_ms) for case in some])
        for some in (before, cases)
    )
    predictors: dict[str, LatencyPredictor] = {
        f"latency {part.name}": registry.load(part.kind, part.name)()
        for part in registry.default_registry.parts("latency")
    }
    learned = predictors[f"latency {LEARNED}"]
    assert isinstance(learned, Learned)
    learned.fit(recorded)
    shares: dict[str, list[float]] = {name: [] for name in predictors}
    for asked, elapsed_ms in measured:
        for name, predictor in predictors.items():
            shares[name].append(elapsed_ms / predictor.predict(asked))
            predictor.observe(asked, elapsed_ms)
    return {name: {IN_TIME: float(np.mean(np.array(own) <= 1)), USED: median(own)} for name, own in shares.items()}
