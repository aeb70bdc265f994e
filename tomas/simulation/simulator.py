"""Replays tasks on a machine: every plan takes its resources away from what the next decisions see.

A run whose resources are not free to its end is a violation: it is ended at that moment, what it took is lost, and its
request is decided on anew. A rule that finds nothing to start now asks again when something else is free.
"""

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tomas.domain.catalogue import Catalogue
from tomas.domain.timeline import Timeline
from tomas.simulation.ledger import Ledger, on_tick
from tomas.simulation.policies import Policy, Task


@dataclass(frozen=True)
class Run:
    """One start of one task."""

    task: int
    """Its place in the list of tasks."""
    config_id: int
    start_ms: float
    end_ms: float
    """When it gave its resources back: at its end, or when it was ended."""
    finished: bool


@dataclass
class Replay:
    """What became of the tasks under one policy."""

    tasks: Sequence[Task]
    runs: list[Run] = field(default_factory=list)
    """In the order they were decided on."""
    refused: list[int] = field(default_factory=list)
    """Tasks for which the policy found no moment at all."""

    @property
    def violations(self) -> int:
        """Runs that were ended because their resources were not free to the end."""
        return sum(not run.finished for run in self.runs)


def replay(
    tasks: Sequence[Task],
    machine: Timeline,
    policy: Policy,
    catalogue: Catalogue,
    t_inf_ms: float,
    progress: Callable[[], object] = lambda: None,
) -> Replay:
    """Decide on every task when it arrives, in order of arrival; `progress` is called once for each task settled."""
    ledger = Ledger(machine)
    result = Replay(tasks)
    thinking = on_tick(t_inf_ms)
    due = [(on_tick(task.arrival_ms), place) for place, task in enumerate(tasks)]
    heapq.heapify(due)
    while due:
        now, place = heapq.heappop(due)
        ledger.forget(before=now)
        task = tasks[place]
        choice = policy(task, ledger.seen_from(now), thinking)
        if choice.config_id is None:
            again = ledger.next_change(now) if math.isfinite(choice.start_ms) else None
            if again is None:
                result.refused.append(place)
                progress()
            else:
                heapq.heappush(due, (again, place))
            continue
        run = _start(ledger, catalogue, place, choice.config_id, now + choice.start_ms)
        result.runs.append(run)
        if run.finished:
            progress()
        else:
            heapq.heappush(due, (run.end_ms, place))
    return result


def _start(ledger: Ledger, catalogue: Catalogue, place: int, config_id: int, start: float) -> Run:
    requirement = catalogue.requirement[config_id]
    start = on_tick(start)
    end = on_tick(start + float(catalogue.latency_ms[config_id]))
    conflict = ledger.first_conflict(requirement, start, end)
    stop = end if conflict is None else conflict
    if stop > start:
        ledger.take(requirement, start, stop)
    return Run(place, config_id, start, stop, conflict is None)
