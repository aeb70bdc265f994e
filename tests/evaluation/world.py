"""A small world to evaluate in: two tools, machines that change, requests, and answers of any quality."""

from collections.abc import Sequence

import numpy as np

from tests.domain.cases import STEP, registry
from tomas.domain.catalogue import ROW_COLUMNS, Catalogue
from tomas.domain.oracle import decide
from tomas.domain.plan import Plan, infeasible_plan, run_plan
from tomas.domain.request import Request
from tomas.domain.resources import SIZES
from tomas.domain.timeline import Timeline
from tomas.evaluation.answers import Answers
from tomas.evaluation.cases import Case, make_case
from tomas.evaluation.evaluate import Results, judge_answers
from tomas.planner.predictor import Prediction

TOOLS = ("alpha", "beta")
CAPACITY = np.array([8.0, 16.0, 100.0, 8.0])
GATE = 0.5
ROWS = [
    (tool, size, cores, 2.0, 20.0, memory, round(400 * (place + 1) * factor / cores**0.7 / memory**0.2) * STEP)
    for tool, factor in zip(TOOLS, (1.0, 3.0), strict=True)
    for place, size in enumerate(SIZES)
    for cores in (1.0, 2.0, 4.0, 8.0)
    for memory in (1.0, 4.0)
]
CATALOGUE = Catalogue.from_rows(registry(TOOLS), [dict(zip(ROW_COLUMNS, row, strict=True)) for row in ROWS])


def machine(rng: np.random.Generator) -> Timeline:
    """A machine whose cores and GPU memory come and go."""
    count = int(rng.integers(2, 12))
    times = np.concatenate(([0.0], np.cumsum(rng.integers(20, 200, count - 1))))
    cores, memory = rng.choice([0, 1, 2, 4, 8], count), rng.choice([0, 1, 4, 8], count)
    return Timeline(times, np.column_stack((cores, np.full(count, 16), np.full(count, 100), memory)))


def small_cases(count: int = 120, seed: int = 0) -> list[Case]:
    """Requests for both tools and for none, in two languages, from two sources."""
    rng = np.random.default_rng(seed)
    cases = []
    for number in range(count):
        tool = (*TOOLS, None)[number % 3]
        size = SIZES[int(rng.integers(3))]
        request = Request(
            text=f"please <b>do</b> {tool or 'nothing'} number {number}",
            input_size=size,
            timeline=machine(rng),
            t_inf_ms=float(rng.integers(10, 200)),
            tool=tool,
        )
        groups = {"source": ("own", "other")[number % 2], "language": ("en", "zh")[number % 5 == 0]}
        cases.append(make_case(request, CATALOGUE, CAPACITY, groups))
    return cases


def answers(cases: Sequence[Case], *, skill: float = 1.0, seed: int = 1) -> Answers:
    """Answers that are the oracle's with this skill: 1 is always right, 0 knows nothing."""
    rng = np.random.default_rng(seed)
    predictions = [_prediction(case, skill, rng, None) for case in cases]
    served = [(case, said) for case, said in zip(cases, predictions, strict=True) if case.ids.size]
    given = [
        said if said.tool_id == case.tool_id else _prediction(case, skill, rng, case.tool_id) for case, said in served
    ]
    plans = [_plan(case, said, GATE) for case, said in zip(cases, predictions, strict=True)]
    given_plans = [_plan(case, said, 0.0) for (case, _), said in zip(served, given, strict=True)]
    return Answers(predictions, plans, given, given_plans, np.array([1.0, 2.0, 3.0]))


def judged(skill: float, count: int = 120) -> Results:
    """The small world with answers of this skill, judged."""
    cases = small_cases(count)
    return judge_answers(cases, answers(cases, skill=skill), CATALOGUE, CAPACITY, GATE)


def _prediction(case: Case, skill: float, rng: np.random.Generator, tool_id: int | None) -> Prediction:
    noise = 1.0 - skill
    truth = np.eye(len(TOOLS))[case.tool_id] if case.tool_id >= 0 else np.full(len(TOOLS), 0.5)
    weights = 0.01 + truth * skill + noise * rng.random(len(TOOLS))
    chosen = int(weights.argmax()) if tool_id is None else tool_id
    ids = CATALOGUE.ids(chosen, case.request.input_size)
    best = decide(case.timeline, case.t_inf_ms, CATALOGUE, ids, CAPACITY).best
    logits = 5.0 * skill * (ids == best) + 5.0 * noise * rng.random(len(ids))
    serviceable = float(np.clip(skill * (case.tool_id >= 0) + noise * rng.random(), 0, 1))
    size = case.request.input_size or "medium"
    unused = {"evidence": np.zeros(3), "opinions": np.zeros((2, len(TOOLS)))}
    said = weights / weights.sum(), chosen, serviceable, size, "stated", None, ids, logits, case.t_inf_ms
    return Prediction(*said, **unused)


def _plan(case: Case, said: Prediction, gate: float) -> Plan:
    confidence = float(said.tool_probabilities[said.tool_id])
    if said.serviceable < gate:
        return Plan(status="no_tool", text="That is not for me.")
    decision = decide(case.timeline, case.t_inf_ms, CATALOGUE, said.ids, CAPACITY)
    if decision.status == "infeasible":
        return infeasible_plan(
            CATALOGUE, said.tool_id, said.size, reason=str(decision.reason), tool_confidence=confidence
        )
    config = int(said.ids[np.where(decision.feasible, said.config_logits, -np.inf).argmax()])
    return run_plan(
        CATALOGUE, config, status=decision.status, start_ms=decision.start_ms, feasible=True, tool_confidence=confidence
    )
