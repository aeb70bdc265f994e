"""The vote is asked for only where the planner is unsure, and its plan holds whenever planning ends."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tomas.config import Voter as VoterParams
from tomas.domain.catalogue import Catalogue
from tomas.domain.fit import feasible_at
from tomas.domain.plan import run_plan
from tomas.domain.request import Request
from tomas.domain.timeline import Timeline
from tomas.domain.tools import InputSpec, Tool, ToolRegistry
from tomas.parts.voter import Entropy, thinking_times
from tomas.planner.predictor import Prediction

CORES = (2, 4, 8)
LATENCY_MS = (2500.0, 1200.0, 900.0)
FASTEST = 2


def catalogue() -> Catalogue:
    spec = InputSpec(field="items", small_max=1, medium_max=4, units=("item", "items"))
    tools = ToolRegistry(tools=tuple(Tool(name=name, description=name, input=spec) for name in ("sort", "sum")))
    rows = [
        {"tool": tool.name, "input_size": "small", "cpu_core": cores, "cpu_mem_gb": 1, "gpu_sm": 0, "gpu_mem_gb": 0,
         "latency_ms": latency}
        for tool in tools.tools for cores, latency in zip(CORES, LATENCY_MS, strict=True)
    ]  # fmt: skip
    return Catalogue.from_rows(tools, rows)


def prediction(table: Catalogue, liking: list[float], tool: int = 0, sure: float = 0.95) -> Any:
    probabilities = np.full(2, 1 - sure)
    probabilities[tool] = sure
    return Prediction(
        probabilities,
        tool,
        1.0,
        "small",
        "stated",
        None,
        table.ids(tool, "small"),
        np.array(liking),
        start_ms=500.0,
        evidence=np.zeros(3),
        opinions=np.zeros((2, 2)),
    )


class ScriptedPlanner:
    """Answers what a test wrote down; remembers what it was asked."""

    vote_threshold = 0.5

    def __init__(self, table: Catalogue, answers: dict[int | None, Any]) -> None:
        self.catalogue, self.answers, self.asked = table, answers, []  # type: ignore[var-annotated]

    def imagine(self, _case: Any, variations: list[tuple[str, float]], tool_id: int | None = None) -> list[Any]:
        self.asked.append((variations, tool_id))
        return [self.answers[tool_id]] * len(variations)


def closing(at_ms: float) -> Timeline:
    """Eight cores free until a moment, four from then on."""
    free = {"cpu_mem_gb": 8, "gpu_sm": 0, "gpu_mem_gb": 0}
    return Timeline.from_rows([{"time_ms": 0, "cpu_cores": 8, **free}, {"time_ms": at_ms, "cpu_cores": 4, **free}])


def planned(table: Catalogue, config: int) -> Any:
    return run_plan(table, config, status="ready", start_ms=500.0, feasible=True, warnings=("kept",))


def case(timeline: Timeline) -> Any:
    return SimpleNamespace(request=Request(text="sort it"), timeline=timeline, t_inf_ms=500.0)


UNSURE = [0.0, 0.05, 0.1]


def test_a_plan_that_would_fail_if_planning_took_longer_gives_way_to_one_that_holds() -> None:
    table = catalogue()
    asked = case(closing(1450.0))  # eight cores from 500 to 1400 fit; from 670 on they do not
    planner = ScriptedPlanner(table, {None: prediction(table, UNSURE)})
    plan = Entropy(VoterParams()).on_plan_end(planner, asked, prediction(table, UNSURE), planned(table, FASTEST))
    assert plan is not None
    assert plan.config_id == 1
    assert plan.warnings == ("kept",)
    for t_inf_ms in thinking_times(500.0, 3, 0.3):
        assert feasible_at(asked.timeline, table.requirement[1:2], table.latency_ms[1:2], t_inf_ms).all()
    [(variations, _)] = planner.asked
    assert [t for _, t in variations] == thinking_times(500.0, 3, 0.3)
    assert len({text for text, _ in variations}) == 3


def test_a_sure_plan_stands_without_asking() -> None:
    table = catalogue()
    planner = ScriptedPlanner(table, {})
    sure = prediction(table, [30.0, 0.0, 0.0])
    assert Entropy(VoterParams()).on_plan_end(planner, case(closing(9e9)), sure, planned(table, FASTEST)) is None
    assert planner.asked == []


def test_the_threshold_in_params_wins_over_the_calibrated_one() -> None:
    table = catalogue()
    planner = ScriptedPlanner(table, {None: prediction(table, UNSURE)})
    asked = case(closing(1450.0))
    voter = Entropy(VoterParams(threshold=1.0))
    assert voter.on_plan_end(planner, asked, prediction(table, UNSURE), planned(table, FASTEST)) is None


def test_where_nothing_holds_in_every_case_the_plan_stands() -> None:
    table = catalogue()
    free = {"cpu_cores": 8, "cpu_mem_gb": 8, "gpu_sm": 0, "gpu_mem_gb": 0}
    timeline = Timeline.from_rows([{"time_ms": 0, **free}, {"time_ms": 1450, **free, "cpu_cores": 1}])
    planner = ScriptedPlanner(table, {None: prediction(table, UNSURE)})
    assert (
        Entropy(VoterParams()).on_plan_end(planner, case(timeline), prediction(table, UNSURE), planned(table, FASTEST))
        is None
    )


def test_the_tool_that_most_samples_see_is_taken() -> None:
    table = catalogue()
    planner = ScriptedPlanner(
        table, {None: prediction(table, UNSURE, tool=1, sure=0.7), 1: prediction(table, UNSURE, tool=1, sure=0.7)}
    )
    first = prediction(table, UNSURE, tool=0, sure=0.55)
    plan = Entropy(VoterParams()).on_plan_end(planner, case(closing(9e9)), first, planned(table, FASTEST))
    assert plan is not None
    assert plan.tool_name == "sum"
    assert plan.tool_confidence == pytest.approx(0.7)


def test_either_distribution_can_make_a_prediction_doubtful() -> None:
    table = catalogue()
    assert prediction(table, [30.0, 0.0, 0.0], sure=0.5).doubt == pytest.approx(1.0)
    assert prediction(table, [0.0, 0.0, 0.0], sure=1.0).doubt == pytest.approx(1.0)


def test_thinking_times_spread_around_the_predicted_one() -> None:
    times = thinking_times(500.0, 3, 0.3)
    assert times[0] == 500.0
    assert min(times) == pytest.approx(500 * np.exp(-0.3 * 0.9674), rel=1e-3)
    assert max(times) == pytest.approx(500 * np.exp(0.3 * 0.9674), rel=1e-3)
    assert thinking_times(500.0, 1, 0.3) == [500.0]


def test_a_tool_that_was_given_is_not_up_for_a_vote() -> None:
    table = catalogue()
    told_otherwise = prediction(table, UNSURE, tool=0, sure=0.3)  # the model itself would say tool 1
    other = prediction(table, UNSURE, tool=1, sure=0.7)
    planner = ScriptedPlanner(table, {None: other, 0: prediction(table, UNSURE)})
    Entropy(VoterParams()).on_plan_end(planner, case(closing(1450.0)), told_otherwise, planned(table, FASTEST))
    assert planner.asked[-1][1] == 0
