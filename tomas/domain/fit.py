"""What fits when: exact on the timeline's events, vectorised over configurations.

A configuration fits at s when the free resources cover it at every moment of [s, s + latency], both ends included. Free
resources only change at the timeline's rows, so what decides is the window at s: the time from s to the first row that
does not cover the requirement. Every function compares `latency < window` on the same floats, so they never disagree.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tomas.domain.resources import Bools, Floats, Ints
from tomas.domain.timeline import Timeline

CHUNK_CELLS = 1_000_000  # of (configurations x timeline rows) looked at in one go, one byte each


def feasible_at(timeline: Timeline, requirement: Floats, latency_ms: Floats, start_ms: float) -> Bools:
    """Say for each of the N requirements [N, 4] whether it fits from start_ms for its whole latency."""
    return latency_ms < windows(timeline, requirement, start_ms)


def windows(timeline: Timeline, requirement: Floats, start_ms: float) -> Floats:
    """Give for how long from start_ms each requirement is covered, in ms: 0 where it is not, inf where for ever."""
    shortest: Floats = timeline.after(start_ms).lasting(requirement).min(axis=1)
    return shortest


def earliest_start(timeline: Timeline, requirement: Floats, latency_ms: Floats, from_ms: float) -> Floats:
    """Give the earliest moment not before from_ms at which each requirement fits for its whole latency; inf = never."""
    starts = np.full(len(requirement), np.inf)
    for part, runs in _runs(timeline, requirement, from_ms):
        starts[part] = runs.first_longer_than(latency_ms[part])
    return starts


def longest_windows(timeline: Timeline, requirement: Floats, from_ms: float) -> Floats:
    """Give for how long at a stretch each requirement is covered at most from from_ms on, in ms."""
    longest = np.zeros(len(requirement))
    for part, runs in _runs(timeline, requirement, from_ms):
        np.maximum.at(longest[part], runs.owner, runs.end - runs.start)
    return longest


def quickest_of_equal(requirement: Floats, latency_ms: Floats) -> Ints:
    """Give, for each distinct requirement, the place of its lowest latency: if that never fits, none does."""
    order = np.lexsort((latency_ms, *requirement.T))
    ordered = requirement[order]
    is_new = np.append(True, (ordered[1:] != ordered[:-1]).any(axis=1))
    quickest: Ints = order[is_new[: len(order)]]
    return quickest


def _ranked(free: Floats, requirement: Floats) -> tuple[Ints, Ints]:
    """Give amounts as ranks, [4, L] and [4, N]: a row covers a requirement where its four ranks are all higher."""
    covered, needed = [], []
    for have, need in zip(free.T, requirement.T, strict=True):
        levels, level = np.unique(need, return_inverse=True)
        small = np.min_scalar_type(len(levels))  # profiles have few levels: bytes are compared many at a time
        needed.append(level.astype(small))
        covered.append(np.searchsorted(levels, have, side="right").astype(small))
    return np.stack(covered), np.stack(needed)


def _runs(timeline: Timeline, requirement: Floats, from_ms: float) -> Iterator[tuple[slice, "_Runs"]]:
    """Walk over the requirements in parts that fit in memory, with the stretches of time that cover each."""
    first = int(timeline.rows_at(np.array([from_ms]))[0])
    covered, needed = _ranked(timeline.free[first:], requirement)
    # rows that cover the same requirements as the row before change nothing
    news = np.flatnonzero(np.append(True, (covered[:, 1:] != covered[:, :-1]).any(axis=0)))
    covered = covered[:, news]
    # moments at which a row comes into force, seen from from_ms on; the last row never ends
    times = np.append(timeline.time_ms[first + news], np.inf)
    times[0] = from_ms
    step = max(1, CHUNK_CELLS // len(news))
    for begin in range(0, len(requirement), step):
        part = slice(begin, begin + step)
        # every requirement's stretch begins and ends uncovered, so edges alternate between run starts and run ends
        fits = np.zeros((needed[:, part].shape[1], len(news) + 2), dtype=np.bool_)
        fits[:, 1:-1] = True
        for have, need in zip(covered, needed[:, part], strict=True):
            fits[:, 1:-1] &= have > need[:, None]
        yield part, _Runs.of(fits, times)


@dataclass(frozen=True, eq=False)
class _Runs:
    """Stretches of time [R] that cover a requirement, sorted by owner (the requirement's place) and time."""

    counts: Ints
    start: Floats
    end: Floats

    @classmethod
    def of(cls, fits: Bools, times: Floats) -> "_Runs":
        count, length = fits.shape
        flat = fits.ravel()
        edges = np.flatnonzero(flat[1:] != flat[:-1])
        origins = np.arange(count + 1) * length
        counts = np.diff(np.searchsorted(edges[0::2], origins))
        origin = np.repeat(origins[:-1], counts)
        return cls(counts, times[edges[0::2] - origin], times[edges[1::2] - origin])

    @property
    def owner(self) -> Ints:
        return np.repeat(np.arange(len(self.counts)), self.counts)

    def first_longer_than(self, latency_ms: Floats) -> Floats:
        """Give the start of each owner's first run that outlasts its latency; inf where none does."""
        long_enough = np.flatnonzero(self.end - self.start > np.repeat(latency_ms, self.counts))[::-1]
        starts = np.full(len(self.counts), np.inf)
        # written backwards, so that the first run of each owner is the one that stays
        starts[np.searchsorted(np.cumsum(self.counts), long_enough, side="right")] = self.start[long_enough]
        return starts
