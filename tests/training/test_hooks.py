"""Hooks run in the order people wrote; an observer cannot break a run, a part of the result must not fail silently."""

from typing import Any

import pytest

from tomas.errors import UserError
from tomas.training.hooks import MAX_FAILURES, Hooks, PartFailed


class Noting:
    def __init__(self, name: str, notes: list[str]) -> None:
        self.name, self.notes = name, notes

    def on_evaluate_end(self, metrics: dict[str, Any]) -> None:
        self.notes.append(self.name)


class Raising:
    observer = True

    def __init__(self) -> None:
        self.calls = 0

    def on_evaluate_end(self) -> None:
        self.calls += 1
        raise ValueError("broken")


class RaisingPart(Raising):
    observer = False


def test_plugins_are_called_in_the_order_of_the_profile() -> None:
    notes: list[str] = []
    hooks = Hooks({name: Noting(name, notes) for name in ("first", "second", "third")})
    hooks.call.on_evaluate_end(metrics={})
    assert notes == ["first", "second", "third"]


def test_a_raising_observer_is_counted_and_switched_off_and_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    notes: list[str] = []
    raising = Raising()
    hooks = Hooks({"raising": raising, "noting": Noting("noting", notes)})
    for _ in range(MAX_FAILURES + 2):
        hooks.call.on_evaluate_end(metrics={})
    assert raising.calls == hooks.failures["raising"] == MAX_FAILURES
    assert len(notes) == MAX_FAILURES + 2
    assert "switched off" in caplog.text


def test_a_raising_part_of_the_result_stops_the_run() -> None:
    with pytest.raises(PartFailed, match="'part' failed in on_evaluate_end: ValueError: broken"):
        Hooks({"part": RaisingPart()}).call.on_evaluate_end(metrics={})


def test_a_misspelt_hook_is_an_error() -> None:
    class Misspelt:
        def on_step_ends(self) -> None: ...

    with pytest.raises(UserError, match="on_step_end"):
        Hooks({"misspelt": Misspelt()})


def test_what_an_observer_answers_is_not_heard_and_a_loss_of_it_is_refused() -> None:
    class Meddling:
        observer = True

        def on_plan_logits(self, logits: list[float]) -> list[float]:
            return [0.0 for _ in logits]

    class Costly:
        observer = True

        def loss_terms(self) -> None: ...

    asked = {"planner": None, "case": None, "logits": [1.0, 2.0]}
    assert Hooks({"meddling": Meddling()}).call.on_plan_logits(**asked) is None
    Meddling.observer = False
    assert Hooks({"voter": Meddling()}).call.on_plan_logits(**asked) == [0.0, 0.0]
    with pytest.raises(UserError, match="changes nothing"):
        Hooks({"costly": Costly()})


def test_a_waiting_plugin_is_not_called() -> None:
    notes: list[str] = []
    hooks = Hooks({"moe": Noting("moe", notes), "align": Noting("align", notes)})
    hooks.enable_only(lambda name: name == "align")
    hooks.call.on_evaluate_end(metrics={})
    assert notes == ["align"]


def test_two_losses_of_one_name_are_an_error() -> None:
    class Term:
        def loss_terms(self) -> dict[str, Any]:
            return {"extra": 0.0}

    run: Any = None
    with pytest.raises(PartFailed, match="extra"):
        Hooks({"a": Term(), "b": Term()}).loss_terms(run, None, {})
