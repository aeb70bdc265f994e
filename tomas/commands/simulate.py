"""`tomas simulate`: many requests on one machine, the planner against the oracle and simple rules."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tomas.errors import UsageError, UserError

if TYPE_CHECKING:
    from tomas.config import Params
    from tomas.domain.timeline import Timeline
    from tomas.paths import Paths
    from tomas.planner import Planner
    from tomas.simulation.study import Study

POLICIES = ("planner", "oracle", "largest_feasible", "cheapest_feasible", "random_feasible", "snapshot_greedy")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--requests", type=Path, metavar="JSONL", help="labelled requests (default: the project's test requests)"
    )
    parser.add_argument("--count", type=int, default=1000, help="how many requests are drawn from them (default 1000)")
    parser.add_argument(
        "--load",
        type=float,
        nargs="+",
        default=[0.3],
        help="how much of the machine the requests ask for, several for several runs (default 0.3); "
        "not used where every line has arrival_ms",
    )
    parser.add_argument(
        "--timeline", type=Path, metavar="CSV", help="the machine's free resources (default: shipped test timelines)"
    )
    parser.add_argument("--t-inf", type=float, metavar="MS", help="time each decision takes (default: params.yaml)")
    parser.add_argument("--policies", nargs="+", choices=POLICIES, default=list(POLICIES), metavar="NAME")
    parser.add_argument("--planner", type=Path, metavar="DIR", help="trained planner (default assets/planner)")
    parser.add_argument("--seed", type=int, default=0, help="which requests arrive when, on which machine (default 0)")
    parser.add_argument("--out", type=Path, metavar="JSON", help="write the figures there instead of to stdout")
    parser.add_argument("--plot", type=Path, metavar="SVG", help="draw them (svg, png or pdf by the ending)")


def run(args: argparse.Namespace) -> int:
    """Simulate and print the figures."""
    from tomas.config import Params, load_params
    from tomas.files import write_json
    from tomas.paths import project

    if args.count < 1 or min(args.load) <= 0:
        raise UsageError("--count and --load must be above 0.")
    paths = project()
    params = load_params(paths.params) if paths.params.exists() else Params()
    planner = _planner(args, paths)
    names = [name for name in args.policies if name != "planner" or planner is not None]
    studies = _studies(args, paths, params, planner, names)
    result = {"simulations": [one.as_json() for one in studies]}
    if args.out:
        write_json(args.out, result)
    else:
        print(json.dumps(result, indent=2))
    if args.plot:
        from tomas.simulation.picture import draw

        draw(studies, args.plot)
    return 0


def _planner(args: argparse.Namespace, paths: "Paths") -> "Planner | None":
    if "planner" not in args.policies:
        return None
    folder = args.planner or paths.planner
    if args.planner is None and not folder.exists():
        print(f"tomas: no trained planner in {folder}; only the others are simulated", file=sys.stderr)
        return None
    from tomas.planner import Planner

    return Planner.of_project(folder)


def _studies(
    args: argparse.Namespace, paths: "Paths", params: "Params", planner: "Planner | None", names: Sequence[str]
) -> "list[Study]":
    from tqdm import tqdm

    from tomas.data.readers import load_catalogue
    from tomas.domain.resources import capacity_of
    from tomas.simulation.policies import policies, task_of
    from tomas.simulation.study import study
    from tomas.simulation.workload import draw_tasks, read_requests

    catalogue = planner.catalogue if planner is not None else load_catalogue(paths.tools, paths.profiles)
    capacity = capacity_of(params.machine)
    requests, arrivals = read_requests(args.requests or paths.requests, catalogue)
    rules = policies(catalogue, capacity, planner, names)
    t_inf_ms = params.t_inf.fixed_ms if args.t_inf is None else args.t_inf
    loads: list[float | None] = [None] if arrivals else list(args.load)
    studies = []
    for load in loads:
        if load is None:
            tasks = [task_of(*pair) for pair in zip(requests, [catalogue] * len(requests), arrivals or [], strict=True)]
        else:
            tasks = draw_tasks(requests, catalogue, capacity, args.count, load, args.seed)
        until_ms = 1.2 * max(task.arrival_ms for task in tasks) + 1
        machine = _machine(args, paths, capacity, until_ms)
        with tqdm(total=len(tasks) * len(rules), unit="req", disable=None, file=sys.stderr) as bar:
            studies.append(study(tasks, machine, rules, catalogue, t_inf_ms, load, bar.update))
    return studies


def _machine(args: argparse.Namespace, paths: "Paths", capacity: Any, until_ms: float) -> "Timeline":
    from tomas.domain.timeline import Timeline
    from tomas.simulation.workload import stitched

    if args.timeline:
        return Timeline.from_csv(args.timeline)
    from tomas.data.problems import Problem, raise_if_any
    from tomas.data.readers import read_timelines

    problems: list[Problem] = []
    frame = read_timelines(paths.timelines, problems)
    raise_if_any(problems)
    assert frame is not None
    shown = frame[frame["split"] == "test"]
    pieces = [Timeline.from_rows(rows) for _, rows in shown.groupby("timeline", sort=False)]
    if not any(piece.time_ms[-1] > 0 for piece in pieces):
        raise UserError(f"{paths.timelines}: no test timeline lasts; give one with --timeline")
    return stitched(pieces, until_ms, capacity, args.seed)
