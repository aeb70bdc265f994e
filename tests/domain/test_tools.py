"""Tools and the registry refuse what would be ambiguous later."""

from typing import Any

import pytest
from pydantic import ValidationError

from tests.domain.cases import registry
from tomas.domain.tools import InputSpec, ToolRegistry
from tomas.errors import UserError

SPEC = {"field": "images", "small_max": 2, "medium_max": 8}


def spec(**changes: Any) -> InputSpec:
    return InputSpec.model_validate({**SPEC, **changes})


def test_both_thresholds_belong_to_the_smaller_size() -> None:
    assert [spec().size_of(amount) for amount in (0, 2, 2.01, 8, 8.01, 1e300)] == [
        "small",
        "small",
        "medium",
        "medium",
        "large",
        "large",
    ]


@pytest.mark.parametrize("amount", [-1, float("nan"), float("inf")])
def test_an_amount_that_cannot_be_is_refused(amount: float) -> None:
    with pytest.raises(UserError, match="images must be a finite number"):
        spec().size_of(amount)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"small_max": 8}, "small_max 8 must be below medium_max 8"),
        ({"small_max": 0}, "greater than 0"),
        ({"medium_max": float("inf")}, "finite"),
        ({"default": "tiny"}, "small"),
        ({"scale": {"album": 40}}, "album, which units lacks"),
        ({"unit": ["image"]}, "Extra inputs"),
    ],
)
def test_a_measure_that_contradicts_itself_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        spec(**changes)


def test_a_tool_needs_a_description_under_that_name() -> None:
    with pytest.raises(ValidationError, match="description") as caught:
        ToolRegistry.from_list([{"name": "alpha", "desc": "does", "input": SPEC}])
    assert "desc\n" in str(caught.value)


def test_a_name_stands_for_one_tool() -> None:
    with pytest.raises(ValidationError, match="found twice: alpha"):
        registry(["alpha", "beta", "alpha"])


def test_the_place_of_a_tool_is_its_id() -> None:
    tools = registry()
    assert [tools.index(name) for name in tools.names] == [0, 1]
    assert tools["beta"] is tools[1]
    assert "beta" in tools
    assert "gamma" not in tools
    assert len(tools) == 2
    with pytest.raises(UserError, match="unknown tool 'gamma': the registry has alpha, beta"):
        tools.index("gamma")


def test_the_list_of_tools_survives_being_written() -> None:
    tools = registry()
    assert ToolRegistry.from_list(tools.to_list()) == tools
