"""DVC's table of experiments is read again where one began or ended while DVC was looking at it."""

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tomas.errors import UserError
from tomas.tracking import sync

GONE = SimpleNamespace(returncode=255, stdout="", stderr="ERROR: directory '.dvc/tmp/exps/tmp1' does not exist\n")
EMPTY = SimpleNamespace(returncode=0, stdout='[{"rev": "workspace", "experiments": null}]', stderr="")


@pytest.mark.parametrize(("failures", "calls"), [(0, 1), (4, 5)])
def test_a_table_that_fails_for_a_moment_is_read_again(
    monkeypatch: pytest.MonkeyPatch, failures: int, calls: int
) -> None:
    answers = iter([GONE] * failures + [EMPTY])
    asked: list[Any] = []
    monkeypatch.setattr(subprocess, "run", lambda command, **_: asked.append(command) or next(answers))
    monkeypatch.setattr(sync, "PAUSE_S", 0.0)
    assert list(sync.finished_experiments(Path())) == []
    assert len(asked) == calls


def test_a_table_that_keeps_failing_is_an_error_that_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: GONE)
    monkeypatch.setattr(sync, "PAUSE_S", 0.0)
    with pytest.raises(UserError, match=r"dvc exp show failed: .* does not exist"):
        list(sync.finished_experiments(Path()))
