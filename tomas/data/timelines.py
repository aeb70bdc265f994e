"""Generates data/timelines/timelines.csv: seven kinds of machines, seen through what their neighbours leave free."""

import csv
import io
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tomas.config import Machine
from tomas.data.splits import share_out
from tomas.domain.catalogue import Catalogue
from tomas.domain.resources import SIZES, TIMELINE_COLUMNS, Floats
from tomas.domain.timeline import Timeline

COLUMNS = ("timeline", "kind", "split", *TIMELINE_COLUMNS)
SHARES = {"val": 0.10, "test": 0.15}
"""Timelines kept back; the rest is for training."""
DWELL = (0.2, 5.0)
"""Time between two changes, as multiples of the latency of the configurations a timeline is made for."""
LONGEST_T_INF_MS = 2000
MAX_ROWS = 60

Range = tuple[float, float]


class Kind(NamedTuple):
    """A kind of machine, by the jobs that run on it. Durations and gaps are multiples of the machine's dwell time."""

    running: tuple[int, int]
    """Jobs that run at time 0, from and to."""
    gap: float
    """Mean time between two arrivals; 0 where nothing arrives."""
    lasts: Range
    """How long a job holds its cores and memory."""
    demand: tuple[Range, Range, Range, Range]
    """Share of the machine a job takes: cores, memory, SMs, GPU memory."""
    burst: tuple[float, float]
    """Mean busy and idle run of a job's SM use; no idle run where the job keeps its SMs."""
    reserve: Range
    """Share of a resource that no job may take, drawn for each machine and resource."""
    period: Range = (0, 0)
    """A job that comes back regularly: the time from start to start, of which it runs a half on average."""


KINDS: dict[str, Kind] = {
    "idle": Kind((0, 2), 2.5, (0.5, 3), ((0.05, 0.35), (0.02, 0.30), (0.05, 0.60), (0.04, 0.40)), (1, 2), (0, 0.4)),
    "busy": Kind((2, 4), 0.9, (1, 4), ((0.12, 0.40), (0.10, 0.40), (0.15, 0.50), (0.10, 0.45)), (1, 1), (0.15, 0.45)),
    "fragmented": Kind(
        (3, 6), 0.5, (0.5, 5), ((0.08, 0.40), (0.05, 0.40), (0.05, 0.50), (0.05, 0.40)), (1, 0), (0.1, 0.6)
    ),
    "periodic": Kind(
        (0, 1), 0, (20, 40), ((0.20, 0.80), (0.10, 0.60), (0.25, 0.80), (0.20, 0.70)), (2, 0), (0.1, 0.4), (2, 8)
    ),
    "draining": Kind((3, 7), 0, (1, 9), ((0.10, 0.40), (0.10, 0.40), (0.10, 0.45), (0.10, 0.40)), (3, 0), (0.1, 0.5)),
    "filling": Kind((1, 2), 1.5, (8, 40), ((0.05, 0.25), (0.05, 0.25), (0.08, 0.35), (0.08, 0.25)), (3, 0), (0.1, 0.4)),
    "trace": Kind((1, 2), 3, (15, 40), ((0.05, 0.30), (0.05, 0.25), (0.35, 0.60), (0.15, 0.50)), (1.5, 3), (0.1, 0.35)),
}


def capacity(machine: Machine) -> Floats:
    """Give the machine's four amounts in the order of RESOURCES."""
    return np.array([machine.cpu_cores, machine.cpu_mem_gb, machine.gpu_sm, machine.gpu_mem_gb])


def make_timelines(seed: int, catalogue: Catalogue, whole: Floats, count: int) -> str:
    """Give `count` timelines as CSV text; the same seed, catalogue and machine give the same bytes."""
    rng = np.random.default_rng(seed)
    scales = latency_scales(catalogue)
    kinds = [list(KINDS)[number % len(KINDS)] for number in range(count)]
    names = [f"{kind[0]}{number}" for number, kind in enumerate(kinds)]
    splits = share_out(seed, names, SHARES)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for name, kind in zip(names, kinds, strict=True):
        timeline = machine(rng, KINDS[kind], float(rng.choice(scales)), whole)
        writer.writerows(rows_of(name, kind, splits[name], timeline))
    return buffer.getvalue()


def rows_of(name: str, kind: str, split: str, timeline: Timeline) -> Iterator[tuple[str, ...]]:
    """Give the timeline as rows of timelines.csv."""
    for time_ms, free in zip(timeline.time_ms, timeline.free, strict=True):
        yield (name, kind, split, f"{time_ms:g}", *(f"{amount:g}" for amount in free))


def latency_scales(catalogue: Catalogue) -> Floats:
    """Give the median latency of every (tool, size) that has configurations, in ms."""
    groups = (catalogue.ids(tool_id, size) for tool_id, _ in catalogue.tools.each() for size in SIZES)
    return np.array([np.median(catalogue.latency_ms[ids]) for ids in groups if len(ids)])


def machine(rng: np.random.Generator, kind: Kind, latency_ms: float, whole: Floats) -> Timeline:
    """Give one machine's free resources, changing on the time scale of runs that take about `latency_ms`."""
    horizon_ms = LONGEST_T_INF_MS + 20 * latency_ms
    shortest = max(DWELL[0] * latency_ms, horizon_ms / MAX_ROWS)
    dwell_ms = float(np.exp(rng.uniform(np.log(shortest), np.log(max(DWELL[1] * latency_ms, shortest)))))
    times, changes = [np.zeros(1)], [np.zeros((1, 4))]
    for start, end in _residencies(rng, kind, dwell_ms, horizon_ms):
        low, high = np.array(kind.demand).T
        demand = np.exp(rng.uniform(np.log(low), np.log(high))) * whole
        for part_times, part_changes in _job(rng, kind, dwell_ms, start, end, demand):
            times.append(part_times)
            changes.append(part_changes)
    reserve = rng.uniform(*kind.reserve, 4) * whole
    seen = np.concatenate(times) <= horizon_ms
    return _free(np.concatenate(times)[seen], np.concatenate(changes)[seen], reserve, whole)


def _residencies(
    rng: np.random.Generator, kind: Kind, dwell_ms: float, horizon_ms: float
) -> Iterator[tuple[float, float]]:
    """When each job holds its cores and memory, in ms."""
    if kind.period[1]:
        period = rng.uniform(*kind.period) * dwell_ms
        share = rng.uniform(0.3, 0.7)
        for start in np.arange(-rng.uniform(0, share * period), horizon_ms, period):
            yield max(float(start), 0.0), float(start) + share * period
    for _ in range(rng.integers(kind.running[0], kind.running[1] + 1)):
        # at time 0 a job is somewhere in the middle of its life
        yield 0.0, float(rng.uniform(*kind.lasts) * rng.uniform()) * dwell_ms
    start = 0.0
    while kind.gap:
        start += float(rng.exponential(kind.gap)) * dwell_ms
        if start > horizon_ms:
            return
        yield start, start + float(rng.uniform(*kind.lasts)) * dwell_ms


def _job(
    rng: np.random.Generator, kind: Kind, dwell_ms: float, start: float, end: float, demand: Floats
) -> Iterator[tuple[Floats, Floats]]:
    """What a job changes and when: cores and memory once, the SMs run by run."""
    held = demand * (1, 1, 0, 1)
    yield np.array([start, end]), np.stack([-held, held])
    runs = demand * (0, 0, 1, 0)
    busy, idle = kind.burst
    while start < end:
        stop = min(start + float(rng.exponential(busy)) * dwell_ms, end) if idle else end
        yield np.array([start, stop]), np.stack([-runs, runs])
        start = stop + float(rng.exponential(idle)) * dwell_ms if idle else end


def _free(times: Floats, changes: Floats, reserve: Floats, whole: Floats) -> Timeline:
    """Add the changes up to a step function of whole ms, cores, GB and percent, and half GB of GPU memory."""
    order = np.argsort(times, kind="stable")
    free = np.clip(whole + np.cumsum(changes[order], axis=0), reserve, whole)
    steps = np.array([1, 1, 1, 0.5])
    free = np.floor(free / steps + 1e-6) * steps
    times = np.round(times[order])
    last_of_moment = np.append(np.diff(times) > 0, True)
    times, free = times[last_of_moment], free[last_of_moment]
    news = np.append(True, (np.diff(free, axis=0) != 0).any(axis=1))
    return Timeline(times[news][:MAX_ROWS], free[news][:MAX_ROWS])
