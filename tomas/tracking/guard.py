"""A store that fails must not cost a training: it is dropped with one warning, unless the user wants it an error."""

import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from tomas.errors import UserError
from tomas.tracking.base import RunInfo, Tracker

log = logging.getLogger(__name__)


class Guarded:
    """A tracker that stops recording when its store fails; TOMAS_REQUIRE_TRACKING=1 stops the stage instead.

    Another store is never taken: runs in two places are worse than a gap that was announced.
    """

    def __init__(self) -> None:
        self._tracker: Tracker | None = None

    def attempt(self, action: Callable[[], Any]) -> Any:
        """What the store answers, or None once it has failed."""
        try:
            return action()
        except UserError:
            raise
        except Exception as error:
            self._tracker = None
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            if os.environ.get("TOMAS_REQUIRE_TRACKING") == "1":
                raise UserError(f"the run cannot be recorded: {reason}") from error
            log.warning("this run is not recorded any further: %s", reason)
            return None

    def enter(self, part: AbstractContextManager[Tracker]) -> None:
        """Open the store."""
        self._tracker = self.attempt(part.__enter__)

    def _call(self, method: str, *values: Any) -> None:
        if self._tracker is not None:
            self.attempt(lambda: getattr(self._tracker, method)(*values))

    def params(self, values: Mapping[str, Any]) -> None:
        self._call("params", values)

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        self._call("metrics", values, step)

    def artifact(self, path: Path) -> None:
        self._call("artifact", path)

    def tags(self, values: Mapping[str, str]) -> None:
        self._call("tags", values)

    def planner(self, folder: Path) -> None:
        self._call("planner", folder)

    def summary(self, values: Mapping[str, Any]) -> None:
        self._call("summary", values)


@contextmanager
def guarded(part: Callable[[RunInfo], AbstractContextManager[Tracker]], info: RunInfo) -> Iterator[Tracker]:
    """The part's tracker, opened, used and closed under guard."""
    tracker, context = Guarded(), part(info)
    tracker.enter(context)
    opened = tracker._tracker is not None
    try:
        yield tracker
    except BaseException as error:
        if opened:
            raised = sys.exc_info()
            try:
                context.__exit__(*raised)
            except BaseException as again:
                if again is not error:
                    log.warning("the run's record was not closed: %s", again)
        raise
    if opened:
        tracker.attempt(lambda: context.__exit__(None, None, None))
