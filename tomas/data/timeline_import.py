"""Turns a directory of free-resource CSVs into the form of data/timelines/timelines.csv."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tomas.data.problems import Problem, raise_if_any
from tomas.data.readers import check_increasing, timeline_numbers
from tomas.data.splits import share_out
from tomas.data.table import read_table
from tomas.data.timelines import COLUMNS, SHARES, rows_of
from tomas.domain.resources import TIMELINE_COLUMNS, Floats
from tomas.domain.timeline import Timeline
from tomas.errors import UsageError, UserError


def import_timelines(folder: Path, window_ms: float | None = None) -> str:
    """Give every CSV under the folder as rows of timelines.csv, or raise all that is wrong with any of them.

    A file's name (with its folders) is the timeline's name, the folder it lies in the kind of machine. A long recording
    is cut into windows of `window_ms`, each with its own beginning as time 0; all of a file go to one split.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: not a directory; name the one your CSV files lie in")
    if window_ms is not None and not window_ms > 0:
        raise UsageError(f"--window-ms must be above 0, found {window_ms:g}")
    problems: list[Problem] = []
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    paths = sorted(folder.rglob("*.csv"))
    if not paths:
        problems.append(Problem(str(folder), None, None, "no CSV file in it"))
    splits = share_out(0, [str(path.relative_to(folder)) for path in paths], SHARES)
    for path in paths:
        timeline = _read(path, problems)
        if timeline is None:
            continue
        place = path.relative_to(folder)
        kind = place.parent.name or "imported"
        for name, window in _windows(str(place.with_suffix("")), timeline, window_ms):
            writer.writerows(rows_of(name, kind, splits[str(place)], window))
    raise_if_any(problems)
    return buffer.getvalue()


def _read(path: Path, problems: list[Problem]) -> Timeline | None:
    before = len(problems)
    table = read_table(path, TIMELINE_COLUMNS, problems)
    if table is None:
        return None
    columns = timeline_numbers(table, problems)
    times: Floats = columns["time_ms"]
    check_increasing(times, np.ones(len(times) - 1, dtype=np.bool_), table, problems)
    if len(problems) > before:
        return None
    return Timeline(times, np.stack([columns[column] for column in TIMELINE_COLUMNS[1:]], axis=1))


def _windows(name: str, timeline: Timeline, window_ms: float | None) -> Iterator[tuple[str, Timeline]]:
    if window_ms is None:
        yield name, timeline
        return
    after_last = np.nextafter(timeline.time_ms[-1], np.inf)
    for number, start in enumerate(np.arange(timeline.time_ms[0], after_last, window_ms)):
        window = timeline.after(float(start))
        seen = window.time_ms < window_ms
        yield f"{name}#{number}", Timeline(window.time_ms[seen], window.free[seen])
