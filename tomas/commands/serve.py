"""`tomas serve`: plans over HTTP."""

import argparse
import os
import sys
from pathlib import Path

from tomas.errors import UsageError

TOKEN = "TOMAS_TOKEN"
LOCAL = ("127.0.0.1", "::1", "localhost")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = f"With {TOKEN} in the environment, callers must send it as `Authorization: Bearer`."
    parser.add_argument("--planner", type=Path, metavar="DIR", help="trained planner (default assets/planner)")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1: this machine only)"
    )
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one (default 8000)")
    parser.add_argument("--batch", type=int, default=32, help="requests planned together at most (default 32)")
    parser.add_argument("--queue", type=int, default=512, help="requests that may wait, more get 429 (default 512)")
    parser.add_argument("--max-body-mb", type=float, default=8, help="larger bodies get 413 (default 8)")
    parser.add_argument("--max-timeline-rows", type=int, default=10_000, help="default 10000")
    parser.add_argument("--max-requests", type=int, default=256, help="requests of one /plan/batch (default 256)")


def run(args: argparse.Namespace) -> int:
    """Serve until told to end."""
    from tomas.planner import Planner
    from tomas.serving.limits import Limits
    from tomas.serving.server import serve

    if min(args.batch, args.queue, args.max_timeline_rows, args.max_requests) < 1 or args.max_body_mb <= 0:
        raise UsageError("Limits must be above 0.")
    if args.max_requests > args.queue:
        raise UsageError(f"--max-requests {args.max_requests} cannot be above --queue {args.queue}.")
    token = os.environ.get(TOKEN) or None
    if token is None and args.host not in LOCAL:
        print(f"tomas: anyone who reaches {args.host} can plan; set {TOKEN} to ask for a token", file=sys.stderr)
    limits = Limits(
        body_bytes=int(args.max_body_mb * (1 << 20)),
        timeline_rows=args.max_timeline_rows,
        requests_per_call=args.max_requests,
        queue=args.queue,
        batch=args.batch,
    )
    serve(lambda: Planner.of_project(args.planner), args.host, args.port, limits, token)
    return 0
