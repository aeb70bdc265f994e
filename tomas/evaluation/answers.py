"""What the planner answers to each case: as asked, and given the true tool."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
from jsonschema import Draft202012Validator

from tomas.domain.plan import Plan
from tomas.domain.resources import Floats
from tomas.evaluation.cases import Case

if TYPE_CHECKING:
    from tomas.planner.planner import Planner
    from tomas.planner.predictor import Prediction

TIMED_CASES = 64


@dataclass(frozen=True, eq=False)
class Answers:
    """Predictions and plans for all cases, and given the true tool for those that have one (in the same order)."""

    predictions: Sequence["Prediction"]
    plans: Sequence[Plan]
    given: Sequence["Prediction"]
    given_plans: Sequence[Plan]
    planning_ms: Floats
    """How long planning took, one request at a time, for some of the cases that a tool serves."""


def ask(planner: "Planner", cases: Sequence[Case]) -> Answers:
    """Let the planner answer every case."""
    predictions = planner.predict([case.request for case in cases])
    plans = [planner.complete(case.request, said) for case, said in zip(cases, predictions, strict=True)]
    served = [(case, said) for case, said in zip(cases, predictions, strict=True) if case.ids.size]
    # given the tool it took by itself, the planner says the same again: only the others are asked a second time
    missed = [case for case, said in served if said.tool_id != case.tool_id]
    again = planner.predict([case.request for case in missed], [case.tool_id for case in missed]) if missed else []
    corrected = iter(again)
    given = [
        replace(said if said.tool_id == case.tool_id else next(corrected), serviceable=1.0) for case, said in served
    ]
    given_plans = [planner.complete(case.request, said) for (case, _), said in zip(served, given, strict=True)]
    return Answers(predictions, plans, given, given_plans, _planning_ms(planner, cases))


def plan_parse_rate(plans: Sequence[Plan]) -> float:
    """Give the share of plans whose JSON passes the shipped schema."""
    schema = json.loads(files("tomas.domain").joinpath("plan.schema.json").read_text(encoding="utf-8"))
    validator = Draft202012Validator(schema)

    def parses(plan: Plan) -> bool:
        try:
            value: Any = json.loads(plan.to_json())
        except ValueError:
            return False
        return bool(validator.is_valid(value))

    return float(np.mean([parses(plan) for plan in plans]))


def _planning_ms(planner: "Planner", cases: Sequence[Case]) -> Floats:
    """Time single plans for cases spread over all that a tool serves; an answer in words is no planning."""
    served = [case for case in cases if case.ids.size]
    elapsed = []
    for case in served[:1] + served[:: max(1, len(served) // TIMED_CASES)][:TIMED_CASES]:
        began = time.perf_counter()
        planner.plan(case.request)
        elapsed.append((time.perf_counter() - began) * 1000)
    return np.array(elapsed[1:])  # the first one only warms up
