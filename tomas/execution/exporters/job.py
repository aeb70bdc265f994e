"""What every exporter takes and gives, and the second look at what rounding made of a plan."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from tomas.domain.fit import feasible_at
from tomas.domain.plan import Plan, ResourceConfig
from tomas.domain.resources import RESOURCE_WORDS, RESOURCES, Floats
from tomas.domain.timeline import Timeline
from tomas.errors import UserError
from tomas.execution.allowance import MIB, allowed, memory_bytes

EXACTLY = 1e-9


@dataclass(frozen=True)
class Job:
    """A command to run under a plan on another engine."""

    plan: Plan
    command: tuple[str, ...]
    timeout_s: float
    """When the engine gives it up; 0 for never."""
    image: str | None = None
    """Container image that holds the command, for engines that need one."""
    gpu_sharing: str = "hami"
    """How a Kubernetes cluster shares its GPUs: `hami`, or a GPU that is cut into MIG slices, such as `h100-80gb`."""

    @property
    def resources(self) -> ResourceConfig:
        """What the plan gives the command."""
        return allowed(self.plan)

    @property
    def name(self) -> str:
        """A name every engine takes: lower-case letters, digits and dashes, at most 40."""
        words = re.sub(r"[^a-z0-9]+", "-", (self.plan.tool_name or "").lower())
        return f"tomas-{words}"[:40].strip("-")


@dataclass
class Export:
    """The plan in the engine's own words."""

    text: str
    requirement: ResourceConfig
    """What the engine is asked for: the plan rounded up to what it can express."""
    enforced: dict[str, str] = field(default_factory=dict)
    """By field of the plan: what holds the run to it."""
    not_enforced: dict[str, str] = field(default_factory=dict)
    """By field of the plan: why nothing does."""

    def commented(self) -> str:
        """The text with what is enforced and what is not as comments on top, below a `#!` line."""
        notes = [f"# {name}: enforced by {how}" for name, how in self.enforced.items()]
        notes += [f"# {name}: not enforced, {why}" for name, why in self.not_enforced.items()]
        first, _, rest = self.text.partition("\n")
        if first.startswith("#!"):
            return "\n".join([first, *notes, rest])
        return "\n".join([*notes, self.text])


Exporter = Callable[[Job], Export]


def rounded_up(amount: float, step: float = 1.0) -> float:
    """The smallest multiple of the step that is not below the amount, but for what floats add."""
    return math.ceil(amount / step - EXACTLY) * step


def whole_mib(resources: ResourceConfig) -> int:
    """Host memory in MiB, as schedulers count it."""
    return math.ceil(memory_bytes(resources) / MIB)


def check_again(export: Export, plan: Plan, capacity: Floats, timeline: Timeline | None) -> None:
    """See that what rounding made of the plan still fits: on the timeline where it is known, else on the machine."""
    asked = np.array([[getattr(export.requirement, name) for name in RESOURCES]])
    free = np.asarray(capacity) if timeline is None else timeline.at(plan.start_ms or 0.0)
    places = np.flatnonzero(asked[0] > free)
    if len(places):
        words = ", ".join(f"{RESOURCE_WORDS[p].format(asked[0, p])} with {free[p]:g} free" for p in places)
        raise UserError(f"Rounded up to what the target can express, the plan no longer fits: it needs {words}.")
    latency = np.array([plan.expected_latency_ms or 0.0])
    if timeline is not None and not feasible_at(timeline, asked, latency, plan.start_ms or 0.0)[0]:
        raise UserError("Rounded up to what the target can express, the plan no longer fits the timeline to its end.")
