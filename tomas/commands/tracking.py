"""`tomas tracking`: the store of runs of this repository."""

import argparse
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

from tomas.errors import UsageError
from tomas.paths import project_root


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The sub-command's options."""
    actions = parser.add_subparsers(metavar="ACTION", dest="action", required=True)
    actions.add_parser("init", help="make the store, before several processes meet in it")
    actions.add_parser("sync", help="add the experiments that DVC restored from its cache, so ran nothing")
    pages = actions.add_parser("ui", help="show the runs in a browser")
    pages.add_argument("--port", type=int, default=5000)


def run(args: argparse.Namespace) -> int:
    """Make, fill or show the store."""
    from tomas.tracking.mlflow.store import open_store, store_uri

    root = project_root()
    if args.action == "sync":
        from tomas.tracking.sync import sync

        added, completed = sync(root)
        print(f"{added} experiments added to {store_uri(root)}, {completed} completed")
        return 0
    if args.action == "ui":
        _refuse_server(store_uri(root))
    open_store(root)
    if args.action == "ui":
        _serve(root, store_uri(root), args.port)
    return 0


def _refuse_server(uri: str) -> None:
    if urlsplit(uri).scheme in ("http", "https"):
        raise UsageError(f"MLFLOW_TRACKING_URI names a server, which has pages of its own: open {uri}")


def _serve(root: Path, uri: str, port: int) -> None:
    """Become the MLflow server; one worker and no job runner: 2 processes and 0.5 GB instead of 15 and 2.8 GB."""
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    words = ["-m", "mlflow", "server", "--workers", "1", "--backend-store-uri", uri]
    words += ["--default-artifact-root", (root / "mlartifacts").as_uri(), "--host", "127.0.0.1", "--port", str(port)]
    os.execv(sys.executable, [sys.executable, *words])
