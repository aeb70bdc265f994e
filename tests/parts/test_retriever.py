"""The shortlist keeps the tool that is meant, stays out of small catalogues, and never stops a plan."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tomas.config import Retriever as RetrieverParams
from tomas.domain.tools import InputSpec, Tool, ToolRegistry
from tomas.parts.retriever import Retriever, TfidfIndex

WORDS = ["sharpen photographs", "translate sentences", "transcribe speech", "summarise articles", "detect objects"]


def registry(count: int) -> ToolRegistry:
    spec = InputSpec(field="items", small_max=1, medium_max=4, units=("item", "items"))
    return ToolRegistry(
        tools=tuple(
            Tool(name=f"tool_{place}", description=f"{WORDS[place % 5]} of sort {place}.", input=spec)
            for place in range(count)
        )
    )


def planner(count: int) -> Any:
    return SimpleNamespace(catalogue=SimpleNamespace(tools=registry(count)))


def case(text: str) -> Any:
    return SimpleNamespace(request=SimpleNamespace(text=text), warnings=[])


def test_tools_off_the_shortlist_are_out_of_the_choice() -> None:
    retriever = Retriever(RetrieverParams(min_tools=50, shortlist=20))
    logits = np.linspace(0, 1, 100)
    changed = retriever.on_plan_logits(planner(100), case("please translate these two sentences"), logits)
    assert changed is not None
    listed = np.flatnonzero(np.isfinite(changed))
    assert set(listed) == set(range(1, 100, 5))  # the twenty that translate sentences
    assert (changed[listed] == logits[listed]).all()


@pytest.mark.parametrize(("count", "params"), [(49, RetrieverParams()), (20, RetrieverParams(min_tools=1))])
def test_a_small_catalogue_is_planned_over_whole(count: int, params: RetrieverParams) -> None:
    assert Retriever(params).on_plan_logits(planner(count), case("translate sentences"), np.zeros(count)) is None


def test_words_in_common_with_no_tool_give_no_shortlist() -> None:
    retriever, asked = Retriever(RetrieverParams()), case("把这段话翻译成英文")
    assert retriever.on_plan_logits(planner(100), asked, np.zeros(100)) is None
    assert asked.warnings == []


def test_a_failing_index_marks_the_plan_degraded_and_goes_on() -> None:
    class Broken(TfidfIndex):
        tried = 0

        def __init__(self, tools: ToolRegistry) -> None:
            Broken.tried += 1
            raise OSError("the index\nis gone")

    retriever = Retriever(RetrieverParams())
    retriever.index = Broken  # type: ignore[misc]
    for _ in range(2):
        asked = case("translate sentences")
        assert retriever.on_plan_logits(planner(100), asked, np.zeros(100)) is None
        assert [warning.split(":")[0] for warning in asked.warnings] == ["degraded"]
        assert "the index is gone" in asked.warnings[0]
    assert Broken.tried == 1
