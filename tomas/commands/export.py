"""`tomas export`: write a plan in the words of another engine."""

import argparse
import sys
from pathlib import Path

from tomas.commands.execute import read_plan, tool_command

GPU_SHARING = "hami"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options; what follows `--` comes as `words`."""
    parser.usage = "tomas export PLAN --to ENGINE [options] [-- COMMAND ...]"
    parser.epilog = "Without a COMMAND the tool's own from tools.json is run."
    parser.set_defaults(words=[])
    parser.add_argument("plan", type=Path, help="a plan as `tomas plan` prints it; - reads standard input")
    parser.add_argument("--to", required=True, metavar="ENGINE", help="kubernetes, ray, slurm or systemd")
    parser.add_argument("--timeline", type=Path, metavar="CSV", help="look again whether the rounded plan fits there")
    parser.add_argument(
        "--timeout", type=float, metavar="S", help="0 for never (default: 10 times the expected latency, at least 60)"
    )
    parser.add_argument("--image", help="kubernetes: the container image that holds the command")
    parser.add_argument(
        "--gpu-sharing",
        metavar="HOW",
        help="kubernetes: hami (default), or the GPU that is cut into MIG slices: h100-80gb, a100-40gb, ...",
    )


def run(args: argparse.Namespace) -> int:
    """Print the export; what the engine does not enforce is also said on stderr."""
    from tomas.config import Params, load_params
    from tomas.domain.resources import capacity_of
    from tomas.domain.timeline import Timeline
    from tomas.errors import UsageError
    from tomas.execution.allowance import default_timeout_s
    from tomas.execution.exporters.job import Job, check_again
    from tomas.paths import project
    from tomas.registry import load, plug

    params = load_params(project().params) if project().params.exists() else Params()
    plug(params.plugins)
    exporter = load("exporter", args.to)
    for option, value in (("--image", args.image), ("--gpu-sharing", args.gpu_sharing)):
        if value is not None and args.to in ("ray", "slurm", "systemd"):
            raise UsageError(f"{option} has no meaning for {args.to}; leave it out.")
    plan = read_plan(args.plan)
    timeout_s = default_timeout_s(plan) if args.timeout is None else args.timeout
    command = tuple(args.words or tool_command(plan))
    export = exporter(Job(plan, command, timeout_s, args.image, args.gpu_sharing or GPU_SHARING))
    timeline = Timeline.from_csv(args.timeline) if args.timeline else None
    check_again(export, plan, capacity_of(params.machine), timeline)
    print(export.commented(), end="")
    for name, why in export.not_enforced.items():
        print(f"tomas: {name} is not enforced: {why}", file=sys.stderr)
    return 0
