"""Where things lie, relative to the project's root."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Paths:
    """Every file and folder of a project, from its root."""

    root: Path

    def __getattr__(self, name: str) -> Path:
        try:
            return self.root / _PLACES[name]
        except KeyError:
            raise AttributeError(name) from None


_PLACES = {
    "params": "params.yaml",
    "tools": "data/tool_registry/tools.json",
    "profiles": "data/profiling/profiling.csv",
    "requests": "data/requests/requests.jsonl",
    "timelines": "data/timelines/timelines.csv",
    "validated": "data/validated",
    "labelled": "data/labelled",
    "assets": "assets",
    "encoder": "assets/pretrained_encoder.pt",
    "config_weights": "assets/config_weights.pt",
    "config_lookup": "assets/config_lookup.json",
    "tool_mask_map": "assets/tool_mask_map.json",
    "planner": "assets/planner",
    "metrics": "metrics",
    "plots": "plots",
    "reports": "reports",
    "profile_folder": "profiles",
}


def project_root() -> Path:
    """The nearest folder above the working directory with a params.yaml, else the working directory."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "params.yaml").is_file():
            return folder
    return here


def project() -> Paths:
    """The project the working directory belongs to."""
    return Paths(project_root())


def cache_home() -> Path:
    """The user's cache folder for converted weights; `TOMAS_CACHE` moves it."""
    return Path(os.environ.get("TOMAS_CACHE") or Path.home() / ".cache" / "tomas")
