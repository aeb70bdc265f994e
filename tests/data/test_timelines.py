"""Generated machines: within their capacity, on the time scale asked for, the same for the same seed."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.small import project
from tomas.config import Machine, Params
from tomas.data.readers import load_catalogue
from tomas.data.timelines import KINDS, LONGEST_T_INF_MS, MAX_ROWS, capacity, machine, make_timelines

ROOT = Path(__file__).parents[2]
WHOLE = capacity(Machine())
kinds = st.sampled_from(sorted(KINDS))


def shipped(count: int, seed: int = 0) -> str:
    catalogue = load_catalogue(ROOT / "data/tool_registry/tools.json", ROOT / "data/profiling/profiling.csv")
    return make_timelines(seed, catalogue, capacity(Params().machine), count)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32), kinds, st.floats(20, 60_000))
def test_free_resources_stay_between_nothing_and_the_whole_machine(seed, kind, latency_ms):
    timeline = machine(np.random.default_rng(seed), KINDS[kind], latency_ms, WHOLE)
    assert timeline.time_ms[0] == 0
    assert len(timeline) <= MAX_ROWS
    assert (timeline.free >= 0).all()
    assert (timeline.free <= WHOLE).all()


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), kinds, st.floats(20, 60_000))
def test_a_forecast_ends_at_its_horizon_and_each_row_says_something_new(seed, kind, latency_ms):
    timeline = machine(np.random.default_rng(seed), KINDS[kind], latency_ms, WHOLE)
    assert timeline.time_ms[-1] <= LONGEST_T_INF_MS + 20 * latency_ms + 1
    assert (np.diff(timeline.free, axis=0) != 0).any(axis=1).all()


def test_a_machine_without_gpu_has_none_free():
    none = capacity(Machine(cpu_cores=8, cpu_mem_gb=16, gpu_sm=0, gpu_mem_gb=0))
    timeline = machine(np.random.default_rng(0), KINDS["busy"], 500, none)
    assert (timeline.free[:, 2:] == 0).all()


def test_draining_machines_only_gain_and_filling_ones_only_lose():
    for seed in range(20):
        draining = machine(np.random.default_rng(seed), KINDS["draining"], 500, WHOLE).free
        assert (np.diff(draining[:, [0, 1, 3]], axis=0) >= 0).all()
        filling = machine(np.random.default_rng(seed), KINDS["filling"]._replace(running=(0, 0)), 500, WHOLE).free
        assert (np.diff(filling[:, [0, 1, 3]], axis=0) <= 0).mean() > 0.9


def test_the_same_seed_gives_the_same_bytes_and_another_one_others():
    assert shipped(40) == shipped(40)
    assert shipped(40) != shipped(40, seed=1)


def test_splits_have_their_shares_and_kinds_come_in_turn():
    rows = pd.read_csv(io.StringIO(shipped(400))).drop_duplicates("timeline")
    shares = rows["split"].value_counts(normalize=True)
    assert shares.to_dict() == pytest.approx({"train": 0.75, "val": 0.10, "test": 0.15}, abs=0.005)
    assert rows["kind"].value_counts().max() - rows["kind"].value_counts().min() <= 1


def test_machines_are_scaled_to_whatever_catalogue_they_are_made_for(tmp_path):
    paths = project(tmp_path)
    catalogue = load_catalogue(paths.tools, paths.profiles)
    rows = pd.read_csv(io.StringIO(make_timelines(0, catalogue, WHOLE, 70)))
    assert rows.groupby("timeline")["time_ms"].max().max() <= LONGEST_T_INF_MS + 20 * catalogue.latency_ms.max()


@pytest.mark.slow
def test_the_shipped_timelines_are_the_generators_own():
    path = ROOT / "data/timelines/timelines.csv"
    assert path.stat().st_size <= 9_000_000
    assert path.read_text(encoding="utf-8") == shipped(9000)
