"""`tomas data`: make the shipped profiles, requests and timelines anew, or bring in timelines of your own."""

import argparse
from pathlib import Path

from tomas.paths import project


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the sub-commands and their options."""
    commands = parser.add_subparsers(metavar="WHAT", dest="what", required=True)
    profiles = commands.add_parser("make-profiles", help="write data/profiling/profiling.csv from the latency model")
    _common(profiles)
    timelines = commands.add_parser(
        "make-timelines", help="write data/timelines/timelines.csv, seven kinds of machines"
    )
    _common(timelines)
    timelines.add_argument("--count", type=int, default=9000, help="how many timelines (default 9000)")
    requests = commands.add_parser("make-requests", help="write data/requests/requests.jsonl from the sentence frames")
    _common(requests)
    requests.add_argument("--count", type=int, default=12000, help="about how many requests (default 12000)")
    requests.add_argument("--frames", type=Path, help="folder of {tool}.{lang}.yaml files (default: the project's)")
    imported = commands.add_parser("import-timelines", help="turn a directory of CSVs into timelines.csv")
    imported.add_argument("folder", type=Path, metavar="DIR", help="CSV files of free resources, also in sub-folders")
    imported.add_argument("--window-ms", type=float, help="cut long recordings into windows of this length")
    imported.add_argument("--out", type=Path, help="where to write instead of the project's own file")


def run(args: argparse.Namespace) -> int:
    """Run one sub-command."""
    made = {
        "make-profiles": _make_profiles,
        "make-timelines": _make_timelines,
        "make-requests": _make_requests,
        "import-timelines": _import_timelines,
    }
    return made[args.what](args)


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same bytes (default 0)")
    parser.add_argument("--out", type=Path, help="where to write instead of the project's own file")


def _make_profiles(args: argparse.Namespace) -> int:
    from tomas.data.profiles import make_profiles

    return _write(args.out or project().profiles, make_profiles(args.seed))


def _make_timelines(args: argparse.Namespace) -> int:
    from tomas.config import Params, load_params
    from tomas.data.readers import load_catalogue
    from tomas.data.timelines import capacity, make_timelines

    paths = project()
    params = load_params(paths.params) if paths.params.exists() else Params()
    catalogue = load_catalogue(paths.tools, paths.profiles)
    text = make_timelines(args.seed, catalogue, capacity(params.machine), args.count)
    return _write(args.out or paths.timelines, text)


def _make_requests(args: argparse.Namespace) -> int:
    from tomas.data.frames import read_frames
    from tomas.data.readers import load_tools
    from tomas.data.requests import make_requests

    paths = project()
    registry = load_tools(paths.tools)
    frames = read_frames(args.frames or paths.requests.parent / "frames", registry.names)
    return _write(args.out or paths.requests, make_requests(args.seed, registry, frames, args.count))


def _import_timelines(args: argparse.Namespace) -> int:
    from tomas.data.timeline_import import import_timelines

    return _write(args.out or project().timelines, import_timelines(args.folder, args.window_ms))


def _write(path: Path, text: str) -> int:
    from tomas.files import whole

    with whole(path) as partial:
        partial.write_text(text, encoding="utf-8")
    print(f"{path}: {text.count(chr(10))} lines")
    return 0
