"""Small random machines and catalogues, and an oracle that is slow and obviously right."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tomas.domain.catalogue import ROW_COLUMNS, Catalogue
from tomas.domain.resources import RESOURCES, SIZES
from tomas.domain.timeline import Timeline
from tomas.domain.tools import ToolRegistry

STEP = 0.25  # every time is a multiple of it, so sums of times are exact and a grid meets every event
CAPACITY = np.array([4.0, 4.0, 4.0, 4.0])

# few distinct latencies, some within 2 % of each other, so that ties are met
LATENCIES = (0.25, 1.0, 2.5, 5.0, 100.0, 101.0, 102.0, 103.0)

times = st.integers(0, 48).map(lambda ticks: ticks * STEP)
levels = st.integers(0, 4).map(float)


def registry(names: Sequence[str] = ("alpha", "beta")) -> ToolRegistry:
    spec = {"field": "images", "small_max": 2, "medium_max": 8, "units": ["image", "images", "张"]}
    return ToolRegistry.from_list([{"name": name, "description": f"does {name}", "input": spec} for name in names])


# Drawn as bytes and read as small numbers: many times quicker than number by number, and it shrinks as well
@st.composite
def timelines(draw: st.DrawFn) -> Timeline:
    cells = np.frombuffer(draw(st.binary(min_size=30, max_size=60)), dtype=np.uint8)
    rows = cells[: len(cells) // 5 * 5].reshape(-1, 5)
    moments, places = np.unique(rows[:, 0] % 49, return_index=True)
    return Timeline(moments * STEP, rows[places, 1:] % 5)


@st.composite
def catalogues(draw: st.DrawFn) -> Catalogue:
    cells = np.frombuffer(draw(st.binary(min_size=24, max_size=120)), dtype=np.uint8)
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for place, row in enumerate(cells[: len(cells) // 6 * 6].reshape(-1, 6).tolist()):
        name = ("alpha", "beta")[place if place < 2 else row[0] // 3 % 2]  # each tool has a row
        key = (name, SIZES[row[0] % 3], *(float(cell % 5) for cell in row[1:5]))
        rows.setdefault(key, dict(zip(ROW_COLUMNS, (*key, LATENCIES[row[5] % 8]), strict=True)))
    return Catalogue.from_rows(registry(), list(rows.values()))


@lru_cache(maxsize=2)
def slow_grid(timeline: Timeline) -> list[tuple[float, ...]]:
    """Free amounts at every moment of the grid from 0 to the last row, found row by row."""
    grid = []
    rows = list(zip(timeline.time_ms.tolist(), map(tuple, timeline.free.tolist()), strict=True))
    for tick in range(int(rows[-1][0] / STEP) + 1):
        held = rows[0][1]
        for moment, row in rows:
            if moment <= tick * STEP:
                held = row
        grid.append(held)
    return grid


def slow_fits(timeline: Timeline, need: Sequence[float], latency: float, start: float) -> bool:
    """Whether every moment of the grid over [start, start + latency] covers the need; past the last row it holds on."""
    grid = slow_grid(timeline)
    first, last = int(start / STEP), int((start + latency) / STEP)
    moments = range(first, min(last, max(first, len(grid) - 1)) + 1)
    rows = (grid[min(moment, len(grid) - 1)] for moment in moments)
    return all(have >= want for row in rows for have, want in zip(row, need, strict=True))


def slow_earliest(timeline: Timeline, need: Sequence[float], latency: float, begin: float) -> float:
    """The first moment of the grid, up to the last row, from which the need fits."""
    moment = begin
    while moment <= max(begin, float(timeline.time_ms[-1])):
        if slow_fits(timeline, need, latency, moment):
            return moment
        moment += STEP
    return float("inf")


def slow_best(rows: dict[int, dict[str, Any]]) -> int:
    """The rule of the oracle in its own words, for rows by Config ID."""
    fastest = min(row["latency_ms"] for row in rows.values())
    near = {i: row for i, row in rows.items() if row["latency_ms"] <= 1.02 * fastest}
    sizes = {i: sum(row[name] / CAPACITY[place] for place, name in enumerate(RESOURCES)) for i, row in near.items()}
    smallest = min(sizes.values())
    return min(i for i, size in sizes.items() if size == smallest)
