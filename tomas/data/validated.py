"""What later stages read from data/validated: the catalogue, the requests, and the timelines by name."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from tomas.domain.catalogue import Catalogue
from tomas.domain.resources import TIMELINE_COLUMNS, Floats
from tomas.domain.timeline import Timeline
from tomas.domain.tools import ToolRegistry
from tomas.errors import UserError


def load_registry(folder: Path) -> ToolRegistry:
    """Give the validated tools."""
    return ToolRegistry.from_list([json.loads(tool) for tool in _read(folder, "tools")["tool"]])


def load_catalogue(folder: Path) -> Catalogue:
    """Give the validated configurations in canonical order."""
    return Catalogue.from_rows(load_registry(folder), _read(folder, "profiles"))


def load_requests(folder: Path) -> pd.DataFrame:
    """Give the validated requests; `input` is JSON text or None, `tool` None where no tool serves the request."""
    return _read(folder, "requests")


class Timelines(Mapping[str, Timeline]):
    """Many timelines by name, each built when it is asked for; names, kinds and splits are at hand for all."""

    def __init__(self, rows: pd.DataFrame) -> None:
        """Take the rows of timelines.csv, those of one timeline standing together."""
        names = rows["timeline"].to_numpy(dtype=object)
        starts = np.flatnonzero(np.append(True, names[1:] != names[:-1]))
        self.names: list[str] = names[starts].tolist()
        self.kinds: list[str] = rows["kind"].to_numpy(dtype=object)[starts].tolist()
        self.splits: list[str] = rows["split"].to_numpy(dtype=object)[starts].tolist()
        self._bounds = np.append(starts, len(names))
        self._time_ms: Floats = rows["time_ms"].to_numpy(dtype=np.float64)
        self._free: Floats = rows[list(TIMELINE_COLUMNS[1:])].to_numpy(dtype=np.float64)
        self._places = {name: place for place, name in enumerate(self.names)}

    def __getitem__(self, name: str) -> Timeline:
        """Give one timeline."""
        place = self._places[name]
        rows = slice(int(self._bounds[place]), int(self._bounds[place + 1]))
        return Timeline(self._time_ms[rows], self._free[rows])

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def ends_ms(self) -> Floats:
        """Give the time of each timeline's last row."""
        ends: Floats = self._time_ms[self._bounds[1:] - 1]
        return ends

    def dwells_ms(self) -> Floats:
        """Give each timeline's mean time between two rows; 0 where it has a single one."""
        steps = np.maximum(np.diff(self._bounds) - 1, 1)
        dwells: Floats = (self.ends_ms() - self._time_ms[self._bounds[:-1]]) / steps
        return dwells


def load_timelines(folder: Path) -> Timelines:
    """Give the validated timelines."""
    return Timelines(_read(folder, "timelines"))


def _read(folder: Path, name: str) -> pd.DataFrame:
    path = folder / f"{name}.parquet"
    if not path.exists():
        raise UserError(f"{path} is missing; run `dvc repro validate-data` first")
    frame = pd.read_parquet(path)
    return frame.astype(object).where(frame.notna(), None) if name == "requests" else frame
