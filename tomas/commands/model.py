"""`tomas model`: the planner in MLflow's model registry."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the sub-commands and their options."""
    commands = parser.add_subparsers(metavar="WHAT", dest="what", required=True)
    register = commands.add_parser("register", help="make a version of the planner, with an alias that points to it")
    register.add_argument("--planner", type=Path, metavar="DIR", help="trained planner (default assets/planner)")
    register.add_argument("--alias", default="champion", help="what the version is found by (default champion)")


def run(args: argparse.Namespace) -> int:
    """Register the planner and say how to load it."""
    from tomas.paths import project
    from tomas.planner.artifact import read_artifact
    from tomas.tracking.mlflow.model import NAME, register_planner

    paths = project()
    folder = args.planner or paths.planner
    read_artifact(folder)  # says what to do where there is none
    version = register_planner(paths.root, folder, args.alias)
    print(f"{NAME} version {version}: mlflow.pyfunc.load_model('models:/{NAME}@{args.alias}')")
    return 0
