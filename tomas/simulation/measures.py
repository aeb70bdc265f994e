"""What a replay is worth: completion, waiting, makespan, utilisation, violations."""

from typing import Any

import numpy as np

from tomas.domain.catalogue import Catalogue
from tomas.domain.resources import RESOURCES, Floats
from tomas.domain.timeline import Timeline
from tomas.simulation.simulator import Replay


def measures(replay: Replay, machine: Timeline, catalogue: Catalogue, t_inf_ms: float) -> dict[str, Any]:
    """The figures of one policy; times in ms.

    completion: from arrival to the end of the run that finished; waiting: the part of it in which neither the planner
    thought (once) nor that run ran; makespan: from the first arrival to the last end; utilisation: of what the machine
    had free until then, what runs took that finished; lost: what runs took that were ended.
    """
    arrivals = np.array([task.arrival_ms for task in replay.tasks])
    finished = {run.task: run for run in replay.runs if run.finished}
    places = np.array(sorted(finished), dtype=int)
    starts = np.array([finished[place].start_ms for place in places.tolist()])
    ends = np.array([finished[place].end_ms for place in places.tolist()])
    completion = ends - arrivals[places]
    last = float(ends.max(initial=float(arrivals.min())))
    free = _free_until(machine, float(arrivals.min()), last)
    used, lost = np.zeros(4), np.zeros(4)
    for run in replay.runs:
        took = catalogue.requirement[run.config_id] * (run.end_ms - run.start_ms)
        used, lost = (used + took, lost) if run.finished else (used, lost + took)
    return {
        "finished": len(finished),
        "refused": len(replay.refused),
        "violations": replay.violations,
        "completion_ms_mean": _mean(completion),
        "completion_ms_p95": float(np.quantile(completion, 0.95)) if len(completion) else None,
        "waiting_ms_mean": _mean(starts - arrivals[places] - t_inf_ms),
        "latency_ms_mean": _mean(ends - starts),
        "makespan_ms": last - float(arrivals.min()),
        "utilisation": _shares(used, free),
        "lost": _shares(lost, free),
    }


def _free_until(machine: Timeline, begin: float, end: float) -> Floats:
    """The machine's free resources integrated from begin to end, in amount x ms."""
    edges = np.clip(np.append(machine.time_ms, np.inf), begin, end)
    edges[0] = begin  # the first row also holds before its time
    total: Floats = np.diff(edges) @ machine.free
    return total


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if len(values) else None


def _shares(taken: Floats, free: Floats) -> dict[str, float]:
    shares = np.divide(taken, free, out=np.zeros(4), where=free > 0)
    return dict(zip(RESOURCES, shares.tolist(), strict=True))
