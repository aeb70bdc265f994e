"""What became of a run: planned against used, and what held the two together."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from tomas.domain.plan import Plan

Outcome = Literal["finished", "failed", "out_of_memory", "timeout", "signalled"]
EXIT_TIMEOUT = 124
EXIT_KILLED = 137


@dataclass
class Used:
    """What the run took."""

    start_ms: float
    """Start, from submission."""
    wall_ms: float
    cpu_time_s: float
    """Over all its processes."""
    cpu_core: float
    """Cores in use on average: CPU time by wall time."""
    peak_mem_gb: float
    """The most memory its processes held together."""


@dataclass
class Record:
    """One run under a plan."""

    outcome: Outcome
    exit_code: int
    """The child's own; 128 + the signal that ended it, 137 for memory, 124 for time."""
    detail: str
    """The outcome in one sentence."""
    command: list[str]
    plan: Plan
    used: Used
    cpus: list[int]
    """CPUs the run was bound to."""
    enforced: dict[str, str] = field(default_factory=dict)
    """By field of the plan: what held the run to it."""
    not_enforced: dict[str, str] = field(default_factory=dict)
    """By field of the plan: why the run was not held to it."""

    def as_json(self) -> dict[str, Any]:
        """The record as plain data, with the plan's part of it beside what was used."""
        plan = self.plan.model_dump(mode="json")
        planned = {"start_ms": plan["start_ms"], "wall_ms": plan["expected_latency_ms"], **plan["resource_config"]}
        content = {name: value for name, value in asdict(self).items() if name != "plan"}
        tool = {"tool_name": plan["tool_name"], "config_id": plan["config_id"]}
        return {**tool, "planned": planned, **content}
