"""Readers of the four kinds of input files; each finds everything that is wrong in its file before it gives up."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from tomas.data.problems import Problem, raise_if_any
from tomas.data.splits import SPLITS
from tomas.data.table import Table, numbers, read_table, read_text
from tomas.domain.catalogue import ROW_COLUMNS, Catalogue
from tomas.domain.resources import MAX_GPU_SM, RESOURCES, SIZES, TIMELINE_COLUMNS
from tomas.domain.tools import InputSpec, Tool, ToolRegistry
from tomas.registry import suggestion

SM_HINT = "; SMs are given in percent"


def read_tools(path: Path, problems: list[Problem], name: str | None = None) -> ToolRegistry | None:
    """Give the registry of tools.json, None where anything in it is wrong."""
    file, before = name or str(path), len(problems)
    text = read_text(path, problems, file)
    if text is None:
        return None
    tools: dict[str, tuple[int, Tool]] = {}
    try:
        for line, entry, source in _entries(text):
            tool = _tool(entry, source, Problem(file, line, None, ""), problems)
            if tool is None:
                continue
            if tool.name in tools:
                reason = f"the tool {tool.name!r} is there twice; the first is on line {tools[tool.name][0]}"
                problems.append(Problem(file, line, "name", reason))
            tools.setdefault(tool.name, (line, tool))
    except json.JSONDecodeError as error:
        problems.append(Problem(file, error.lineno, None, f"not JSON: {error.msg} (column {error.colno})"))
    if not tools and len(problems) == before:
        problems.append(Problem(file, None, None, "the list has no tool"))
    return ToolRegistry(tools=tuple(tool for _, tool in tools.values())) if len(problems) == before else None


def read_profiles(
    path: Path, registry: ToolRegistry | None, problems: list[Problem], name: str | None = None
) -> pd.DataFrame | None:
    """Give the rows of profiling.csv with the columns of ROW_COLUMNS, None where anything in it is wrong.

    Without a registry (its file is wrong too) the tools' names are not checked.
    """
    file, before = name or str(path), len(problems)
    table = read_table(path, ROW_COLUMNS, problems, file)
    if table is None:
        return None
    columns: dict[str, Any] = {column: table.columns[column] for column in ("tool", "input_size")}
    for column in RESOURCES:
        sm = column == "gpu_sm"
        columns[column] = numbers(table, column, problems, high=MAX_GPU_SM if sm else math.inf, unit=SM_HINT)
    columns["latency_ms"] = numbers(table, "latency_ms", problems)
    problems += [
        Problem(file, line, "latency_ms", "0 is no latency; it must be above 0")
        for line, latency_ms in zip(table.lines, columns["latency_ms"], strict=True)
        if latency_ms == 0
    ]
    for row, size in enumerate(columns["input_size"]):
        if size not in SIZES:
            reason = f"unknown size {size!r}: it must be one of {', '.join(SIZES)}"
            problems.append(Problem(file, table.lines[row], "input_size", reason))
    if registry is not None:
        _check_tools(table, registry, problems)
    frame = pd.DataFrame(columns)
    _check_doubles(frame, table, problems)
    return frame if len(problems) == before else None


def read_timelines(path: Path, problems: list[Problem], name: str | None = None) -> pd.DataFrame | None:
    """Give the rows of timelines.csv, None where anything in it is wrong."""
    file, before = name or str(path), len(problems)
    table = read_table(path, ("timeline", "kind", "split", *TIMELINE_COLUMNS), problems, file)
    if table is None:
        return None
    columns: dict[str, Any] = {column: table.columns[column] for column in ("timeline", "kind", "split")}
    columns |= timeline_numbers(table, problems)
    for row, split in enumerate(columns["split"]):
        if split not in SPLITS:
            reason = f"unknown split {split!r}: it must be one of {', '.join(SPLITS)}"
            problems.append(Problem(file, table.lines[row], "split", reason))
    frame = pd.DataFrame(columns)
    _check_timelines(frame, table, problems)
    return frame if len(problems) == before else None


def timeline_numbers(table: Table, problems: list[Problem]) -> dict[str, Any]:
    """Give time and free amounts of a table that has TIMELINE_COLUMNS."""
    columns: dict[str, Any] = {"time_ms": numbers(table, "time_ms", problems, low=-math.inf)}
    for column in TIMELINE_COLUMNS[1:]:
        sm = column == "gpu_sm"
        columns[column] = numbers(table, column, problems, high=MAX_GPU_SM if sm else math.inf, unit=SM_HINT)
    return columns


def check_increasing(times: Any, same: Any, table: Table, problems: list[Problem]) -> None:
    """Add a problem for each row that does not come after the one before it; `same` says which two belong together."""
    for row in np.flatnonzero(same & (np.diff(times) <= 0)) + 1:
        reason = f"time must increase: {times[row]:g} comes after {times[row - 1]:g}"
        problems.append(Problem(table.file, table.lines[row], "time_ms", reason))


def load_tools(path: Path) -> ToolRegistry:
    """Give the registry, or raise all its problems at once."""
    problems: list[Problem] = []
    registry = read_tools(path, problems)
    raise_if_any(problems)
    assert registry is not None
    return registry


def load_catalogue(tools: Path, profiles: Path) -> Catalogue:
    """Give the catalogue of a registry file and a profiling table, or raise all their problems at once."""
    problems: list[Problem] = []
    registry = read_tools(tools, problems)
    frame = read_profiles(profiles, registry, problems)
    raise_if_any(problems)
    assert registry is not None
    return Catalogue.from_rows(registry, frame)


def _entries(text: str) -> Iterator[tuple[int, Any, str]]:
    """The elements of a JSON list with the line each begins on and its source."""
    json.loads(text)  # a syntax error anywhere is told by its own line and column
    position = len(text) - len(text.lstrip())
    if text[position] != "[":
        raise json.JSONDecodeError("a list of tools is needed", text, position)
    decoder, position = json.JSONDecoder(), position + 1
    while True:
        while text[position] in " \t\r\n,":
            position += 1
        if text[position] == "]":
            return
        entry, end = decoder.raw_decode(text, position)
        yield text.count("\n", 0, position) + 1, entry, text[position:end]
        position = end


def _tool(entry: Any, source: str, at: Problem, problems: list[Problem]) -> Tool | None:
    if not isinstance(entry, dict):
        problems.append(at._replace(reason="a tool is an object with name, description and input"))
        return None
    try:
        return Tool.model_validate(entry)
    except ValidationError as error:
        for detail in error.errors():
            where = [str(part) for part in detail["loc"]]
            line = at.line
            if where and line is not None and (found := source.find(f'"{where[-1]}"')) >= 0:
                line += source.count("\n", 0, found)
            reason = detail["msg"].removeprefix("Value error, ")
            if detail["type"] == "extra_forbidden":
                known = InputSpec.model_fields if where[:-1] == ["input"] else Tool.model_fields
                reason = f"unknown key.{suggestion(where[-1], known)}"
            elif detail["type"] == "missing":
                reason = "the key is missing"
            problems.append(at._replace(line=line, column=".".join(where) or None, reason=reason))
        return None


def _check_tools(table: Table, registry: ToolRegistry, problems: list[Problem]) -> None:
    seen = set(table.columns["tool"])
    for row, tool in enumerate(table.columns["tool"]):
        if tool not in registry:
            reason = f"{tool!r} is not in the registry.{suggestion(tool, registry.names)}"
            problems.append(Problem(table.file, table.lines[row], "tool", reason))
    for tool in registry.names:
        if tool not in seen:
            reason = f"no row for {tool!r}, which the registry has; profile it or take it out of the registry"
            problems.append(Problem(table.file, None, "tool", reason))


def _check_doubles(frame: pd.DataFrame, table: Table, problems: list[Problem]) -> None:
    first: dict[tuple[Any, ...], int] = {}
    for row, key in enumerate(zip(*(frame[column] for column in ROW_COLUMNS[:-1]), strict=True)):
        line = first.setdefault(key, table.lines[row])
        if line != table.lines[row]:
            reason = f"the same tool, size and resources as on line {line}"
            problems.append(Problem(table.file, table.lines[row], None, reason))


def _check_timelines(frame: pd.DataFrame, table: Table, problems: list[Problem]) -> None:
    names = frame["timeline"].to_numpy(dtype=object)
    same = names[1:] == names[:-1]
    check_increasing(frame["time_ms"].to_numpy(), same, table, problems)
    seen: dict[str, int] = {}
    for row in np.append(0, np.flatnonzero(~same) + 1):
        line = seen.setdefault(names[row], table.lines[row])
        if line != table.lines[row]:
            reason = f"the timeline {names[row]!r} began on line {line}; its rows must stand together"
            problems.append(Problem(table.file, table.lines[row], "timeline", reason))
    for column in ("kind", "split"):
        cells = frame[column].to_numpy(dtype=object)
        for row in np.flatnonzero(same & (cells[1:] != cells[:-1])) + 1:
            reason = f"{cells[row]!r} where the row before has {cells[row - 1]!r}; a timeline has one {column}"
            problems.append(Problem(table.file, table.lines[row], column, reason))
