"""docs/serving.md names only commands, options and paths that exist."""

import argparse
import importlib
import re

import pytest

from tests.serving.untrained import ROOT
from tomas.planner import Planner
from tomas.serving.app import make_app
from tomas.serving.limits import Limits

TEXT = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = re.findall(r"\btomas ((?:plan|serve|execute|export|simulate|model)\b[^|>#\n]*)", "\n".join(BLOCKS))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_page_is_one(command: str) -> None:
    import shlex

    name, *words = shlex.split(command)
    own = words[: words.index("--")] if "--" in words else words
    parser = argparse.ArgumentParser(exit_on_error=False)
    importlib.import_module(f"tomas.commands.{name}").add_arguments(parser)
    parser.parse_args(own)


def test_every_path_of_the_page_is_served(planner: Planner) -> None:
    served = {route.path for route in make_app(planner, Limits()).routes if hasattr(route, "path")}
    table = re.findall(r"^\| `(?:GET|POST) (/.*?) \|", TEXT, re.MULTILINE)
    named = {path for cell in table for path in re.findall(r"/[\w/.{}]*", cell)}
    assert named <= served
    assert {path for path in served if not path.startswith(("/static", "/docs/"))} <= named
