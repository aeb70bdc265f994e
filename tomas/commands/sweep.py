"""`tomas sweep NAME key=a,b ...`: a grid of experiments through DVC's queue, every one of them in the store."""

import argparse

from tomas.errors import UserError
from tomas.paths import project_root


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The sub-command's options."""
    parser.add_argument("name", help="experiments are called NAME-1, NAME-2 and so on")
    parser.add_argument("grid", nargs="+", metavar="KEY=A,B", help="a key of params.yaml and its values")
    parser.add_argument("-j", "--jobs", type=int, default=1, help="experiments at a time (default 1)")


def run(args: argparse.Namespace) -> int:
    """Queue the grid, run it, and bring what DVC restored into the store."""
    from tomas.tracking.mlflow.store import open_store
    from tomas.tracking.queue import queue_grid, run_queue
    from tomas.tracking.sync import sync

    root = project_root()
    open_store(root)
    queue_grid(root, args.name, args.grid)
    failed = run_queue(root, args.jobs, lambda line: print(line, flush=True))
    sync(root)
    if failed:
        raise UserError(f"failed: {', '.join(failed)}; `dvc queue logs NAME` says why")
    print("compare them with `dvc exp show` or `make ui`")
    return 0
