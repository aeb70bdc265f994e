"""What the planner sees of a timeline: free resources from one moment on, at log-spaced offsets."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tomas.config import Temporal
from tomas.domain.resources import RESOURCES, Floats
from tomas.domain.timeline import Method, Timeline

FIRST_MS, LAST_MS = 50.0, 200_000.0
CHANNELS = 2 * len(RESOURCES)
"""Free now, and the least that was free since the window began: what a run until then may use."""
FURTHEST = 1e4
"""Scaled amounts beyond are cut off: a timeline may say 1e308, and float32 has no such number."""


@dataclass(frozen=True)
class WindowReader:
    """Reads windows as [CHANNELS, P], scaled."""

    offsets_ms: Floats
    shift: Floats
    scale: Floats
    method: Method

    @classmethod
    def make(
        cls, params: Temporal, capacity: Floats, method: Method, sample: list[tuple[Timeline, float]]
    ) -> "WindowReader":
        """A reader for a machine; `standard` takes its statistics from a sample of windows."""
        offsets = np.geomspace(FIRST_MS, LAST_MS, params.points)
        plain = cls(offsets, np.zeros(CHANNELS), np.ones(CHANNELS), method)
        if params.normalise == "none":
            return plain
        if params.normalise == "minmax":
            return cls(offsets, plain.shift, _scale(np.tile(capacity, 2)), method)
        values = np.stack([plain.read(timeline, start_ms) for timeline, start_ms in sample])
        return cls(offsets, values.mean(axis=(0, 2)), _scale(values.std(axis=(0, 2))), method)

    def read(self, timeline: Timeline, start_ms: float) -> Any:
        """The window from start_ms on, as float32 [CHANNELS, P]."""
        view = timeline if start_ms == 0 else timeline.after(start_ms)
        both = np.concatenate([view.resample(self.offsets_ms, self.method), view.running_min(self.offsets_ms)], axis=1)
        with np.errstate(over="ignore"):
            scaled = (both - self.shift) * self.scale
        return np.clip(scaled, -FURTHEST, FURTHEST).T.astype(np.float32)

    def to_json(self) -> dict[str, Any]:
        """The numbers that make this reader."""
        return {
            "points": len(self.offsets_ms),
            "shift": self.shift.tolist(),
            "scale": self.scale.tolist(),
            "method": self.method,
        }

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> "WindowReader":
        """Read what `to_json` gave."""
        offsets = np.geomspace(FIRST_MS, LAST_MS, saved["points"])
        return cls(offsets, np.array(saved["shift"]), np.array(saved["scale"]), saved["method"])


def _scale(spread: Floats) -> Floats:
    """One over each spread; an amount without one, say of a GPU that the machine lacks, is read as it is."""
    known = spread > 1e-6
    return np.where(known, 1 / np.where(known, spread, 1.0), 1.0)
