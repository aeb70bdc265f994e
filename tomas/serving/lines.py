"""Requests as JSON Lines in, plans as JSON Lines out; a run that was interrupted goes on where it stopped."""

import json
import os
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, NamedTuple

from tomas.domain.request import Request
from tomas.errors import UserError
from tomas.planner import Planner

CHUNK = 64  # requests planned and written together


class Line(NamedTuple):
    """One line of a requests file that is not empty: the request, or why it is none."""

    number: int
    request: Request | None
    reason: str = ""


class Counts(NamedTuple):
    """What a run over a file did."""

    planned: int
    skipped: int
    """Plans that an earlier run had written."""
    bad: int


def read_lines(path: Path) -> Iterator[Line]:
    """The lines of a file, one at a time; timelines may be CSV files seen from its folder."""
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            if raw.strip():
                yield _read(number, raw, path.parent)


def plan_lines(
    planner: Planner,
    source: Path,
    out: IO[bytes],
    *,
    done: int,
    explain: bool,
    report: Callable[[str], None],
    progress: Callable[[int], object],
) -> Counts:
    """Write one plan for each good line, in order, after the `done` that are there; report bad ones, leave them out."""
    seen = bad = 0

    def good() -> Iterator[Request]:
        nonlocal bad
        for line in read_lines(source):
            if line.request is None:
                bad += 1
                report(f"{source}, line {line.number}: {line.reason}")
                progress(1)
            else:
                yield line.request

    for chunk in _chunks(good()):
        # What is planned together can move the last digits, so a chunk that was cut off is planned whole again.
        missing = chunk[max(0, done - seen) :]
        if missing:
            plans = planner.plan_batch(chunk, explain=explain)[-len(missing) :]
            out.write("".join(f"{plan.to_json()}\n" for plan in plans).encode())
            out.flush()
        seen += len(chunk)
        progress(len(chunk))
    if seen < done:
        raise UserError(f"there are {done} plans and {source} has {seen} requests: they are of another file")
    return Counts(seen - done, done, bad)


def whole_lines(path: Path) -> int:
    """How many plans a file holds; the beginning of one that was being written when the run ended is cut off."""
    if not path.exists():
        return 0
    count = end = 0
    with path.open("rb") as file:
        for raw in file:
            if raw.endswith(b"\n"):
                count, end = count + 1, end + len(raw)
    os.truncate(path, end)
    return count


def count_lines(path: Path) -> int:
    """How many lines are not empty, for a progress bar."""
    try:
        with path.open("rb") as file:
            return sum(1 for raw in file if raw.strip())
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error


def _read(number: int, raw: bytes, folder: Path) -> Line:
    try:
        content = json.loads(raw)
        if not isinstance(content, dict):
            return Line(number, None, "a request is a JSON object")
        return Line(number, Request.read(content, folder))
    except UnicodeDecodeError as error:
        return Line(number, None, f"not UTF-8 at byte {error.start}")
    except json.JSONDecodeError as error:
        return Line(number, None, f"not JSON: {error.msg} (column {error.colno})")
    except (ValueError, RecursionError):  # a number of thousands of digits, thousands of brackets
        return Line(number, None, "not JSON that can be read")
    except UserError as error:
        return Line(number, None, str(error))


def _chunks(requests: Iterator[Request]) -> Iterator[list[Request]]:
    while chunk := list(islice(requests, CHUNK)):
        yield chunk
