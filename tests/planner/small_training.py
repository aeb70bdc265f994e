"""Training a real planner on the small project in a second, to see what settings make of it."""

from pathlib import Path
from typing import Any

import pandas as pd
import torch

from tests.data.small import project
from tomas.config import Params, parse_params
from tomas.data.labelling import label
from tomas.data.timelines import capacity
from tomas.data.validate import validate
from tomas.data.validated import load_catalogue, load_requests, load_timelines
from tomas.paths import Paths
from tomas.planner.train import train_planner
from tomas.tracking.none import NoTracker

BASE: dict[str, Any] = {
    "backbone": {"name": "tiny", "dtype": "float32"},
    "labelling": {"train_examples": 60, "eval_examples": 30},
    "temporal": {"points": 8, "dim": 8},
    "reading": {"epochs": 1},
    "decoder": {"init": "encoder"},
    "training": {"max_epochs": 1, "warmup_epochs": 1, "epoch_share": 1.0},
}


def small_params(**sections: Any) -> Params:
    """The base settings with sections laid over them."""
    merged = {
        name: {**BASE.get(name, {}), **value} if isinstance(value, dict) else value for name, value in sections.items()
    }
    return parse_params({**BASE, **merged})


def prepare(folder: Path) -> Paths:
    """The small project, validated and labelled, with vectors as Phase 0 would leave them."""
    paths = project(folder)
    label_all(paths, small_params())
    torch.manual_seed(0)
    paths.assets.mkdir(parents=True)
    torch.save(torch.randn(len(load_catalogue(paths.validated)), 64), paths.config_weights)
    return paths


def label_all(paths: Paths, params: Params) -> None:
    """Validate and label a project's data."""
    whole = capacity(params.machine)
    validate(paths, whole, paths.validated)
    catalogue, timelines = load_catalogue(paths.validated), load_timelines(paths.validated)
    paths.labelled.mkdir(parents=True)
    requests = load_requests(paths.validated)
    for split, frame in label(0, requests, timelines, catalogue, whole, params.labelling).items():
        frame.to_parquet(paths.labelled / f"{split}.parquet")


def train(paths: Paths, params: Params, target: Path) -> pd.DataFrame:
    """Write a planner to a folder and give its learning curve."""
    catalogue, timelines = load_catalogue(paths.validated), load_timelines(paths.validated)
    train_planner(
        params, catalogue, timelines, paths.labelled, paths.config_weights, target=target,
        curve=target.with_suffix(".csv"), checkpoints=target.with_suffix(".checkpoints"),
        cache=target.with_suffix(".cache"), tracker=NoTracker(),
    )  # fmt: skip
    return pd.read_csv(target.with_suffix(".csv"))
