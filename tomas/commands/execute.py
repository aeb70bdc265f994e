"""`tomas execute`: run a command under its plan and say what it took."""

import argparse
import json
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tomas.errors import UsageError, UserError

if TYPE_CHECKING:
    from tomas.domain.plan import Plan


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options; what follows `--` comes as `words`."""
    parser.add_argument("plan", type=Path, help="a plan as `tomas plan` prints it; - reads standard input")
    parser.usage = "tomas execute PLAN [options] [-- COMMAND ...]"
    parser.epilog = "Without a COMMAND the tool's own from tools.json is run."
    parser.set_defaults(words=[])
    parser.add_argument("--record", type=Path, metavar="FILE", help="write the record there instead of to stderr")
    parser.add_argument(
        "--submitted",
        type=float,
        metavar="EPOCH_S",
        help="when the request was made, in seconds since the epoch; start_ms counts from it (default: now)",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        metavar="S",
        help="stop the command after so many seconds, 0 = never (default: 10 times the expected latency, at least 60)",
    )


def run(args: argparse.Namespace) -> int:
    """Run the command; its exit code is ours."""
    submitted = time.time() if args.submitted is None else args.submitted
    from tomas.execution.allowance import default_timeout_s
    from tomas.execution.executor import execute
    from tomas.files import write_json

    plan = read_plan(args.plan)
    command = args.words or tool_command(plan)
    timeout_s = default_timeout_s(plan) if args.timeout is None else args.timeout
    if timeout_s < 0:
        raise UsageError(f"--timeout cannot be {timeout_s:g}; 0 waits for ever.")
    record = execute(plan, command, submitted=submitted, timeout_s=timeout_s)
    if args.record:
        write_json(args.record, record.as_json())
    else:
        print(json.dumps(record.as_json(), ensure_ascii=False), file=sys.stderr)
    return record.exit_code


def read_plan(path: Path) -> "Plan":
    """The plan of a JSON file, or of standard input for `-`."""
    from pydantic import ValidationError

    from tomas.domain.plan import Plan

    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
        return Plan.model_validate_json(text)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 at byte {error.start}") from error
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise UserError(f"{path}: not a plan: {where + ': ' if where else ''}{problem['msg']}") from error


def tool_command(plan: "Plan") -> list[str]:
    """The command the registry names for the plan's tool."""
    from tomas.domain.tools import ToolRegistry
    from tomas.paths import project

    path = project().tools
    try:
        registry = ToolRegistry.from_list(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read for the tool's command; `dvc repro` says what is wrong") from error
    commands = {tool.name: tool.command for tool in registry.tools}
    command = commands.get(plan.tool_name or "")
    if command is None:
        raise UsageError(f"Say what to run: put it after -- (tools.json has no command for {plan.tool_name}).")
    return shlex.split(command)
