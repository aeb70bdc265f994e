"""`plugins:`, `schedules:` and `options:` are checked whole, and parts get the options meant for them."""

from collections.abc import Iterator

import pytest
from pydantic import BaseModel, ConfigDict

from tomas.config import Anneal, parse_params
from tomas.errors import UserError
from tomas.kernel.checks import check_available, check_parts, check_schedules
from tomas.kernel.spec import PartSpec
from tomas.kernel.tables import PLANNING_KINDS
from tomas.registry import default_registry
from tomas.training.plugins import hooks_for, schedules_for


class Options(BaseModel):
    """Options of a part of another package."""

    model_config = ConfigDict(extra="forbid")
    width: int = 1


class Watcher:
    observer = True

    def __init__(self, options: Options) -> None:
        self.options = options


@pytest.fixture
def watcher() -> Iterator[None]:
    """Two observers and a second aligner of another package, plugged in for one test."""
    here = "tests.kernel.test_plugins"
    tables = {kind: dict(table) for kind, table in default_registry._tables.items()}
    for name in ("watcher", "second"):
        default_registry.add(
            PartSpec("observer", name, f"{here}:Watcher", "", config=f"{here}:Options", schedules=(f"{name}_heat",))
        )
    default_registry.add(PartSpec("align", "other_align", f"{here}:Watcher", ""))
    yield
    default_registry._tables.clear()
    default_registry._tables.update(tables)


@pytest.mark.usefixtures("watcher")
def test_options_reach_their_part() -> None:
    hooks = hooks_for(
        parse_params({"plugins": ["second", "watcher"], "options": {"watcher": {"width": 7}}}), PLANNING_KINDS
    )
    assert [(name, plugin.options.width) for name, plugin in hooks.plugins.items()] == [("second", 1), ("watcher", 7)]


@pytest.mark.usefixtures("watcher")
@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"plugins": ["watcher"], "options": {"watcher": {"wide": 7}}}, r"options\.watcher\.wide"),
        ({"plugins": ["watcher"], "options": {"wtcher": {}}}, "Did you mean watcher"),
        ({"plugins": [], "options": {"watcher": {}}}, "no part in use"),
        ({"plugins": ["wacher"]}, "Did you mean watcher"),
        ({"plugins": ["watcher", "watcher"]}, "named twice"),
        ({"plugins": ["align", "other_align"]}, "only one can be used"),
        ({"plugins": ["watcher"], "schedules": {"enable_second_at_epoch": 1}}, "enable_watcher_at_epoch"),
        ({"encoder": {"fusion": "gatd"}}, "Did you mean gated"),
        (
            {"plugins": ["moe"], "schedules": {"enable_moe_at_epoch": 1}},
            "never comes; training.max_epochs is 1",
        ),
        ({"plugins": ["voter"], "schedules": {"enable_voter_at_epoch": 0}}, "no such schedule"),
        ({"plugins": ["align"], "decoder": {"kind": "regressor"}}, "it must be hierarchical or flat"),
        ({"backbone": {"attention": "linear"}}, "cannot be used here: not for backbone.attention: linear"),
    ],
)
def test_every_wrong_name_is_found_before_work_starts(params: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_parts(parse_params(params))


@pytest.mark.usefixtures("watcher")
def test_a_schedule_may_name_the_part_or_the_kind() -> None:
    params = parse_params({"plugins": ["observer.watcher"], "schedules": {"enable_watcher_at_epoch": 2}})
    schedules = schedules_for(params)
    assert not schedules.enabled("watcher", 1)
    assert schedules.enabled("watcher", 2)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"enable_mo_at_epoch": 2}, "Did you mean enable_moe_at_epoch"),
        ({"route_tmp": Anneal(start=1, end=2)}, "Did you mean route_temp"),
        ({"enable_moe_at_epoch": Anneal(start=1, end=2)}, "counted from 0"),
        ({"route_temp": 1}, "start, end, by"),
    ],
)
def test_a_wrong_schedule_is_refused_when_it_is_read(raw: dict[str, int | Anneal], message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_schedules(raw, {"enable_moe_at_epoch": "moe"}, {"route_temp"}, epochs=9)


def test_without_plugins_there_is_nothing_to_schedule() -> None:
    with pytest.raises(UserError, match="No plug-in in use"):
        check_schedules({"enable_moe_at_epoch": 2}, {}, set(), epochs=9)


def test_a_missing_part_is_found_before_work_starts_and_strict_finds_what_would_be_replaced() -> None:
    retrieved = parse_params({"plugins": ["sentence"]})
    check_available(retrieved, strict=False)
    with pytest.raises(UserError, match=r"sentence_transformers is not installed.*'tfidf' would be used"):
        check_available(retrieved, strict=True)
    with pytest.raises(UserError, match=r"tracker 'wandb' cannot be used here: wandb is not installed"):
        check_available(parse_params({"tracker": "wandb"}))


def test_only_plug_ins_may_have_options() -> None:
    with pytest.raises(UserError, match="which only plug-ins are given"):
        default_registry.add(PartSpec("fusion", "wide", "m:a", "", config="m:Options"))
    assert "wide" not in default_registry.names("fusion")
