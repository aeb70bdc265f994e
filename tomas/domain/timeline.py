"""Timelines: how much of each resource is free over time, as a step function whose last row holds on."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tomas.domain.resources import MAX_GPU_SM, RESOURCES, TIMELINE_COLUMNS, Floats, Ints, frozen
from tomas.errors import UserError

MAX_ROWS = 100_000
MAX_CHARS = 16_000_000
Method = Literal["previous", "linear", "nearest"]


@dataclass(frozen=True, eq=False)
class Timeline:
    """Free resources from time_ms[i] until time_ms[i + 1]; the first row also holds before it, the last for ever.

    time_ms is [L], strictly increasing, 0 = the moment of submission; free is [L, 4] in the order of RESOURCES.
    """

    time_ms: Floats
    free: Floats

    def __post_init__(self) -> None:
        """Refuse what is not a step function of four free amounts."""
        time_ms = np.array(self.time_ms, dtype=np.float64)
        free = np.array(self.free, dtype=np.float64)
        if time_ms.ndim != 1 or free.shape != (len(time_ms), len(RESOURCES)):
            raise UserError(f"a timeline needs {len(RESOURCES)} free amounts a row, found shape {free.shape}")
        if not 1 <= len(time_ms) <= MAX_ROWS:
            raise UserError(f"a timeline needs 1 to {MAX_ROWS} rows, found {len(time_ms)}")
        _refuse_bad_rows(time_ms, free)
        object.__setattr__(self, "time_ms", frozen(time_ms))
        object.__setattr__(self, "free", frozen(free))

    @classmethod
    def from_rows(cls, rows: Any) -> "Timeline":
        """Read a list of mappings, a list of five-number lists, a mapping of columns, or a data frame."""
        if isinstance(rows, Mapping) or hasattr(rows, "columns"):
            columns = [_numbers(name, _cells((rows,), name)[0]) for name in TIMELINE_COLUMNS]
        elif isinstance(rows, Sequence) and not isinstance(rows, str) and rows:
            if len(rows) > MAX_ROWS:
                raise UserError(f"a timeline needs 1 to {MAX_ROWS} rows, found {len(rows)}")
            by_name = isinstance(rows[0], Mapping)
            keys: Sequence[Any] = TIMELINE_COLUMNS if by_name else range(len(TIMELINE_COLUMNS))
            cells = [_cells(rows, key) for key in keys]
            columns = [_numbers(*named) for named in zip(TIMELINE_COLUMNS, cells, strict=True)]
        else:
            raise UserError(f"a timeline needs rows of {', '.join(TIMELINE_COLUMNS)}")
        return cls._from_columns(columns)

    @classmethod
    def from_csv_text(cls, text: str) -> "Timeline":
        """Read CSV text with a header that has the columns of TIMELINE_COLUMNS, in any order; others are ignored."""
        if len(text) > MAX_CHARS:
            raise UserError(f"a timeline may have {MAX_CHARS} characters, found {len(text)}")
        try:
            lines = [line for line in csv.reader(io.StringIO(text.lstrip("\ufeff"))) if "".join(line).strip()]
        except csv.Error as error:
            raise UserError(f"the timeline is not CSV: {error}") from error
        if not lines:
            raise UserError("the timeline is empty: it needs a header and at least one row")
        header = [cell.strip() for cell in lines[0]]
        missing = [name for name in TIMELINE_COLUMNS if name not in header]
        if missing:
            raise UserError(
                f"the timeline lacks the columns {', '.join(missing)}: its header is {','.join(header)[:80]}"
            )
        if not 1 <= len(lines) - 1 <= MAX_ROWS:
            raise UserError(f"a timeline needs 1 to {MAX_ROWS} rows, found {len(lines) - 1}")
        places = [header.index(name) for name in TIMELINE_COLUMNS]
        cells = [_cells(lines[1:], place) for place in places]
        columns = [_numbers(*named) for named in zip(TIMELINE_COLUMNS, cells, strict=True)]
        return cls._from_columns(columns)

    @classmethod
    def from_csv(cls, path: Path | str) -> "Timeline":
        """Read a CSV file; an error names the file."""
        try:
            with Path(path).open(encoding="utf-8") as file:
                return cls.from_csv_text(file.read(MAX_CHARS + 1))
        except OSError as error:
            raise UserError(f"{path}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise UserError(f"{path}: not UTF-8 at byte {error.start}") from error
        except UserError as error:
            raise UserError(f"{path}: {error}") from error

    @classmethod
    def constant(cls, free: Sequence[float] | Floats) -> "Timeline":
        """Give the timeline on which these four amounts are free for ever."""
        return cls(np.zeros(1), np.asarray(free, dtype=np.float64).reshape(1, -1))

    @classmethod
    def _from_columns(cls, columns: Sequence[Floats]) -> "Timeline":
        shapes = {column.shape for column in columns}
        if len(shapes) > 1 or columns[0].ndim != 1:
            raise UserError(f"the timeline's columns {', '.join(TIMELINE_COLUMNS)} must hold one number a row each")
        return cls(columns[0], np.stack(columns[1:], axis=1))

    def rows_at(self, times_ms: Sequence[float] | Floats) -> Ints:
        """Give the row in force at each of these moments."""
        return np.maximum(np.searchsorted(self.time_ms, times_ms, side="right") - 1, 0)

    def at(self, time_ms: float) -> Floats:
        """Give the four amounts free at this moment."""
        row: Floats = self.free[int(self.rows_at(np.array([time_ms]))[0])]
        return row

    def after(self, time_ms: float) -> "Timeline":
        """Give what is left from this moment on, with this moment as time 0."""
        first = int(self.rows_at(np.array([time_ms]))[0])
        times = self.time_ms[first:] - time_ms
        times[0] = 0.0
        return Timeline._of_sound(times, self.free[first:])

    @classmethod
    def _of_sound(cls, time_ms: Floats, free: Floats) -> "Timeline":
        """Make one of rows that were checked already."""
        made = object.__new__(cls)
        object.__setattr__(made, "time_ms", frozen(time_ms))
        object.__setattr__(made, "free", free)
        return made

    def resample(self, offsets_ms: Sequence[float] | Floats, method: Method = "previous") -> Floats:
        """Give the free amounts at these moments as [P, 4]: exactly (previous), or smoothed (linear, nearest)."""
        offsets = np.asarray(offsets_ms, dtype=np.float64)
        if method == "previous":
            return self.free[self.rows_at(offsets)]
        if method == "linear":
            return np.stack([np.interp(offsets, self.time_ms, column) for column in self.free.T], axis=1)
        if method == "nearest":
            # of two rows equally near, the earlier
            middles = (self.time_ms[1:] + self.time_ms[:-1]) / 2
            return self.free[np.searchsorted(middles, offsets, side="left")]
        raise UserError(f"unknown interpolation {method!r}: previous, linear or nearest")

    def running_min(self, offsets_ms: Sequence[float] | Floats) -> Floats:
        """Give the least that is free from time 0 up to and including each of these moments, as [P, 4]."""
        first, least = self._so_far
        return least[np.maximum(self.rows_at(offsets_ms) - first, 0)]

    def lasting(self, amounts: Floats) -> Floats:
        """Give for how long from time 0 at least each of these amounts [N, 4] is free, in ms, resource by resource."""
        first, least = self._so_far  # it falls with time, so the first row below an amount is found by bisection
        below = [np.searchsorted(-have, -need, side="right") for have, need in zip(least.T, amounts.T, strict=True)]
        ends = np.append(self.time_ms[first:], np.inf)
        ends[0] = 0.0
        lasting: Floats = ends[np.stack(below, axis=1)]
        return lasting

    @cached_property
    def _so_far(self) -> tuple[int, Floats]:
        """The row in force at time 0, and the least that is free from then until the end of it and of each later."""
        first = int(self.rows_at(np.zeros(1))[0])
        return first, np.minimum.accumulate(self.free[first:], axis=0)

    def to_rows(self) -> list[dict[str, float]]:
        """Give the rows as mappings with the names of TIMELINE_COLUMNS."""
        table = np.column_stack((self.time_ms, self.free)).tolist()
        return [dict(zip(TIMELINE_COLUMNS, row, strict=True)) for row in table]

    def __len__(self) -> int:
        return len(self.time_ms)


def _cells(rows: Sequence[Any], key: str | int) -> list[Any]:
    """Give one column of rows; a row that lacks it is an error that says which."""
    try:
        return [row[key] for row in rows]
    except (KeyError, IndexError, TypeError) as error:
        name = key if isinstance(key, str) else f"column {key + 1}"
        raise UserError(f"timeline rows need all of {', '.join(TIMELINE_COLUMNS)}; {name} is missing") from error


def _numbers(name: str, cells: Any) -> Floats:
    """Give cells as numbers; the first that is none is an error that says where."""
    try:
        return np.array(cells, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        pass
    for row, cell in enumerate(cells):
        try:
            float(cell)
        except (TypeError, ValueError, OverflowError) as error:
            raise UserError(f"timeline row {row + 1}: {name} is not a number: {str(cell)[:50]!r}") from error
    raise UserError(f"timeline column {name} must hold one number a row")


def _refuse_bad_rows(time_ms: Floats, free: Floats) -> None:
    """Name the first row whose numbers cannot be: not finite, negative, more than a whole GPU, or back in time."""
    if not np.isfinite(time_ms).all():
        raise UserError(f"timeline row {int(np.argmin(np.isfinite(time_ms))) + 1}: time_ms is not finite")
    sound = np.isfinite(free) & (free >= 0)
    sound[:, 2] &= free[:, 2] <= MAX_GPU_SM
    if not sound.all():
        row, column = (int(index) for index in np.argwhere(~sound)[0])
        rule = f"0 to {MAX_GPU_SM:g} percent" if column == 2 else "finite and not negative"
        name = TIMELINE_COLUMNS[column + 1]
        raise UserError(f"timeline row {row + 1}: {name} is {free[row, column]:g}, it must be {rule}")
    late = np.diff(time_ms) > 0
    if not late.all():
        row = int(np.argmin(late))
        earlier, later = time_ms[row : row + 2].tolist()
        raise UserError(f"timeline row {row + 2}: time_ms must increase, {later:g} comes after {earlier:g}")
