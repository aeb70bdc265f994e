"""Each baseline keeps to its rule, and only the one that looks at a single moment breaks the timeline."""

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.small import PROFILES, TOOLS
from tomas.domain.catalogue import ROW_COLUMNS, Catalogue
from tomas.domain.fit import feasible_at
from tomas.domain.oracle import decide, footprint
from tomas.domain.timeline import Timeline
from tomas.domain.tools import ToolRegistry
from tomas.evaluation.baselines import BASELINES, snapshot_greedy

CATALOGUE = Catalogue.from_rows(ToolRegistry.from_list(TOOLS), pd.DataFrame(PROFILES, columns=list(ROW_COLUMNS)))
WHOLE = np.array([8.0, 16, 100, 8])
IDS = CATALOGUE.ids("milk_test", "medium")
free_cores = st.lists(st.integers(0, 8), min_size=1, max_size=12)


def machine(cores: list[int]) -> Timeline:
    free = np.column_stack((cores, *(np.full(len(cores), amount) for amount in WHOLE[1:])))
    return Timeline(np.arange(len(cores)) * 100.0, free)


def fits(timeline: Timeline, config_id: int, start_ms: float) -> bool:
    chosen = [config_id]
    return bool(feasible_at(timeline, CATALOGUE.requirement[chosen], CATALOGUE.latency_ms[chosen], start_ms)[0])


@settings(max_examples=200, deadline=None)
@given(free_cores, st.floats(0, 1000))
def test_feasible_baselines_choose_among_what_fits_and_choose_whenever_something_does(cores, t_inf_ms):
    timeline = machine(cores)
    decision = decide(timeline, t_inf_ms, CATALOGUE, IDS, WHOLE)
    sizes = footprint(CATALOGUE.requirement[IDS[decision.feasible]], WHOLE)
    for name in ("largest_feasible", "cheapest_feasible", "random_feasible"):
        choice = BASELINES[name](timeline, t_inf_ms, CATALOGUE, IDS, WHOLE)
        assert (choice.config_id is None) == (decision.best is None)
        if choice.config_id is None:
            continue
        assert choice.start_ms == decision.start_ms
        assert fits(timeline, choice.config_id, choice.start_ms)
        size = footprint(CATALOGUE.requirement[[choice.config_id]], WHOLE)[0]
        if name != "random_feasible":
            assert size == (sizes.max() if name == "largest_feasible" else sizes.min())


@settings(max_examples=200, deadline=None)
@given(free_cores, st.floats(0, 1000))
def test_every_baseline_answers_the_same_case_the_same_way(cores, t_inf_ms):
    for baseline in BASELINES.values():
        once, twice = (baseline(machine(cores), t_inf_ms, CATALOGUE, IDS, WHOLE) for _ in range(2))
        assert once == twice


def test_snapshot_greedy_takes_the_fastest_of_the_moment_and_breaks_when_it_passes():
    timeline = machine([4, 1, 1, 1, 1])
    choice = snapshot_greedy(timeline, 50, CATALOGUE, IDS, WHOLE)
    assert CATALOGUE.requirement[choice.config_id, 0] == 4
    assert not fits(timeline, choice.config_id, 50)
    assert snapshot_greedy(machine([0, 8]), 50, CATALOGUE, IDS, WHOLE).config_id is None
