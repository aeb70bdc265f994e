"""Labels are the oracle's, splits share neither frames nor machines, and the shipped data is no walk-over."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.data.small import project
from tomas.config import Labelling, Machine, Params
from tomas.data.labelling import Machines, label, statistics
from tomas.data.timelines import capacity
from tomas.data.validate import validate
from tomas.data.validated import Timelines, load_catalogue, load_requests, load_timelines
from tomas.domain.oracle import decide
from tomas.domain.resources import TIMELINE_COLUMNS
from tomas.errors import UserError
from tomas.paths import Paths

ROOT = Path(__file__).parents[2]
WHOLE = capacity(Machine())
SETTINGS = Labelling(train_examples=300, eval_examples=60, t_inf_ms=(50, 2000))


@pytest.fixture(scope="module")
def validated(tmp_path_factory):
    paths = project(tmp_path_factory.mktemp("small"))
    validate(paths, WHOLE, paths.validated)
    return paths.validated


def labelled(folder, seed=0, settings=SETTINGS):
    requests, timelines, catalogue = load_requests(folder), load_timelines(folder), load_catalogue(folder)
    return label(seed, requests, timelines, catalogue, WHOLE, settings)


def test_every_label_is_the_oracles(validated):
    timelines, catalogue = load_timelines(validated), load_catalogue(validated)
    served = pd.concat(labelled(validated).values()).query("tool_id >= 0")
    assert {"ready", "wait"} <= set(served["status"])
    for row in served.itertuples():
        ids = catalogue.ids(row.tool, row.input_size)
        decision = decide(timelines[row.timeline], row.t_inf_ms, catalogue, ids, WHOLE)
        assert row.status == decision.status
        assert row.config_id == (-1 if decision.best is None else decision.best)
        if decision.best is not None:
            assert (row.start_ms, row.best_latency_ms) == (decision.start_ms, decision.best_latency)


def test_requests_without_tool_have_no_configuration(validated):
    none = labelled(validated)["train"].query("tool_id < 0")
    assert set(none["status"]) == {"no_tool"}
    assert none["tool"].isna().all()
    assert (none["config_id"] == -1).all()


def test_splits_share_no_machine_and_no_frame(validated):
    examples = labelled(validated)
    for column in ("timeline", "frame"):
        seen = [set(frame[column]) for frame in examples.values()]
        assert sum(map(len, seen)) == len(set.union(*seen))


def test_there_are_as_many_examples_as_asked_for_and_requests_come_round_evenly(validated):
    examples = labelled(validated)
    assert {split: len(frame) for split, frame in examples.items()} == {"train": 300, "val": 60, "test": 60}
    assert set(examples["train"]["request_id"].value_counts()) == {10}


def test_t_inf_is_spread_over_its_range(validated):
    t_inf_ms = labelled(validated)["train"]["t_inf_ms"]
    assert t_inf_ms.between(50, 2000).all()
    assert np.median(t_inf_ms) == pytest.approx(np.sqrt(50 * 2000), rel=0.3)


def test_the_same_seed_labels_the_same(validated):
    assert all(labelled(validated)[split].equals(labelled(validated)[split]) for split in ("train", "val", "test"))
    assert not labelled(validated)["train"].equals(labelled(validated, seed=1)["train"])


def test_a_split_without_timelines_is_an_error_that_says_so(validated):
    requests, timelines, catalogue = load_requests(validated), load_timelines(validated), load_catalogue(validated)
    timelines.splits = ["train"] * len(timelines)
    with pytest.raises(UserError, match="timelines have no val split"):
        label(0, requests, timelines, catalogue, WHOLE, SETTINGS)


def test_machines_are_matched_to_the_time_scale_of_the_run():
    rows = [
        (f"{step}ms", "made", "train", place * step, 1, 1, 1, 1)
        for step in (10, 100, 1000, 10_000)
        for place in range(30)
    ]
    timelines = Timelines(pd.DataFrame(rows, columns=["timeline", "kind", "split", *TIMELINE_COLUMNS]))
    machines = Machines(timelines, "train")
    rng = np.random.default_rng(0)
    assert {machines.draw(rng, 1000, 100) for _ in range(50)} == {"1000ms"}
    assert {machines.draw(rng, 30, 100) for _ in range(50)} == {"10ms", "100ms"}
    assert {machines.draw(rng, 30, 1000) for _ in range(50)} == {"100ms"}  # the 10 ms machine ends before T_inf
    assert len({machines.draw(rng, 1e7, 100) for _ in range(100)}) == 4  # none is near: any


def test_statistics_count_what_a_tool_serves(validated):
    found = statistics(labelled(validated))["test"]
    assert found["examples"] == 60
    assert found["no_tool_share"] == pytest.approx(1 / 3, abs=1e-3)
    assert found["ready_share"] + found["wait_share"] + found["infeasible_share"] == pytest.approx(1, abs=1e-3)


def test_a_size_that_was_not_profiled_is_infeasible(tmp_path):
    paths = project(tmp_path)
    kept = [line for line in paths.profiles.read_text().splitlines() if not line.startswith("milk_test,small")]
    paths.profiles.write_text("\n".join(kept) + "\n")
    validate(paths, WHOLE, paths.validated)
    train = labelled(paths.validated)["train"].query("tool == 'milk_test'")
    assert set(train.query("input_size == 'small'")["status"]) == {"infeasible"}
    assert "ready" in set(train.query("input_size == 'medium'")["status"])


@pytest.mark.slow
def test_the_shipped_data_needs_waiting_and_looking_ahead(tmp_path):
    from tomas.domain.fit import feasible_at
    from tomas.evaluation.baselines import BASELINES

    params, paths = Params(), Paths(ROOT)
    whole = capacity(params.machine)
    validate(paths, whole, tmp_path / "validated")
    catalogue, timelines = load_catalogue(tmp_path / "validated"), load_timelines(tmp_path / "validated")
    examples = label(params.seed, load_requests(tmp_path / "validated"), timelines, catalogue, whole, params.labelling)
    test = examples["test"].query("tool_id >= 0")
    assert 0.10 <= (test["status"] == "wait").mean() <= 0.30
    assert 0.02 <= (test["status"] == "infeasible").mean() <= 0.08
    near: list[bool] = []
    violated: list[bool] = []
    for row in test.itertuples():
        ids = catalogue.ids(row.tool_id, row.input_size)
        case = (timelines[row.timeline], row.t_inf_ms, catalogue, ids, whole)
        if row.status != "infeasible":
            largest = BASELINES["largest_feasible"](*case)
            near.append(bool(catalogue.latency_ms[largest.config_id] <= 1.05 * row.best_latency_ms))
        greedy = BASELINES["snapshot_greedy"](*case)
        if greedy.config_id is not None:
            chosen = [greedy.config_id]
            fits = feasible_at(case[0], catalogue.requirement[chosen], catalogue.latency_ms[chosen], greedy.start_ms)
            violated.append(not fits[0])
    assert np.mean(near) <= 0.75
    assert np.mean(violated) >= 0.10
    assert sum(violated) / len(test) >= 0.10
