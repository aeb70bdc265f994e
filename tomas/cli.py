"""The `tomas` command: imports only the sub-command that is called; an error is one line and an exit code."""

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence

import tomas
from tomas.errors import UserError
from tomas.memory import collect_rarely
from tomas.registry import suggestion

COMMANDS = {
    "plan": "plan one request, or many with --batch",
    "evaluate": "measure the trained planner on labelled requests",
    "serve": "answer plans over HTTP, with a page for people",
    "execute": "run a command under its plan",
    "export": "write a plan for another engine",
    "simulate": "replay many requests on one machine, planner against baselines",
    "model": "register the planner in MLflow's model registry",
    "train": "train a profile as a DVC experiment, params.yaml untouched",
    "data": "make the shipped data anew, or import timelines of your own",
    "profile": "list, show or use a profile",
    "plugin": "list, describe, enable or disable parts",
    "sweep": "run a grid of experiments and record every one",
    "tracking": "make, complete or show the store of runs",
    "doctor": "say what this machine has and what is missing",
}
TAKE_A_COMMAND = {"execute", "export"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one `tomas` sub-command and return its exit code."""
    collect_rarely()
    words = list(sys.argv[1:] if argv is None else argv)
    return guarded(lambda: _dispatch(words))


def guarded(work: Callable[[], int]) -> int:
    """Do the work; an error a person can mend becomes one line on stderr and its exit code."""
    try:
        code = work()
        sys.stdout.flush()  # here, where a reader that has gone is no error
        return code
    except UserError as error:
        print(f"tomas: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our stdout has gone (`tomas ... | head`); keep Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _dispatch(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="tomas", description=tomas.__doc__)
    parser.add_argument("--version", action="version", version=f"tomas {tomas.__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", dest="command", required=True)
    chosen = words[0] if words else ""
    if chosen and not chosen.startswith("-") and chosen not in COMMANDS:
        parser.error(f"unknown command {chosen!r}.{suggestion(chosen, COMMANDS)}")
    for name, summary in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        if name == chosen:
            command = importlib.import_module(f"tomas.commands.{name}")
            command.add_arguments(subparser)
            subparser.set_defaults(run=command.run)
    if chosen not in TAKE_A_COMMAND or "--" not in words:
        args = parser.parse_args(words)
        return int(args.run(args))
    # argparse would look for options in what follows `--`, and lose it behind an option of ours.
    end = words.index("--")
    args = parser.parse_args(words[:end])
    args.words = words[end + 1 :]
    return int(args.run(args))


if __name__ == "__main__":
    sys.exit(main())
