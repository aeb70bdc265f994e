"""A CSV file as columns of text with their line numbers; whatever is wrong becomes a problem with its place."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tomas.data.problems import Problem
from tomas.domain.resources import Floats
from tomas.registry import suggestion


@dataclass(frozen=True)
class Table:
    """The rows of a CSV file that have the right number of cells."""

    file: str
    lines: list[int]
    columns: dict[str, list[str]]


def read_text(path: Path, problems: list[Problem], name: str | None = None) -> str | None:
    """Give the file's text, or None and a problem where there is none to be had."""
    file = name or str(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        problems.append(Problem(file, None, None, f"cannot be read: {error.strerror}"))
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problems.append(Problem(file, line, None, f"not UTF-8 at byte {error.start}; save the file as UTF-8"))
        return None
    if not text.strip():
        problems.append(Problem(file, None, None, "the file is empty"))
        return None
    return text


def read_table(path: Path, required: Sequence[str], problems: list[Problem], name: str | None = None) -> Table | None:
    """Give a CSV file's columns, None where its header cannot be used; columns not asked for are left out."""
    file = name or str(path)
    text = read_text(path, problems, file)
    if text is None:
        return None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    lines: list[int] = []
    rows: list[list[str]] = []
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                lines.append(reader.line_num)
                rows.append(row)
    except csv.Error as error:
        problems.append(Problem(file, reader.line_num, None, f"not CSV: {error}"))
        return None
    header = [cell.strip() for cell in rows[0]]
    if not _header_is_sound(header, required, Problem(file, lines[0], None, ""), problems):
        return None
    if len(rows) == 1:
        problems.append(Problem(file, lines[0], None, "there is a header and no row"))
        return None
    good = []
    for position in range(1, len(rows)):
        if len(rows[position]) == len(header):
            good.append(position)
        else:
            reason = f"{len(rows[position])} cells where the header has {len(header)}"
            problems.append(Problem(file, lines[position], None, reason))
    places = {column: header.index(column) for column in required}
    columns = {column: [rows[position][place].strip() for position in good] for column, place in places.items()}
    return Table(file, [lines[position] for position in good], columns)


def numbers(
    table: Table, column: str, problems: list[Problem], low: float = 0, high: float = math.inf, unit: str = ""
) -> Floats:
    """Give a column as numbers, NaN where a cell is none or out of bounds, each with a problem."""
    cells = table.columns[column]
    try:
        values = np.array(cells, dtype=np.float64)
    except ValueError:
        values = np.array([_number(cell) for cell in cells])
    good = np.isfinite(values) & (values >= low) & (values <= high)
    for row in np.flatnonzero(~good):
        reason = _why_not(cells[row], float(values[row]), low, high, unit)
        problems.append(Problem(table.file, table.lines[row], column, reason))
    return np.where(good, values, np.nan)


def _header_is_sound(header: list[str], required: Sequence[str], at: Problem, problems: list[Problem]) -> bool:
    before = len(problems)
    for column in required:
        if column not in header:
            others = [other for other in header if other not in required]
            problems.append(at._replace(column=column, reason=f"the column is missing.{suggestion(column, others)}"))
        elif header.count(column) > 1:
            problems.append(at._replace(column=column, reason="the column is there twice"))
    return len(problems) == before


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan


def _why_not(cell: str, value: float, low: float, high: float, unit: str) -> str:
    if not cell:
        return "empty where a number is needed"
    if math.isnan(value) or math.isinf(value):
        return f"{cell!r} is not a finite number"
    if value < low:
        return f"{value:g} is below {low:g}"
    return f"{value:g} is above {high:g}{unit}"
