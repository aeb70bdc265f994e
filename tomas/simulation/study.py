"""The same tasks on the same machine under every policy, side by side."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tomas.domain.catalogue import Catalogue
from tomas.domain.resources import Floats
from tomas.domain.timeline import Timeline
from tomas.simulation.measures import measures
from tomas.simulation.policies import Policy, Task
from tomas.simulation.simulator import Replay, replay


@dataclass(frozen=True)
class Study:
    """What every policy made of one workload."""

    load: float | None
    """The load the arrivals were drawn for; None where the requests brought their own."""
    t_inf_ms: float
    machine: Timeline
    replays: Mapping[str, Replay]
    measures: Mapping[str, Mapping[str, Any]]

    def as_json(self) -> dict[str, Any]:
        """The figures, each policy's completion also as a multiple of the oracle's where that took part."""
        table = {name: dict(values) for name, values in self.measures.items()}
        best = table.get("oracle", {}).get("completion_ms_mean")
        for values in table.values():
            mean = values["completion_ms_mean"]
            values["completion_of_oracle"] = mean / best if best and mean is not None else None
        tasks = next(iter(self.replays.values())).tasks
        return {"load": self.load, "requests": len(tasks), "t_inf_ms": self.t_inf_ms, "policies": table}


def study(
    tasks: Sequence[Task],
    machine: Timeline,
    rules: Mapping[str, Policy],
    catalogue: Catalogue,
    t_inf_ms: float,
    load: float | None = None,
    progress: Callable[[], object] = lambda: None,
) -> Study:
    """Replay the tasks under each policy."""
    replays = {name: replay(tasks, machine, rule, catalogue, t_inf_ms, progress) for name, rule in rules.items()}
    table = {name: measures(done, machine, catalogue, t_inf_ms) for name, done in replays.items()}
    return Study(load, t_inf_ms, machine, replays, table)


def completions(done: Replay) -> Floats:
    """Time from arrival to end of every task that finished, in ms, ascending."""
    return np.sort([run.end_ms - done.tasks[run.task].arrival_ms for run in done.runs if run.finished])
