"""Worked examples: single cases drawn over their timelines, three that went well and three that did not."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from tomas.domain.catalogue import Catalogue
from tomas.domain.plan import Plan
from tomas.domain.resources import RESOURCE_WORDS, SIZES, Bools, Floats
from tomas.domain.timeline import Timeline
from tomas.evaluation.cases import fits_from
from tomas.evaluation.evaluate import END_TO_END, UNMASKED, Results
from tomas.evaluation.metrics import NO_TOOL, exact, regret
from tomas.evaluation.svg import duration, percent
from tomas.evaluation.timeline_picture import Drawn, timeline_picture

BESIDE = {"snapshot_greedy": "baseline snapshot_greedy", UNMASKED: "choice without the mask"}


class Fact(NamedTuple):
    """One line beneath a picture; css names the box it explains."""

    name: str
    words: str
    css: str = ""


@dataclass(frozen=True)
class Example:
    """One case as the report shows it."""

    title: str
    good: bool
    text: str
    facts: tuple[Fact, ...]
    svg: Markup


def worked_examples(results: Results) -> list[Example]:
    """Give up to three cases that show what planning gains and three that show where it fails.

    Which ones is decided by the results alone: for each kind the first that applies, no case twice.
    """
    examples: list[Example] = []
    used: set[int] = set()
    for good, kinds in ((True, _good_kinds(results)), (False, _failure_kinds(results))):
        shown = 0
        for title, places, other in kinds:
            place = next((place for place in places if place not in used), None)
            if place is None or shown == 3:
                continue
            used.add(place)
            shown += 1
            examples.append(_example(results, place, title, good, other))
    return examples


def _good_kinds(results: Results) -> Iterator[tuple[str, list[int], str | None]]:
    """Walk over the kinds of success: a title, the cases of that kind, and whose choice is drawn beside."""
    running = results.running
    best = exact(results.runs[END_TO_END], results.best)
    blind = (results.runs["snapshot_greedy"].config_id >= 0) & ~results.runs["snapshot_greedy"].fits
    waits = np.array([results.cases[place].status == "wait" for place in running.tolist()], dtype=np.bool_)
    rescued = best & ~results.runs[UNMASKED].fits
    languages = [results.cases[place].groups.get("language", "") for place in running.tolist()]
    rarest = min(set(languages), key=lambda name: (languages.count(name), name), default="")
    foreign = np.array([language == rarest for language in languages], dtype=np.bool_)
    fleeting = "The forecast pays: what is free at T_inf does not last"
    yield fleeting, running[best & blind & ~waits].tolist(), "snapshot_greedy"
    yield "Nothing fits at once, so the plan waits for the right moment", running[best & waits].tolist(), None
    yield f"The best plan for a request in the language {rarest}", running[best & foreign].tolist(), None
    yield "The mask turns a choice that does not fit into the best one", running[rescued].tolist(), UNMASKED
    yield "The oracle's own choice", running[best].tolist(), None


def _failure_kinds(results: Results) -> Iterator[tuple[str, list[int], str | None]]:
    """Walk over the kinds of failure, the gravest cases of each kind first."""
    truth, predicted = results.tool_id, results.predicted
    confidence = results.probabilities.max(axis=1)
    wrong = (truth != NO_TOOL) & (predicted != truth) & ~results.refused
    gate = results.refused == (truth != NO_TOOL)
    sureness = np.abs(results.serviceable - results.gate_threshold)
    whole = results.runs[END_TO_END]
    lost = np.where(whole.right, regret(whole, results.best), 0.0)
    slow = results.running[np.argsort(-lost, kind="stable")][: int((lost > 0.05).sum())]
    misfits = results.running[~results.runs[UNMASKED].fits]
    yield "A wrong tool, and sure of it", _by(wrong, -confidence), None
    yield "The gate is wrong about whether any tool serves this", _by(gate, -sureness), None
    yield "The right tool, but a slow configuration", slow.tolist(), None
    yield "Without the timeline mask this choice would not fit", misfits.tolist(), UNMASKED
    yield "Another wrong tool", _by(wrong, -confidence), None
    yield "Another wrong gate", _by(gate, -sureness), None


def _by(member: Bools, order: Floats) -> list[int]:
    places = np.flatnonzero(member)
    ordered: list[int] = places[np.argsort(order[places], kind="stable")].tolist()
    return ordered


def _example(results: Results, place: int, title: str, good: bool, other: str | None) -> Example:
    """Give one case with the plan, the oracle's choice and, where another one is asked for, that."""
    case, plan = results.cases[place], results.answers.plans[place]
    oracle = beside = ours = None
    if case.decision is not None and case.decision.best is not None:
        oracle = Drawn("oracle", "oracle", case.decision.best, case.decision.start_ms)
    if other is not None:
        run = results.runs[other][results.running == place]
        beside = Drawn(BESIDE[other], "other", int(run.config_id[0]), float(run.start_ms[0]))
    if plan.config_id is not None and plan.start_ms is not None:
        ours = Drawn("plan", "plan", plan.config_id, plan.start_ms)
    boxes = [box for box in (oracle, beside, ours) if box is not None]
    told = boxes
    if oracle is not None and ours == replace(oracle, who="plan", css="plan"):
        told = [replace(ours, who="plan, the same as the oracle's"), *boxes[1:-1]]
    facts = [
        Fact("asked for", case.request.tool or "no tool"),
        Fact("answered", _answer(plan)),
        *(Fact(box.who, _run_words(results.catalogue, case.timeline, box), box.css) for box in told),
        Fact("probability that a tool serves it", percent(float(results.serviceable[place]))),
    ]
    picture = timeline_picture(case.timeline, case.t_inf_ms, boxes, results.catalogue)
    return Example(title, good, case.request.text, tuple(facts), picture)


def _answer(plan: Plan) -> str:
    words = "no tool" if plan.tool_name is None else f"{plan.tool_name}, {plan.input_size}"
    sure = "" if plan.tool_confidence is None else f", confidence {percent(plan.tool_confidence)}"
    return f"{words} ({plan.status}{sure})"


def _run_words(catalogue: Catalogue, timeline: Timeline, drawn: Drawn) -> str:
    amounts = [
        words.format(amount)
        for words, amount in zip(RESOURCE_WORDS, catalogue.requirement[drawn.config_id], strict=True)
    ]
    latency = duration(float(catalogue.latency_ms[drawn.config_id]))
    fits = "" if fits_from(timeline, drawn.config_id, drawn.start_ms, catalogue) else ", does not fit"
    name = f"configuration {drawn.config_id} ({SIZES[int(catalogue.size_id[drawn.config_id])]})"
    return f"{name}: {', '.join(amounts)}; from {duration(drawn.start_ms)} for {latency}{fits}"
