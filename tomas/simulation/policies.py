"""Who decides in a simulation: the oracle, the baselines, or the planner, each by the same call."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tomas.domain.catalogue import Catalogue
from tomas.domain.oracle import decide
from tomas.domain.request import Request
from tomas.domain.resources import Floats, Ints
from tomas.domain.size import resolve_size
from tomas.domain.timeline import Timeline
from tomas.errors import UserError
from tomas.evaluation.baselines import BASELINES, Baseline, Choice

if TYPE_CHECKING:
    from tomas.planner import Planner


@dataclass(frozen=True, eq=False)
class Task:
    """A request that needs a run: its tool, the configurations it may take, and when it arrives."""

    request: Request
    tool_id: int
    ids: Ints
    arrival_ms: float


Policy = Callable[[Task, Timeline, float], Choice]


def task_of(request: Request, catalogue: Catalogue, arrival_ms: float) -> Task:
    """A task from a request whose tool is known."""
    if request.tool is None:
        raise UserError(f"a simulated request needs its tool: {request.text[:60]!r} has none")
    tool_id = catalogue.tools.index(request.tool)
    size = resolve_size(catalogue.tools[tool_id], request.text, request.input, request.input_size).size
    return Task(request, tool_id, catalogue.ids(tool_id, size), arrival_ms)


def policies(
    catalogue: Catalogue, capacity: Floats, planner: "Planner | None", names: Iterable[str]
) -> dict[str, Policy]:
    """The named policies: `planner`, `oracle`, or a baseline of the evaluation."""
    known = {"oracle": _oracle(catalogue, capacity)}
    known |= {name: _baseline(rule, catalogue, capacity) for name, rule in BASELINES.items()}
    if planner is not None:
        known["planner"] = planner_policy(planner)
    return {name: known[name] for name in names}


def planner_policy(planner: "Planner") -> Policy:
    """The trained planner, told the tool as the baselines are: its gate is not asked whether one is needed."""

    def decide_by_planner(task: Task, timeline: Timeline, t_inf_ms: float) -> Choice:
        request = task.request.model_copy(update={"timeline": timeline, "t_inf_ms": t_inf_ms})
        (prediction,) = planner.predict([request], tool_ids=[task.tool_id])
        plan = planner.complete(request, replace(prediction, serviceable=1.0))
        return Choice(plan.config_id, float("inf") if plan.start_ms is None else plan.start_ms)

    return decide_by_planner


def _oracle(catalogue: Catalogue, capacity: Floats) -> Policy:
    def decide_best(task: Task, timeline: Timeline, t_inf_ms: float) -> Choice:
        decision = decide(timeline, t_inf_ms, catalogue, task.ids, capacity)
        return Choice(decision.best, decision.start_ms)

    return decide_best


def _baseline(rule: Baseline, catalogue: Catalogue, capacity: Floats) -> Policy:
    return lambda task, timeline, t_inf_ms: rule(timeline, t_inf_ms, catalogue, task.ids, capacity)
