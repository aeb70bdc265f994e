"""Reader of requests.jsonl: the labelled requests the planner learns from and is tested on."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from tomas.data.problems import Problem
from tomas.data.splits import share_out
from tomas.data.table import read_text
from tomas.domain.resources import Size
from tomas.domain.tools import ToolRegistry
from tomas.registry import suggestion

COLUMNS = ("id", "text", "tool", "lang", "frame", "style", "split", "source", "input", "input_size")
SHARES = {"val": 0.10, "test": 0.20}
"""Frames kept back where the file names no splits."""


class RequestRow(BaseModel):
    """One line of requests.jsonl; only text and tool must be there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: Annotated[str, Field(max_length=20_000)]
    tool: str | None
    id: str | None = None
    lang: str | None = None
    frame: str | None = None
    style: str = ""
    split: Literal["train", "val", "test"] | None = None
    source: str = "own"
    input: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] | None = None
    input_size: Size | None = None

    @field_validator("text")
    @classmethod
    def _has_words(cls, text: str) -> str:
        if not text.strip():
            raise ValueError("the text is empty")
        return text


def read_requests(
    path: Path, registry: ToolRegistry | None, problems: list[Problem], name: str | None = None
) -> pd.DataFrame | None:
    """Give the requests with the columns of COLUMNS, None where any line is wrong.

    A line without a frame is a frame of its own, one without a split gets one by its frame, one without a language is
    Chinese where it has Han signs and English elsewhere.
    """
    file, before = name or str(path), len(problems)
    text = read_text(path, problems, file)
    if text is None:
        return None
    rows: list[dict[str, Any]] = []
    lines: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), start=1):  # splitlines() also splits at U+2028
        if not line.strip():
            continue
        at = Problem(file, number, None, "")
        row = _row(line, at, problems)
        if row is None:
            continue
        if registry is not None and row.tool is not None and row.tool not in registry:
            reason = f"{row.tool!r} is not in the registry.{suggestion(row.tool, registry.names)}"
            problems.append(at._replace(column="tool", reason=reason))
        request_id = row.id or f"line{number}"
        if lines.setdefault(request_id, number) != number:
            reason = f"{request_id!r} is the id of line {lines[request_id]} too"
            problems.append(at._replace(column="id", reason=reason))
        rows.append(_completed(row, request_id))
    if len(problems) > before:
        return None
    _fill_splits(rows)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _fill_splits(rows: list[dict[str, Any]]) -> None:
    """Give a split to the frames that have none, tool by tool."""
    for tool in {row["tool"] for row in rows}:
        without = [row for row in rows if row["tool"] == tool and row["split"] is None]
        splits = share_out(0, [row["frame"] for row in without], SHARES)
        for row in without:
            row["split"] = splits[row["frame"]]


def _row(line: str, at: Problem, problems: list[Problem]) -> RequestRow | None:
    try:
        content = json.loads(line)
    except json.JSONDecodeError as error:
        problems.append(at._replace(reason=f"not JSON: {error.msg} (column {error.colno})"))
        return None
    if not isinstance(content, dict):
        problems.append(at._replace(reason="a request is an object with text and tool"))
        return None
    try:
        return RequestRow.model_validate(content)
    except ValidationError as error:
        problems += _problems(error, at)
        return None


def _problems(error: ValidationError, at: Problem) -> Iterator[Problem]:
    for detail in error.errors():
        column = ".".join(map(str, detail["loc"]))
        reason = detail["msg"].removeprefix("Value error, ")
        if detail["type"] == "extra_forbidden":
            reason = f"unknown key.{suggestion(column, RequestRow.model_fields)}"
        elif detail["type"] == "missing":
            hint = " (null where no tool serves the request)" if column == "tool" else ""
            reason = f"the key is missing{hint}"
        yield at._replace(column=column, reason=reason)


def _completed(row: RequestRow, request_id: str) -> dict[str, Any]:
    frame = row.frame or request_id
    return row.model_dump() | {
        "id": request_id,
        "frame": frame,
        "lang": row.lang or ("zh" if re.search(r"[\u4e00-\u9fff]", row.text) else "en"),
        "input": None if row.input is None else json.dumps(row.input, sort_keys=True),
    }
