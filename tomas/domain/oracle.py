"""The oracle: what a perfect planner answers, given what is free from the moment it can start."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Literal

import numpy as np

from tomas.domain.catalogue import Catalogue
from tomas.domain.fit import earliest_start, feasible_at, quickest_of_equal
from tomas.domain.resources import Bools, Floats, Ints
from tomas.domain.shortage import Shortage, find_shortage
from tomas.domain.timeline import Timeline

__all__ = ["Decision", "best_of", "decide", "earliest_start", "feasible_at", "footprint"]

NEAR_BEST = 1.02


@dataclass(frozen=True, eq=False)
class Decision:
    """What the oracle says of one request.

    feasible[i] says whether ids[i] fits from start_ms on. Where nothing ever fits, start_ms is inf, best and
    best_latency are None, and short and reason tell why; they are worked out when they are asked for.
    """

    status: Literal["ready", "wait", "infeasible"]
    start_ms: float
    feasible: Bools
    best: int | None
    best_latency: float | None
    find_shortage: Callable[[], Shortage] | None = None

    @cached_property
    def short(self) -> tuple[str, ...]:
        """The resources that keep every configuration from ever fitting; empty where one fits."""
        return self._shortage[0]

    @cached_property
    def reason(self) -> str | None:
        """What is short in words, with what is needed and what is free at most; None where something fits."""
        return self._shortage[1] if self.find_shortage else None

    @cached_property
    def _shortage(self) -> Shortage:
        return self.find_shortage() if self.find_shortage else ((), "")


def decide(timeline: Timeline, t_inf_ms: float, catalogue: Catalogue, ids: Ints, capacity: Floats) -> Decision:
    """Give the oracle's answer for these Config IDs when nothing can start before t_inf_ms."""
    requirement, latency_ms = catalogue.requirement[ids], catalogue.latency_ms[ids]
    status: Literal["ready", "wait"] = "ready"
    start_ms = float(t_inf_ms)
    feasible = feasible_at(timeline, requirement, latency_ms, start_ms)
    if not feasible.any():
        few = quickest_of_equal(requirement, latency_ms)
        earliest = earliest_start(timeline, requirement[few], latency_ms[few], start_ms).min(initial=np.inf)
        if earliest == np.inf:
            why = partial(find_shortage, timeline, requirement, latency_ms, start_ms)
            return Decision("infeasible", np.inf, feasible, None, None, why)
        status, start_ms = "wait", float(earliest)
        feasible = feasible_at(timeline, requirement, latency_ms, start_ms)
    best = best_of(catalogue, ids[feasible], capacity)
    return Decision(status, start_ms, feasible, best, float(catalogue.latency_ms[best]))


def best_of(catalogue: Catalogue, ids: Ints, capacity: Floats) -> int:
    """Give the Config ID of lowest latency; within 2 % of it, of the smallest footprint; then the lowest ID."""
    latency_ms = catalogue.latency_ms[ids]
    near = ids[latency_ms <= NEAR_BEST * latency_ms.min()]
    size = footprint(catalogue.requirement[near], capacity)
    # equal footprints may differ in the last bit, by the order in which the four shares were added
    return int(near[size <= size.min() * (1 + 1e-9)].min())


def footprint(requirement: Floats, capacity: Floats) -> Floats:
    """Give each requirement's sum of shares of the machine; asking for what the machine lacks altogether is inf."""
    lacking = np.where(requirement > 0, np.inf, 0.0)
    shares: Floats = np.divide(requirement, capacity, out=lacking, where=np.asarray(capacity) > 0)
    total: Floats = shares.sum(axis=1)
    return total
