"""What a simulation replays: requests that arrive at random moments, and a machine that others use too."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tomas.domain.catalogue import Catalogue
from tomas.domain.oracle import best_of
from tomas.domain.request import Request
from tomas.domain.resources import Floats
from tomas.domain.timeline import Timeline
from tomas.errors import UserError
from tomas.simulation.policies import Task, task_of

ARRIVAL = "arrival_ms"


def read_requests(path: Path, catalogue: Catalogue) -> tuple[list[Request], list[float] | None]:
    """The requests of a JSON Lines file that a tool serves, and their arrival times where the lines have `arrival_ms`.

    Of a file with a column `split` only the test lines are taken, which no planner was trained on.
    """
    requests, arrivals = [], []
    for number, line in enumerate(_lines(path), start=1):
        if line.get("split", "test") != "test" or line.get("tool") is None:
            continue
        try:
            requests.append(Request.read(line, path.parent))
            catalogue.tools.index(str(line["tool"]))
            arrivals += [float(line[ARRIVAL])] if ARRIVAL in line else []
        except (UserError, ValueError, TypeError) as error:
            raise UserError(f"{path}, line {number}: {error}") from error
    if not requests:
        raise UserError(f"{path}: no line names the tool that serves it, and a simulation needs the tool")
    if arrivals and len(arrivals) != len(requests):
        raise UserError(
            f"{path}: {len(arrivals)} of {len(requests)} lines have {ARRIVAL}; all of them need it, or none"
        )
    return requests, arrivals or None


def draw_tasks(
    requests: Sequence[Request], catalogue: Catalogue, capacity: Floats, count: int, load: float, seed: int
) -> list[Task]:
    """Tasks that arrive independently of one another, so often that they ask for `load` of the machine.

    The load is the share of the machine's scarcest resource that is in use on average if every task had its fastest
    configuration and all the rest were free.
    """
    rng = np.random.default_rng(seed)
    drawn = [requests[place] for place in rng.permutation(np.resize(np.arange(len(requests)), count))]
    tasks = [task_of(request, catalogue, 0.0) for request in drawn]
    shares = np.array([_work(task, catalogue, capacity) for task in tasks])
    gap_ms = float(shares.mean(axis=0).max()) / load
    arrivals = np.cumsum(rng.exponential(gap_ms, count))
    return [Task(task.request, task.tool_id, task.ids, float(at)) for task, at in zip(tasks, arrivals, strict=True)]


def stitched(timelines: Sequence[Timeline], until_ms: float, capacity: Floats, seed: int) -> Timeline:
    """One machine for a long time: shipped timelines in random order, and at the end everything free.

    Each lasts until its own last row, so what it shows keeps its time scale.
    """
    rng = np.random.default_rng(seed)
    times, free, begin = [], [], 0.0
    while begin < until_ms:
        piece = timelines[int(rng.integers(len(timelines)))]
        if piece.time_ms[-1] <= 0:
            continue
        shown = piece.time_ms >= 0
        times.append(piece.time_ms[shown][:-1] + begin)
        free.append(piece.free[shown][:-1])
        begin += float(piece.time_ms[-1])
    times.append(np.array([begin]))
    free.append(np.asarray(capacity, dtype=np.float64).reshape(1, -1))
    return Timeline(np.concatenate(times), np.concatenate(free))


def _work(task: Task, catalogue: Catalogue, capacity: Floats) -> Floats:
    """Time in ms for which the task's fastest configuration takes all of each resource."""
    fits = task.ids[(catalogue.requirement[task.ids] <= capacity).all(axis=1)]
    if not len(fits):
        name = catalogue.tools[task.tool_id].name
        raise UserError(
            f"no configuration of {name} fits the machine in params.yaml; give it more or profile smaller ones"
        )
    best = best_of(catalogue, fits, capacity)
    share = np.divide(catalogue.requirement[best], capacity, out=np.zeros(4), where=np.asarray(capacity) > 0)
    work: Floats = share * catalogue.latency_ms[best]
    return work


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        texts = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from error
    lines = []
    for number, text in enumerate(texts, start=1):
        if not text.strip():
            continue
        try:
            line = json.loads(text)
        except json.JSONDecodeError as error:
            raise UserError(f"{path}, line {number}: not JSON: {error.msg}") from error
        if not isinstance(line, dict):
            raise UserError(f"{path}, line {number}: a request is a JSON object")
        lines.append(line)
    return lines
