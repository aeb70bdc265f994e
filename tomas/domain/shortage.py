"""Why nothing fits: which resource is short, and by how much, in words."""

import numpy as np

from tomas.domain.fit import earliest_start, longest_windows, quickest_of_equal
from tomas.domain.resources import RESOURCE_WORDS, RESOURCES, Floats
from tomas.domain.timeline import Timeline

Shortage = tuple[tuple[str, ...], str]


def find_shortage(timeline: Timeline, requirement: Floats, latency_ms: Floats, from_ms: float) -> Shortage:
    """Give the names of the resources that keep each of these requirements from ever fitting, and the reason in words.

    The first of three that applies: there is never enough of a resource; never for long enough; never of all at once.
    """
    if not len(requirement):
        return (), "no configuration of this tool was profiled for this input size"
    return (
        _never_enough(timeline, requirement, from_ms)
        or _never_long_enough(timeline, requirement, latency_ms, from_ms)
        or _never_together(timeline, requirement, latency_ms, from_ms)
    )


def _never_enough(timeline: Timeline, requirement: Floats, from_ms: float) -> Shortage | None:
    """Blame the resources of which even the least demanding configuration needs more than is ever free."""
    first = int(timeline.rows_at(np.array([from_ms]))[0])
    most, least = timeline.free[first:].max(axis=0), requirement.min(axis=0)
    short = np.flatnonzero(least > most).tolist()
    words = [f"at least {_amount(p, least)} are needed and at most {most[p]:g} are ever free" for p in short]
    return (tuple(RESOURCES[place] for place in short), "; ".join(words)) if short else None


def _never_long_enough(timeline: Timeline, requirement: Floats, latency_ms: Floats, from_ms: float) -> Shortage | None:
    """Blame the resources that alone would keep every configuration from running through."""
    short, words = [], []
    for place, name in enumerate(RESOURCES):
        alone = np.zeros_like(requirement)
        alone[:, place] = requirement[:, place]
        if _ever_fits(timeline, alone, latency_ms, from_ms):
            continue
        modest = alone[:, place] == alone[:, place].min()
        run_ms = float(latency_ms[modest].min())
        free_ms = float(longest_windows(timeline, alone[modest][:1], from_ms)[0])
        short.append(name)
        words.append(
            f"at least {_amount(place, alone.min(axis=0))} are needed, for {run_ms:.0f} ms, "
            f"and are free for at most {free_ms:.0f} ms at a stretch"
        )
    return (tuple(short), "; ".join(words)) if short else None


def _never_together(timeline: Timeline, requirement: Floats, latency_ms: Floats, from_ms: float) -> Shortage:
    """Blame the resources of which more would help; where more of any single one does not, all that are asked for."""
    helpful = []
    for place, name in enumerate(RESOURCES):
        relaxed = requirement.copy()
        relaxed[:, place] = 0.0
        if _ever_fits(timeline, relaxed, latency_ms, from_ms):
            helpful.append(name)
    asked = [name for name, need in zip(RESOURCES, requirement.T, strict=True) if need.any()]
    advice = f"more {' or '.join(helpful)} would do" if helpful else "more of a single one would not do"
    words = f"{', '.join(asked)} are never free together for as long as a configuration runs; {advice}"
    return tuple(helpful or asked), words


def _ever_fits(timeline: Timeline, requirement: Floats, latency_ms: Floats, from_ms: float) -> bool:
    few = quickest_of_equal(requirement, latency_ms)
    return bool(np.isfinite(earliest_start(timeline, requirement[few], latency_ms[few], from_ms)).any())


def _amount(place: int, amounts: Floats) -> str:
    return RESOURCE_WORDS[place].format(amounts[place])
