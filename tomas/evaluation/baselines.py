"""Planners without a model, to measure the trained one against: each looks at free resources and takes one rule."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tomas.domain.catalogue import Catalogue
from tomas.domain.oracle import Decision, best_of, decide, footprint
from tomas.domain.resources import Floats, Ints
from tomas.domain.timeline import Timeline


class Choice(NamedTuple):
    """A baseline's plan: a configuration and when it starts; no configuration where the rule found none."""

    config_id: int | None
    start_ms: float


Baseline = Callable[[Timeline, float, Catalogue, Ints, Floats], Choice]


def largest_feasible(timeline: Timeline, t_inf_ms: float, catalogue: Catalogue, ids: Ints, capacity: Floats) -> Choice:
    """Take the most resources that fit at the oracle's start."""
    return _of_feasible(
        decide(timeline, t_inf_ms, catalogue, ids, capacity),
        ids,
        lambda fits: int(fits[np.argmax(footprint(catalogue.requirement[fits], capacity))]),
    )


def cheapest_feasible(timeline: Timeline, t_inf_ms: float, catalogue: Catalogue, ids: Ints, capacity: Floats) -> Choice:
    """Take the fewest resources that fit at the oracle's start."""
    return _of_feasible(
        decide(timeline, t_inf_ms, catalogue, ids, capacity),
        ids,
        lambda fits: int(fits[np.argmin(footprint(catalogue.requirement[fits], capacity))]),
    )


def random_feasible(timeline: Timeline, t_inf_ms: float, catalogue: Catalogue, ids: Ints, capacity: Floats) -> Choice:
    """Take any configuration that fits at the oracle's start; the same case always gives the same one."""
    rng = np.random.default_rng(int(timeline.time_ms.sum() + t_inf_ms))
    return _of_feasible(decide(timeline, t_inf_ms, catalogue, ids, capacity), ids, lambda fits: int(rng.choice(fits)))


def snapshot_greedy(timeline: Timeline, t_inf_ms: float, catalogue: Catalogue, ids: Ints, capacity: Floats) -> Choice:
    """Take the fastest of what fits at the moment T_inf, blind to what is free later."""
    now = ids[(catalogue.requirement[ids] <= timeline.at(t_inf_ms)).all(axis=1)]
    return Choice(best_of(catalogue, now, capacity) if len(now) else None, t_inf_ms)


BASELINES: dict[str, Baseline] = {
    "largest_feasible": largest_feasible,
    "cheapest_feasible": cheapest_feasible,
    "random_feasible": random_feasible,
    "snapshot_greedy": snapshot_greedy,
}


def _of_feasible(decision: Decision, ids: Ints, pick: Callable[[Ints], int]) -> Choice:
    fits = ids[decision.feasible]
    return Choice(pick(fits) if len(fits) else None, decision.start_ms)
