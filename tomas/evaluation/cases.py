"""Cases: labelled requests, each with its timeline, its T_inf, and what the oracle answers."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tomas.data.problems import Problem, raise_if_any
from tomas.data.table import read_text
from tomas.data.validated import load_timelines
from tomas.domain.catalogue import Catalogue
from tomas.domain.oracle import Decision, decide, feasible_at
from tomas.domain.request import Request
from tomas.domain.resources import Floats, Ints, Size
from tomas.domain.size import resolve_size
from tomas.domain.timeline import Timeline
from tomas.errors import UserError
from tomas.evaluation.metrics import NO_TOOL, Runs


@dataclass(frozen=True, eq=False)
class Case:
    """One request whose right answer is known; without a tool there is neither size nor decision."""

    request: Request
    timeline: Timeline
    t_inf_ms: float
    tool_id: int
    size: Size | None
    ids: Ints
    decision: Decision | None
    groups: Mapping[str, str]
    """Where it belongs: source, language, and where they are known machine, label and frame."""

    @property
    def runs(self) -> bool:
        """Whether the oracle finds a configuration that fits, so that the choice of one can be judged."""
        return self.decision is not None and self.decision.best is not None

    @property
    def status(self) -> str:
        """The status a perfect plan has."""
        return self.decision.status if self.decision else "no_tool"


def make_case(
    request: Request, catalogue: Catalogue, capacity: Floats, groups: Mapping[str, str], size: Size | None = None
) -> Case:
    """Give the case of a request that has a timeline and T_inf; without a size, what the request says of it is true."""
    timeline, t_inf_ms = request.timeline, request.t_inf_ms
    assert timeline is not None
    assert t_inf_ms is not None
    if request.tool is None:
        nothing = np.empty(0, dtype=np.int64)
        return Case(request, timeline, t_inf_ms, NO_TOOL, None, nothing, None, groups)
    tool_id = catalogue.tools.index(request.tool)
    read = resolve_size(catalogue.tools[tool_id], request.text, request.input, request.input_size)
    ids = catalogue.ids(tool_id, size or read.size)
    decision = decide(timeline, t_inf_ms, catalogue, ids, capacity)
    return Case(request, timeline, t_inf_ms, tool_id, size or read.size, ids, decision, groups)


def labelled_cases(labelled: Path, validated: Path, catalogue: Catalogue, capacity: Floats) -> list[Case]:
    """Read one split of the labelled examples; their timelines lie in the folder of validated data."""
    timelines = load_timelines(validated)
    kinds = dict(zip(timelines.names, timelines.kinds, strict=True))
    examples = pd.read_parquet(labelled).astype(object)
    cases = []
    for row in examples.where(examples.notna(), None).to_dict("records"):
        request = Request(
            text=row["text"],
            input=json.loads(row["input"]) if row["input"] else None,
            timeline=timelines[row["timeline"]],
            t_inf_ms=row["t_inf_ms"],
            id=row["request_id"],
            tool=row["tool"],
            source=row["source"],
            lang=row["lang"],
        )
        groups = {
            "source": row["source"],
            "language": row["lang"],
            "machine": kinds[row["timeline"]],
            "frame": row["frame"],
        }
        # the size is a label too: the planner has to read it from the words or the input
        cases.append(make_case(request, catalogue, capacity, groups, row["input_size"]))
    return cases


Complete = Callable[[Request, int], Request]
"""Fills in what a line leaves out: gets the request and its place among all requests."""


def read_cases(files: Sequence[Path], catalogue: Catalogue, capacity: Floats, complete: Complete) -> list[Case]:
    """Read files of labelled requests; all that is wrong is reported together, each mistake once with its lines."""
    cases: list[Case] = []
    problems: list[Problem] = []
    for file in files:
        wrong: dict[str, list[int]] = {}
        text = read_text(file, problems) or ""
        for number, words in enumerate(text.split("\n"), 1):  # only a line feed ends a line: texts may hold others
            if not words.strip():
                continue
            try:
                line = _object(words)
                request = complete(Request.read(line, file.parent), len(cases))
                if not request.is_labelled:
                    raise UserError("no `tool`: name the right tool, or null where none serves the request")
                cases.append(make_case(request, catalogue, capacity, _groups(request, line)))
            except UserError as error:
                wrong.setdefault(str(error), []).append(number)
        for reason, lines in wrong.items():
            more = f" (and so on {len(lines) - 1} more lines)" if len(lines) > 1 else ""
            problems.append(Problem(str(file), lines[0], None, reason + more))
    raise_if_any(problems)
    return cases


def judge(cases: Sequence[Case], config_id: Iterable[int], start_ms: Iterable[float], catalogue: Catalogue) -> Runs:
    """Give these choices as runs (-1 is none): whether each serves and fits is worked out here, whoever chose it."""
    chosen = np.fromiter(config_id, dtype=np.int64, count=len(cases))
    starts = np.fromiter(start_ms, dtype=np.float64, count=len(cases))
    triples = list(zip(cases, chosen.tolist(), starts.tolist(), strict=True))
    serves = [bool((case.ids == config).any()) for case, config, _ in triples]
    fits = [config >= 0 and fits_from(case.timeline, config, start, catalogue) for case, config, start in triples]
    latency_ms, requirement = catalogue.latency_ms[chosen], catalogue.requirement[chosen]
    return Runs(chosen, starts, latency_ms, requirement, np.array(serves, dtype=bool), np.array(fits, dtype=bool))


def fits_from(timeline: Timeline, config_id: int, start_ms: float, catalogue: Catalogue) -> bool:
    """Say whether the timeline covers this configuration from start_ms to its end."""
    one = slice(config_id, config_id + 1)
    return bool(feasible_at(timeline, catalogue.requirement[one], catalogue.latency_ms[one], start_ms)[0])


def oracle_runs(cases: Sequence[Case], catalogue: Catalogue) -> Runs:
    """Give the oracle's runs of cases that have one."""
    decisions = [case.decision for case in cases if case.decision is not None and case.decision.best is not None]
    best = [decision.best for decision in decisions if decision.best is not None]
    return judge(cases, best, [decision.start_ms for decision in decisions], catalogue)


def _groups(request: Request, line: Mapping[str, Any]) -> dict[str, str]:
    named = {"source": request.source, "language": request.lang, "label": line.get("label")}
    return {name: str(value) for name, value in named.items() if value is not None}


def _object(text: str) -> dict[str, Any]:
    try:
        line = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"not JSON: {error.msg} (column {error.colno})") from error
    if not isinstance(line, dict):
        raise UserError("a JSON object is needed")
    return line
