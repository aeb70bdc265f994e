"""Why nothing fits: the right resources are blamed and the numbers in the words are true."""

import numpy as np
import pytest
from hypothesis import given, settings

from tests.domain.cases import CAPACITY, catalogues, timelines, times
from tomas.domain.catalogue import Catalogue
from tomas.domain.fit import earliest_start
from tomas.domain.oracle import decide
from tomas.domain.resources import RESOURCES
from tomas.domain.shortage import find_shortage
from tomas.domain.timeline import Timeline


def timeline(*rows: tuple[float, ...]) -> Timeline:
    table = np.array(rows)
    return Timeline(table[:, 0], table[:, 1:])


@pytest.mark.parametrize(
    ("free", "needs", "latency", "short", "reason"),
    [
        (
            timeline((0, 4, 8, 50, 2), (10, 4, 8, 60, 4)),
            [(4, 8, 50, 8), (2, 4, 20, 16)],
            [5, 5],
            ("gpu_mem_gb",),
            "at least 8 GB of GPU memory are needed and at most 4 are ever free",
        ),
        (
            timeline((0, 4, 8, 60, 8), (10, 4, 8, 10, 8), (20, 4, 8, 60, 8), (50, 4, 8, 10, 8)),
            [(4, 8, 50, 8), (4, 8, 20, 8)],
            [40, 80],
            ("gpu_sm",),
            "at least 20 % of the GPU's SMs are needed, for 80 ms, and are free for at most 30 ms at a stretch",
        ),
        (
            timeline((0, 8, 0, 50, 2), (10, 0, 8, 50, 2)),
            [(4, 4, 50, 1)],
            [5],
            ("cpu_core", "cpu_mem_gb"),
            "cpu_core, cpu_mem_gb, gpu_sm, gpu_mem_gb are never free together for as long as a configuration runs; "
            "more cpu_core or cpu_mem_gb would do",
        ),
        (
            timeline((0, 8, 0, 0, 0), (10, 0, 8, 0, 0), (20, 0, 0, 8, 0)),
            [(4, 4, 4, 0)],
            [5],
            ("cpu_core", "cpu_mem_gb", "gpu_sm"),
            "cpu_core, cpu_mem_gb, gpu_sm are never free together for as long as a configuration runs; "
            "more of a single one would not do",
        ),
    ],
)
def test_the_reason_names_the_resource_what_is_needed_and_what_is_free(
    free: Timeline, needs: list[tuple[float, ...]], latency: list[float], short: tuple[str, ...], reason: str
) -> None:
    # the last row holds for ever: one more in which nothing is free leaves only the rows of the case
    ended = Timeline(np.append(free.time_ms, free.time_ms[-1] + 10), np.vstack((free.free, np.zeros((1, 4)))))
    found = find_shortage(ended, np.array(needs, dtype=float), np.array(latency, dtype=float), 0.0)
    assert found == (short, reason)


@settings(max_examples=600, deadline=None)
@given(timelines(), catalogues(), times)
def test_a_resource_is_blamed_only_if_it_is_in_the_way(free: Timeline, table: Catalogue, start: float) -> None:
    ids = table.ids("alpha")
    decision = decide(free, start, table, ids, CAPACITY)
    if decision.status != "infeasible":
        assert decision.short == ()
        return
    assert decision.short
    plenty = table.requirement[ids].copy()
    plenty[:, [RESOURCES.index(name) for name in decision.short]] = 0.0
    others_fit = np.isfinite(earliest_start(free, plenty, table.latency_ms[ids], start)).any()
    for name in decision.short:
        alone = np.zeros_like(plenty)
        alone[:, RESOURCES.index(name)] = table.requirement[ids][:, RESOURCES.index(name)]
        blocks_alone = not np.isfinite(earliest_start(free, alone, table.latency_ms[ids], start)).any()
        assert blocks_alone or others_fit or "together" in (decision.reason or "")
    assert all(table.requirement[ids][:, RESOURCES.index(name)].any() for name in decision.short)
