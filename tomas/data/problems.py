"""What is wrong with input files, all of it at once: file, line, column, reason."""

from collections.abc import Sequence
from typing import NamedTuple

from tomas.errors import UserError

SHOWN_PER_FILE = 100


class Problem(NamedTuple):
    """One mistake in one file; no line where it concerns the file as a whole, no column where it concerns the line."""

    file: str
    line: int | None
    column: str | None
    reason: str

    def __str__(self) -> str:
        """Give it as one line, `file:line: column: reason`."""
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {self.reason}" if self.column is None else f"{where}: {self.column}: {self.reason}"


class DataError(UserError):
    """Input files that cannot be used, with every problem found in them."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Keep the problems; the message has one line for each, file by file, and cuts only very long lists."""
        self.problems = tuple(problems)
        lines: list[str] = []
        for file in dict.fromkeys(problem.file for problem in problems):
            found = [problem for problem in problems if problem.file == file]
            lines += map(str, found[:SHOWN_PER_FILE])
            if len(found) > SHOWN_PER_FILE:
                lines.append(f"{file}: ... and {len(found) - SHOWN_PER_FILE} more problems of {len(found)}")
        super().__init__("\n".join(lines))


def raise_if_any(problems: Sequence[Problem]) -> None:
    """Raise a DataError where there are problems."""
    if problems:
        raise DataError(problems)
