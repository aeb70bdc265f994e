"""What the planner sees of a timeline from one moment on: what is free when, and how long how much stays free."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from tomas.config import Temporal
from tomas.domain.resources import RESOURCES, Floats
from tomas.domain.timeline import Method, Timeline

FIRST_MS, LAST_MS = 50.0, 200_000.0
CHANNELS = 3 * len(RESOURCES)
"""At each of P offsets what is free, and the least that was free since the window began: what a run until then may use.
At each of P shares of the machine for how long it stays free: a configuration fits where that outlasts its latency."""
FURTHEST = 1e4
"""Scaled amounts beyond are cut off: a timeline may say 1e308, and float32 has no such number."""


@dataclass(frozen=True)
class WindowReader:
    """Reads windows as [CHANNELS, P], scaled."""

    offsets_ms: Floats
    capacity: Floats
    shift: Floats
    scale: Floats
    method: Method

    @classmethod
    def make(
        cls, params: Temporal, capacity: Floats, method: Method, sample: list[tuple[Timeline, float]]
    ) -> "WindowReader":
        """A reader for a machine; `standard` takes its statistics from a sample of windows."""
        offsets = np.geomspace(FIRST_MS, LAST_MS, params.points)
        plain = cls(offsets, capacity, np.zeros(CHANNELS), np.ones(CHANNELS), method)
        if params.normalise == "none":
            return plain
        if params.normalise == "minmax":  # how long something lasts is a share already
            spread = np.concatenate([capacity, capacity, np.ones(len(RESOURCES))])
            return replace(plain, scale=_scale(spread))
        values = np.stack([plain.read(timeline, start_ms) for timeline, start_ms in sample])
        return replace(plain, shift=values.mean(axis=(0, 2)), scale=_scale(values.std(axis=(0, 2))))

    def read(self, timeline: Timeline, start_ms: float) -> Any:
        """The window from start_ms on, as float32 [CHANNELS, P]."""
        view = timeline if start_ms == 0 else timeline.after(start_ms)
        seen = (
            view.resample(self.offsets_ms, self.method),
            view.running_min(self.offsets_ms),
            np.log1p(np.minimum(view.lasting(self._amounts), LAST_MS) / FIRST_MS) / np.log1p(LAST_MS / FIRST_MS),
        )
        with np.errstate(over="ignore"):
            scaled = (np.concatenate(seen, axis=1) - self.shift) * self.scale
        return np.clip(scaled, -FURTHEST, FURTHEST).T.astype(np.float32)

    @cached_property
    def _amounts(self) -> Floats:
        """The shares of the machine of which a window says how long they stay free, 1/P to 1, as amounts [P, 4]."""
        return self.capacity * (np.arange(1, len(self.offsets_ms) + 1) / len(self.offsets_ms))[:, None]

    def to_json(self) -> dict[str, Any]:
        """The numbers that make this reader."""
        return {
            "points": len(self.offsets_ms),
            "capacity": self.capacity.tolist(),
            "shift": self.shift.tolist(),
            "scale": self.scale.tolist(),
            "method": self.method,
        }

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> "WindowReader":
        """Read what `to_json` gave."""
        offsets = np.geomspace(FIRST_MS, LAST_MS, saved["points"])
        capacity, shift, scale = (np.array(saved[name]) for name in ("capacity", "shift", "scale"))
        return cls(offsets, capacity, shift, scale, saved["method"])


def _scale(spread: Floats) -> Floats:
    """One over each spread; an amount without one, say of a GPU that the machine lacks, is read as it is."""
    known = spread > 1e-6
    return np.where(known, 1 / np.where(known, spread, 1.0), 1.0)
