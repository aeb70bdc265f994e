"""The planner in a simulation: told the tool, it plans every task, whatever its gate would say."""

import numpy as np
import pytest

from tomas.domain.request import Request
from tomas.domain.timeline import Timeline
from tomas.planner import Planner
from tomas.simulation.measures import measures
from tomas.simulation.policies import policies, task_of
from tomas.simulation.simulator import replay

T_INF_MS = 100.0


def test_no_task_is_refused_and_no_plan_is_broken(planner: Planner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planner, "gate_threshold", 1.0)
    catalogue, capacity = planner.catalogue, planner.capacity
    names = catalogue.tools.names
    requests = [Request(text=f"do it ({number})", tool=names[number % len(names)]) for number in range(42)]
    assert all(plan.status == "no_tool" for plan in planner.plan_batch(requests))
    tasks = [task_of(request, catalogue, 150.0 * number) for number, request in enumerate(requests)]
    free = np.array([capacity, capacity / 2, capacity / 8, capacity])
    machine = Timeline(np.array([0.0, 900.0, 2500.0, 4000.0]), free)
    rule = policies(catalogue, capacity, planner, ["planner"])["planner"]
    done = replay(tasks, machine, rule, catalogue, T_INF_MS)
    figures = measures(done, machine, catalogue, T_INF_MS)
    assert (figures["finished"], figures["refused"], figures["violations"]) == (len(tasks), 0, 0)
    assert all(catalogue.tool_id[run.config_id] == tasks[run.task].tool_id for run in done.runs)
