"""T_inf predictors: how long planning itself will take, which is when the chosen tool can start at the earliest.

All are asked with what is known before planning; only `measured`, and `learned` in tomas/planner, learn from how long
planning did take.
"""

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from tomas.domain.resources import Size
from tomas.errors import UserError

FIXED_MS = 500.0
SIZE_FACTORS: Mapping[Size, float] = {"small": 0.5, "medium": 1.0, "large": 2.0}
GPU_FACTOR = 0.7


@dataclass(frozen=True)
class PlanningCase:
    """What is known of a request before it is planned; tool and size only where the caller states them."""

    text_chars: int
    tool: str | None = None
    size: Size | None = None
    has_gpu: bool = False


class LatencyPredictor(Protocol):
    """Predicts T_inf in ms."""

    def predict(self, case: PlanningCase) -> float:
        """Give the time from submission until the chosen tool can start, in ms."""
        ...

    def observe(self, case: PlanningCase, elapsed_ms: float) -> None:
        """Take note of how long planning this case took, in ms."""
        ...


class Fixed:
    """Always the same time."""

    def __init__(self, fixed_ms: float = FIXED_MS) -> None:
        self.fixed_ms = checked(fixed_ms)

    def predict(self, case: PlanningCase) -> float:  # noqa: ARG002
        """Give the fixed time in ms."""
        return self.fixed_ms

    def observe(self, case: PlanningCase, elapsed_ms: float) -> None:
        """A fixed time learns nothing."""


class RuleBased:
    """A table of times by tool, times a factor for the input's size, times a factor for a GPU."""

    def __init__(self, base_ms: float = FIXED_MS, table_ms: Mapping[str, float] | None = None) -> None:
        self.base_ms = checked(base_ms)
        self.table_ms = {tool: checked(time_ms) for tool, time_ms in (table_ms or {}).items()}

    def predict(self, case: PlanningCase) -> float:
        """Give the table's time for the tool, or the base where it is unknown, times the factors, in ms."""
        time_ms = self.table_ms.get(case.tool or "", self.base_ms)
        factor = SIZE_FACTORS[case.size or "medium"] * (GPU_FACTOR if case.has_gpu else 1.0)
        return time_ms * factor

    def observe(self, case: PlanningCase, elapsed_ms: float) -> None:
        """A table learns nothing."""


class Measured:
    """A running estimate of this machine's own planning time, on the safe side of its spread.

    Mean and mean deviation are averaged exponentially, and two deviations are added to the mean, as TCP does for its
    timeout: a plan that is ready a little early costs less than one whose start has passed before it is written.
    """

    MEAN_GAIN = 1 / 8
    DEVIATION_GAIN = 1 / 4
    DEVIATIONS = 2.0

    def __init__(self, start_ms: float = FIXED_MS) -> None:
        self._start_ms = checked(start_ms)
        self._mean_ms: float | None = None
        self._deviation_ms = 0.0
        self._lock = threading.Lock()

    def predict(self, case: PlanningCase) -> float:  # noqa: ARG002
        """Give the running estimate in ms; before anything was measured, the start value."""
        with self._lock:
            return self._start_ms if self._mean_ms is None else self._mean_ms + self.DEVIATIONS * self._deviation_ms

    def observe(self, case: PlanningCase, elapsed_ms: float) -> None:  # noqa: ARG002
        """Move the estimate towards this measurement; one that is no time is left out."""
        if not math.isfinite(elapsed_ms) or elapsed_ms <= 0:
            return
        with self._lock:
            if self._mean_ms is None:
                self._mean_ms, self._deviation_ms = elapsed_ms, elapsed_ms / 2
                return
            error = elapsed_ms - self._mean_ms
            self._mean_ms += self.MEAN_GAIN * error
            self._deviation_ms += self.DEVIATION_GAIN * (abs(error) - self._deviation_ms)

    def state(self) -> dict[str, float | None]:
        """Give what has been learnt, as JSON can hold it."""
        with self._lock:
            return {"mean_ms": self._mean_ms, "deviation_ms": self._deviation_ms}

    def restore(self, state: Mapping[str, float | None]) -> None:
        """Go on from what state() gave, for example in another process."""
        mean_ms, deviation_ms = state.get("mean_ms"), state.get("deviation_ms") or 0.0
        with self._lock:
            self._mean_ms = None if mean_ms is None else checked(mean_ms)
            self._deviation_ms = checked(deviation_ms) if deviation_ms else 0.0


def checked(time_ms: float) -> float:
    """Give the time back, and refuse what cannot be one."""
    if not math.isfinite(time_ms) or time_ms <= 0:
        raise UserError(f"a planning time must be a finite number of ms above 0, found {time_ms}")
    return float(time_ms)
