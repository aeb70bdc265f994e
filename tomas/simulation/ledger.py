"""What a machine has free once the runs that were promised resources have taken them.

All times are multiples of a tick of 2**-10 ms, which floats add and subtract exactly: a run that begins at the very
moment another one ends never overlaps with it by a rounding error.
"""

import math

import numpy as np

from tomas.domain.resources import Floats
from tomas.domain.timeline import Timeline

TICKS_PER_MS = 1024
NOTHING = 1e-9  # amounts that differ by less are equal: subtracting floats leaves such


def on_tick(moment_ms: float) -> float:
    """The first tick that is not before a moment."""
    return math.ceil(moment_ms * TICKS_PER_MS) / TICKS_PER_MS


class Ledger:
    """Free resources over time, less what was taken; times [L] and free [L, 4]."""

    def __init__(self, machine: Timeline) -> None:
        ticks = np.ceil(machine.time_ms * TICKS_PER_MS) / TICKS_PER_MS
        last = np.append(np.diff(ticks) > 0, True)  # of rows on one tick the last one counts
        self._times: Floats = ticks[last]
        self._free: Floats = machine.free[last].copy()

    def seen_from(self, moment: float) -> Timeline:
        """What is free from a moment on, with that moment as time 0."""
        first = self._row(moment)
        times = self._times[first:] - moment
        times[0] = 0.0
        return Timeline(times, self._free[first:])

    def take(self, requirement: Floats, start: float, end: float) -> None:
        """Take resources from start until end."""
        first, last = self._edge(start), self._edge(end)
        left = self._free[first:last] - requirement
        self._free[first:last] = np.where(np.abs(left) < NOTHING, 0.0, left)

    def first_conflict(self, requirement: Floats, start: float, end: float) -> float | None:
        """The first moment from start until end at which not all of it is free."""
        first, last = self._row(start), int(np.searchsorted(self._times, end, side="left"))
        lacking = np.flatnonzero((self._free[first:last] < requirement - NOTHING).any(axis=1))
        return max(start, float(self._times[first + lacking[0]])) if len(lacking) else None

    def next_change(self, moment: float) -> float | None:
        """The next moment at which something else is free; None where nothing changes any more."""
        later = int(np.searchsorted(self._times, moment, side="right"))
        return float(self._times[later]) if later < len(self._times) else None

    def forget(self, before: float) -> None:
        """Drop what was free before a moment that nobody will ask for again."""
        first = self._row(before)
        self._times, self._free = self._times[first:], self._free[first:]

    def _row(self, moment: float) -> int:
        return max(int(np.searchsorted(self._times, moment, side="right")) - 1, 0)

    def _edge(self, moment: float) -> int:
        """The row that begins at a moment, made where there is none."""
        place = int(np.searchsorted(self._times, moment, side="left"))
        if place == len(self._times) or self._times[place] != moment:
            self._times = np.insert(self._times, place, moment)
            self._free = np.insert(self._free, place, self._free[max(place - 1, 0)], axis=0)
        return place
