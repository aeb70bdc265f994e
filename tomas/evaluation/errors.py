"""Where the errors are: what keeps plans from being right, and which requests mislead the planner."""

from collections import Counter
from typing import NamedTuple

import numpy as np

from tomas.domain.plan import Plan
from tomas.evaluation.cases import Case
from tomas.evaluation.evaluate import END_TO_END, Results
from tomas.evaluation.metrics import NO_TOOL, near_optimal

SHOWN_CONFUSIONS = 8
SHOWN_TEXTS = 2


class Cause(NamedTuple):
    """One reason why plans are not right, and how many cases it concerns."""

    name: str
    cases: int
    share: float


class Confusion(NamedTuple):
    """Requests of one tool that were taken for another's, with the ones the planner was surest of."""

    truth: str
    taken_for: str
    cases: int
    texts: tuple[str, ...]


def error_causes(results: Results) -> list[Cause]:
    """Give what became of all cases, asked end to end: right (within 5 % of the oracle), or the first thing wrong."""
    near = np.zeros(len(results.cases), dtype=np.bool_)
    near[results.running] = near_optimal(results.runs[END_TO_END], results.best, 5)
    pairs = zip(results.cases, results.answers.plans, near.tolist(), strict=True)
    counts = Counter(_cause(case, plan, is_near) for case, plan, is_near in pairs)
    return [Cause(name, count, count / len(results.cases)) for name, count in counts.most_common()]


def _cause(case: Case, plan: Plan, is_near: bool) -> str:
    if case.tool_id == NO_TOOL:
        return "right" if plan.status == "no_tool" else "served although no tool does"
    if plan.status == "no_tool":
        return "refused although a tool serves it"
    if plan.tool_id != case.tool_id:
        return "wrong tool"
    if plan.input_size != case.size:
        return "wrong input size"
    if not case.runs or plan.config_id is None:
        return "right" if plan.status == case.status else "wrong about whether it ever fits"
    return "right" if is_near else "configuration more than 5 % slower than the best"


def confusions(results: Results) -> list[Confusion]:
    """Give the pairs of tools that are confused most; a refusal counts as taken for no tool."""
    names = [*results.catalogue.tools.names, "no tool"]
    predicted = results.answered
    confidence = np.where(predicted == NO_TOOL, 1 - results.serviceable, results.probabilities.max(axis=1))
    wrong = np.flatnonzero(predicted != results.tool_id)
    found: dict[tuple[int, int], list[int]] = {}
    for place in wrong[np.argsort(-confidence[wrong], kind="stable")].tolist():
        found.setdefault((int(results.tool_id[place]), int(predicted[place])), []).append(place)
    common = sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))[:SHOWN_CONFUSIONS]
    return [
        Confusion(names[truth], names[taken_for], len(places), _texts(results, places))
        for (truth, taken_for), places in common
    ]


def _texts(results: Results, places: list[int]) -> tuple[str, ...]:
    """Give the first few texts, of different wordings where that is known."""
    texts: dict[str, str] = {}
    for case in (results.cases[place] for place in places):
        texts.setdefault(case.groups.get("frame", case.request.text), case.request.text)
    return tuple(texts.values())[:SHOWN_TEXTS]
