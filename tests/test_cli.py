"""The command finds its sub-commands, loads one of them only, and speaks to people in one line."""

import subprocess
import sys
from pathlib import Path

import pytest

import tomas.commands
from tomas.cli import COMMANDS, guarded, main
from tomas.errors import UsageError, UserError


def test_every_command_has_a_module_and_every_module_a_command() -> None:
    folder = Path(str(tomas.commands.__file__)).parent
    assert {path.stem for path in folder.glob("[!_]*.py")} == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([name, "--help"])
    assert stopped.value.code == 0
    assert f"usage: tomas {name}" in capsys.readouterr().out


def test_an_unknown_command_is_a_wrong_call_with_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["pln"])
    assert stopped.value.code == 2
    assert "Did you mean plan" in capsys.readouterr().err


@pytest.mark.parametrize(("error", "code"), [(UserError("no data"), 1), (UsageError("no such thing"), 2)])
def test_a_persons_mistake_is_one_line_and_its_exit_code(
    error: UserError, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def work() -> int:
        raise error

    assert guarded(work) == code
    assert capsys.readouterr().err == f"tomas: {error}\n"


def test_a_reader_that_goes_away_is_no_error_of_ours() -> None:
    command = f"{sys.executable} -m tomas.cli plugin list | true"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.stderr == ""
