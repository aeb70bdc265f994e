"""`tomas plan`: one plan on stdout, or one for every line of a file."""

import argparse
import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING

from tomas.errors import UsageError, UserError

if TYPE_CHECKING:
    from tomas.domain.request import Request
    from tomas.planner import Planner


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("text", nargs="?", metavar="TEXT", help="what should be done, in words")
    parser.add_argument(
        "--input", nargs="+", action="extend", metavar="K=V", help="what is known of the input: images=12 megapixels=2"
    )
    parser.add_argument("--input-size", choices=("small", "medium", "large"), help="size of the input, where known")
    parser.add_argument("--timeline", type=Path, metavar="CSV", help="free resources (default: the whole machine)")
    parser.add_argument(
        "--t-inf", type=float, metavar="MS", help="earliest start after submission (default: predicted)"
    )
    parser.add_argument("--explain", action="store_true", help="say why, in the model's own words")
    parser.add_argument("--batch", type=Path, metavar="JSONL", help="plan every line of this file instead of TEXT")
    parser.add_argument("--out", type=Path, metavar="JSONL", help="with --batch: where the plans go (default: stdout)")
    parser.add_argument("--resume", action="store_true", help="with --batch: go on where an interrupted run stopped")
    parser.add_argument("--planner", type=Path, metavar="DIR", help="trained planner (default assets/planner)")
    parser.add_argument("--strict", action="store_true", help="fail where a part of the planner is not available here")


def run(args: argparse.Namespace) -> int:
    """Plan one request, or the lines of a file."""
    if args.strict:
        os.environ["TOMAS_STRICT"] = "1"
    if (args.text is None) == (args.batch is None):
        raise UsageError('Say what should be done: tomas plan "TEXT", or tomas plan --batch FILE.')
    if args.batch is None:
        for option in ("out", "resume"):
            if getattr(args, option):
                raise UsageError(f"--{option} belongs to --batch.")
        request = _request(args)
        print(_planner(args).plan(request, explain=args.explain).to_json())
        return 0
    for option in ("input", "input_size", "timeline", "t_inf"):
        if getattr(args, option) is not None:
            raise UsageError(f"--{option.replace('_', '-')} stands in the lines of the file with --batch.")
    if args.resume and args.out is None:
        raise UsageError("--resume needs --out, the file to go on with.")
    return _run_batch(args)


def _planner(args: argparse.Namespace) -> "Planner":
    from tomas.planner import Planner

    return Planner.of_project(args.planner)


def _request(args: argparse.Namespace) -> "Request":
    """The request as called; whatever is wrong with it is a wrong call."""
    from tomas.domain.request import Request
    from tomas.domain.timeline import Timeline

    given = {"text": args.text, "input": _amounts(args.input), "input_size": args.input_size, "t_inf_ms": args.t_inf}
    try:
        timeline = Timeline.from_csv(args.timeline) if args.timeline else None
        return Request.read({**given, "timeline": timeline})
    except UserError as error:
        raise UsageError(str(error)) from error


def _amounts(pairs: list[str] | None) -> dict[str, float] | None:
    if pairs is None:
        return None
    amounts = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        try:
            amounts[name] = float(value)
        except ValueError:
            raise UsageError(f"--input {pair}: write NAME=NUMBER, for example images=12.") from None
    return amounts


def _run_batch(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from tomas.serving.lines import count_lines, plan_lines, whole_lines

    total = count_lines(args.batch)
    planner = _planner(args)
    done = whole_lines(args.out) if args.resume else 0
    target = nullcontext(sys.stdout.buffer) if args.out is None else _open(args.out, "ab" if args.resume else "wb")
    with target as out, tqdm(total=total, unit="plan", disable=None, file=sys.stderr) as bar:
        counts = plan_lines(
            planner,
            args.batch,
            out,
            done=done,
            explain=args.explain,
            report=lambda line: tqdm.write(f"tomas: {line}", file=sys.stderr),
            progress=bar.update,
        )
    earlier = f", {counts.skipped} were there" if counts.skipped else ""
    print(f"tomas: {counts.planned} plans{earlier}, {counts.bad} bad lines", file=sys.stderr)
    return 1 if counts.bad else 0


def _open(path: Path, mode: str) -> IO[bytes]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open(mode)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
