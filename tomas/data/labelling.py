"""Puts requests before machines and asks the oracle: request x timeline x T_inf -> tool and configuration."""

import json
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tomas.config import Labelling
from tomas.data.splits import SPLITS
from tomas.data.timelines import DWELL
from tomas.data.validated import Timelines
from tomas.domain.catalogue import Catalogue
from tomas.domain.oracle import decide
from tomas.domain.resources import Floats, Ints, Size
from tomas.domain.size import resolve_size
from tomas.errors import UserError

STATUSES = ("ready", "wait", "infeasible")
HORIZON = 2.0
"""A timeline still changes this many latencies after T_inf, where there is one that does."""


class Example(NamedTuple):
    """One line of data/labelled/*.parquet."""

    request_id: str
    text: str
    lang: str
    frame: str
    source: str
    tool: str | None
    tool_id: int
    input: str | None
    input_size: str | None
    size_how: str | None
    timeline: str
    t_inf_ms: float
    status: str
    config_id: int
    start_ms: float | None
    best_latency_ms: float | None


class Machines:
    """The timelines of one split, to draw from by the time scale they change on."""

    def __init__(self, timelines: Timelines, split: str) -> None:
        """Take the timelines of that split."""
        of_split = np.array([own == split for own in timelines.splits])
        dwells, ends = timelines.dwells_ms()[of_split], timelines.ends_ms()[of_split]
        by_dwell = np.argsort(dwells, kind="stable")
        names = np.array(timelines.names, dtype=object)[of_split]
        self.names, self.dwells, self.ends = names[by_dwell], dwells[by_dwell], ends[by_dwell]

    def draw(self, rng: np.random.Generator, latency_ms: float, t_inf_ms: float) -> str:
        """Give the name of a timeline whose changes matter to a run of that latency that starts at T_inf."""
        low, high = np.searchsorted(self.dwells, np.array(DWELL) * latency_ms)
        near = np.arange(low, high)
        going_on = near[self.ends[near] >= t_inf_ms + HORIZON * latency_ms]
        fitting: Ints = going_on if len(going_on) else near if len(near) else np.arange(len(self.names))
        return str(self.names[fitting[int(rng.integers(len(fitting)))]])


def label(
    seed: int, requests: pd.DataFrame, timelines: Timelines, catalogue: Catalogue, capacity: Floats, settings: Labelling
) -> dict[str, pd.DataFrame]:
    """Give the labelled examples of each split; requests come round until there are as many as the settings ask for."""
    examples = {}
    for place, split in enumerate(SPLITS):
        rng = np.random.default_rng([seed, place])
        rows = requests[requests["split"] == split].to_dict("records")
        machines = Machines(timelines, split)
        if not rows or not len(machines.names):
            missing = "requests" if not rows else "timelines"
            raise UserError(f"the {missing} have no {split} split; every split needs both requests and timelines")
        wanted = settings.train_examples if split == "train" else settings.eval_examples
        labelled: list[Example] = []
        while len(labelled) < wanted:
            labelled += [
                _example(rng, rows[index], machines, timelines, catalogue, capacity, settings)
                for index in rng.permutation(len(rows))[: wanted - len(labelled)]
            ]
        examples[split] = pd.DataFrame(labelled, columns=list(Example._fields))
    return examples


def _example(
    rng: np.random.Generator,
    row: dict[str, Any],
    machines: Machines,
    timelines: Timelines,
    catalogue: Catalogue,
    capacity: Floats,
    settings: Labelling,
) -> Example:
    """Draw T_inf and a machine for one request and let the oracle decide."""
    low, high = settings.t_inf_ms
    t_inf_ms = round(float(np.exp(rng.uniform(np.log(low), np.log(high)))), 1)
    same = {name: row[name] for name in ("text", "lang", "frame", "source", "tool", "input")}
    same["request_id"] = row["id"]
    if row["tool"] is None:
        name = str(machines.names[int(rng.integers(len(machines.names)))])
        return Example(
            **same, tool_id=-1, input_size=None, size_how=None, timeline=name, t_inf_ms=t_inf_ms,
            status="no_tool", config_id=-1, start_ms=None, best_latency_ms=None,
        )  # fmt: skip
    tool_id = catalogue.tools.index(row["tool"])
    read = resolve_size(catalogue.tools[tool_id], row["text"], json.loads(row["input"]) if row["input"] else None)
    size: Size = row["input_size"] or read.size
    ids = catalogue.ids(tool_id, size)
    # a size that was not profiled is answered `infeasible`; any machine of the tool's time scale shows that
    scale_ms = float(np.median(catalogue.latency_ms[ids if len(ids) else catalogue.slice(tool_id)]))
    name = machines.draw(rng, scale_ms, t_inf_ms)
    decision = decide(timelines[name], t_inf_ms, catalogue, ids, capacity)
    found = decision.best is not None
    return Example(
        **same, tool_id=tool_id, input_size=size, size_how=read.how, timeline=name, t_inf_ms=t_inf_ms,
        status=decision.status, config_id=decision.best if decision.best is not None else -1,
        start_ms=decision.start_ms if found else None, best_latency_ms=decision.best_latency,
    )  # fmt: skip


def statistics(examples: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """Give, for each split, how many examples there are and what became of those a tool serves."""
    found = {}
    for split, frame in examples.items():
        served = frame[frame["tool_id"] >= 0]
        shares = served["status"].value_counts(normalize=True)
        found[split] = {
            "examples": len(frame),
            "no_tool_share": round(1 - len(served) / len(frame), 4),
            **{f"{status}_share": round(float(shares.get(status, 0.0)), 4) for status in STATUSES},
            "timelines": int(frame["timeline"].nunique()),
            "configurations": int(served.loc[served["config_id"] >= 0, "config_id"].nunique()),
        }
    return found
