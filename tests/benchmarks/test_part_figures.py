"""A trained planner's figures for the table of parts: one line each for what only planning uses."""

from pathlib import Path

import pytest

from benchmarks.kept_runs import KeptRuns, table
from benchmarks.part_figures import COLUMNS, COST, EAGER, EVALUATED, FEASIBLE, PLANNING, planned
from tests.planner.small_training import prepare, small_params, train


@pytest.mark.slow
def test_the_base_planner_is_measured_with_every_part_of_planning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(EVALUATED, "tool recall, Chinese")  # the small project asks in English
    paths, params = prepare(tmp_path / "project"), small_params()
    train(paths, params, tmp_path / "planner")
    lines = planned(paths, params, tmp_path / "planner", "base")
    latencies = {"latency fixed", "latency rule_based", "latency measured", "latency learned"}
    assert set(lines) == {"base", EAGER, *PLANNING, *latencies}
    assert set(lines["base"]) == {*EVALUATED, FEASIBLE}
    assert set(lines[EAGER]) == {*EVALUATED, COST}
    assert lines[EAGER]["exact"] == pytest.approx(lines["base"]["exact"], abs=0.1)
    assert set(lines["voter entropy"]) == {*EVALUATED, COST, FEASIBLE}
    assert {name for own in lines.values() for name in own} == set(COLUMNS) - {"tool recall, Chinese"}
    assert all(0 <= lines[name]["in_time"] <= 1 and lines[name]["t_inf_used"] > 0 for name in latencies)
    assert lines["latency fixed"]["in_time"] == 1  # a tiny planner always takes less than half a second
    assert set(planned(paths, params, tmp_path / "planner", "moe")) == {"moe"}


def test_a_line_has_a_dash_where_it_has_no_figure() -> None:
    runs = {"base": {"0": {"exact": 0.5}, "1": {"exact": 0.7}}, "latency": {"0": {"in_time": 1.0}}}
    rows = table(runs, ["latency", "not run", "base"], ["exact", "in_time"], 4).splitlines()[2:]
    assert rows == ["| latency | 1 | - | 1.0000 |", "| base | 2 | 0.6000 ± 0.1414 | - |"]


def test_what_was_measured_is_found_again_and_only_on_the_same_state(tmp_path: Path) -> None:
    file = tmp_path / "runs.json"
    KeptRuns(file, "old").keep("base", 0, {"exact": 0.5})
    KeptRuns(file, "new").keep("moe", 1, {"exact": 0.6})
    again = KeptRuns(file, "old")
    assert again.has("base", 0)
    assert not again.has("base", 1)
    assert not again.has("moe", 1)
    assert KeptRuns(file, "new").runs == {"moe": {"1": {"exact": 0.6}}}
