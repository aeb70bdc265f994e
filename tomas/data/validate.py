"""Checks all input files at once and writes what later stages read: data/validated/*.parquet and report.json."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tomas.data.problems import Problem, raise_if_any
from tomas.data.readers import read_profiles, read_timelines, read_tools
from tomas.data.request_rows import read_requests
from tomas.domain.catalogue import Catalogue
from tomas.domain.resources import RESOURCES, SIZES, Floats
from tomas.domain.size import resolve_size
from tomas.domain.tools import ToolRegistry
from tomas.files import whole, write_json
from tomas.paths import Paths

NEAR_BEST = 1.05


class Inputs(NamedTuple):
    """All input files, read and sound."""

    registry: ToolRegistry
    catalogue: Catalogue
    profiles: pd.DataFrame
    requests: pd.DataFrame
    timelines: pd.DataFrame


def read_inputs(paths: Paths) -> Inputs:
    """Give all input files' content, or raise every problem of every file at once."""
    problems: list[Problem] = []
    names = {kind: str(getattr(paths, kind).relative_to(paths.root)) for kind in _KINDS}
    registry = read_tools(paths.tools, problems, names["tools"])
    profiles = read_profiles(paths.profiles, registry, problems, names["profiles"])
    requests = read_requests(paths.requests, registry, problems, names["requests"])
    timelines = read_timelines(paths.timelines, problems, names["timelines"])
    raise_if_any(problems)
    assert registry is not None
    assert profiles is not None
    assert requests is not None
    assert timelines is not None
    return Inputs(registry, Catalogue.from_rows(registry, profiles), profiles, requests, timelines)


_KINDS = ("tools", "profiles", "requests", "timelines")


def validate(paths: Paths, capacity: Floats, folder: Path) -> dict[str, Any]:
    """Check everything, write the parquet files and the report to the folder, and give the report."""
    inputs = read_inputs(paths)
    report = describe(inputs, capacity)
    tools = pd.DataFrame({"name": inputs.registry.names, "tool": [t.model_dump_json() for t in inputs.registry.tools]})
    profiles = pd.DataFrame([inputs.catalogue.row(config_id) for config_id in range(len(inputs.catalogue))])
    frames = {"tools": tools, "profiles": profiles, "requests": inputs.requests, "timelines": inputs.timelines}
    with whole(folder) as partial:
        partial.mkdir()
        for name, frame in frames.items():
            frame.to_parquet(partial / f"{name}.parquet", index=False)
        write_json(partial / "report.json", report)
    return report


def describe(inputs: Inputs, capacity: Floats) -> dict[str, Any]:
    """Give the statistics that report.json holds."""
    return {
        "profiles": _profile_statistics(inputs.catalogue, capacity),
        "requests": _request_statistics(inputs.requests, inputs.registry),
        "timelines": _timeline_statistics(inputs.timelines),
    }


def _profile_statistics(catalogue: Catalogue, capacity: Floats) -> dict[str, Any]:
    tools = {tool.name: len(catalogue.ids(tool.name)) for tool in catalogue.tools.tools}
    return {
        "rows": len(catalogue),
        "rows_by_tool": tools,
        "near_best_share": near_best_share(catalogue),
        "inversion_share": {name: inversion_share(catalogue, column) for column, name in enumerate(RESOURCES)},
        "beyond_the_machine": int((catalogue.requirement > capacity).any(axis=1).sum()),
        "latency_ms": {
            tool.name: {size: _spread(catalogue.latency_ms[catalogue.ids(tool.name, size)]) for size in SIZES}
            for tool in catalogue.tools.tools
        },
    }


def near_best_share(catalogue: Catalogue) -> float:
    """Give the share of rows within 5 % of the lowest latency of their tool and size."""
    near = 0
    for tool_id, _ in catalogue.tools.each():
        for size in SIZES:
            latency_ms = catalogue.latency_ms[catalogue.ids(tool_id, size)]
            near += int((latency_ms <= NEAR_BEST * latency_ms.min(initial=np.inf)).sum())
    return round(near / len(catalogue), 4)


def inversion_share(catalogue: Catalogue, resource: int) -> float | None:
    """Give the share of steps to the next higher level of one resource, all else equal, that made the tool slower."""
    others = [column for column in range(len(RESOURCES)) if column != resource]
    keys = np.column_stack((catalogue.tool_id, catalogue.size_id, catalogue.requirement[:, others]))
    order = np.lexsort((catalogue.requirement[:, resource], *keys.T[::-1]))
    same = (np.diff(keys[order], axis=0) == 0).all(axis=1)
    slower = np.diff(catalogue.latency_ms[order]) > 0
    return round(float(slower[same].mean()), 4) if same.any() else None


def _spread(latency_ms: Floats) -> Mapping[str, float] | None:
    if not len(latency_ms):
        return None
    return {
        "best": float(latency_ms.min()),
        "median": float(np.median(latency_ms)),
        "worst": float(latency_ms.max()),
    }


def _request_statistics(requests: pd.DataFrame, registry: ToolRegistry) -> dict[str, Any]:
    tools = requests["tool"].fillna("no_tool")
    return {
        "rows": len(requests),
        "frames": int(requests["frame"].nunique()),
        "rows_by_tool": _counts(tools),
        "rows_by_lang": _counts(requests["lang"]),
        "rows_by_split": _counts(requests["split"]),
        "rows_by_style": _counts(requests["style"]),
        "rows_by_tool_and_lang": {
            str(tool): _counts(requests["lang"][rows]) for tool, rows in tools.groupby(tools).groups.items()
        },
        "with_input": int(requests["input"].notna().sum()),
        "with_size": int(requests["input_size"].notna().sum()),
        "size_read_right_share": _size_read_right(requests, registry),
    }


def _size_read_right(requests: pd.DataFrame, registry: ToolRegistry) -> float | None:
    """Of the requests that tell their size in words alone, the share that is understood."""
    told = requests[requests["tool"].notna() & requests["input_size"].notna() & requests["input"].isna()]
    if told.empty:
        return None
    rows = zip(told["tool"], told["text"], told["input_size"], strict=True)
    return round(float(np.mean([resolve_size(registry[tool], text).size == size for tool, text, size in rows])), 4)


def _timeline_statistics(timelines: pd.DataFrame) -> dict[str, Any]:
    first = timelines.drop_duplicates("timeline")
    rows = timelines.groupby("timeline").size()
    return {
        "timelines": len(first),
        "timelines_by_kind": _counts(first["kind"]),
        "timelines_by_split": _counts(first["split"]),
        "rows": len(timelines),
        "rows_median": float(rows.median()),
        "rows_most": int(rows.max()),
    }


def _counts(column: Any) -> dict[str, int]:
    return {str(name): int(count) for name, count in column.value_counts().sort_index().items()}
