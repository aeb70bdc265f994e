"""Where runs are recorded: one small protocol, and the stores behind it as parts of the kind `tracker`."""

from tomas.tracking.base import RunInfo, Tracker
from tomas.tracking.opening import open_run

__all__ = ["RunInfo", "Tracker", "open_run"]
