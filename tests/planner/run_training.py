"""Train on the small project: started by tests as a process of its own, alone or by torchrun."""

import os
import sys
from pathlib import Path

import torch
from accelerate import Accelerator

from tests.planner.small_training import small_params
from tomas.data.validated import load_catalogue, load_timelines
from tomas.paths import Paths
from tomas.planner.train import train_planner
from tomas.tracking.none import NoTracker


def main(root: str, target: str, scope: str, batch_size: str) -> None:
    torch.set_num_threads(1)
    paths, own = Paths(Path(root)), Path(f"{target}-rank{os.environ.get('RANK', '0')}")
    params = small_params(lora={"scope": scope}, training={"batch_size": int(batch_size)})
    train_planner(
        params, load_catalogue(paths.validated), load_timelines(paths.validated), paths.labelled, paths.config_weights,
        target=own, curve=own.with_suffix(".csv"), checkpoints=Path(f"{target}.checkpoints"),
        cache=Path(f"{target}.cache"), tracker=NoTracker(),
    )  # fmt: skip
    print(Accelerator().num_processes, "processes")


if __name__ == "__main__":
    main(*sys.argv[1:])
