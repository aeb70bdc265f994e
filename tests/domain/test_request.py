"""Requests are read from JSON with clear complaints, and timelines come in every form users have."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tomas.domain.request import Request
from tomas.domain.resources import TIMELINE_COLUMNS
from tomas.errors import UserError

CSV = ",".join(TIMELINE_COLUMNS) + "\n0,1,2,3,4\n"
ROWS = [dict(zip(TIMELINE_COLUMNS, [0.0, 1.0, 2.0, 3.0, 4.0], strict=True))]


def test_a_request_needs_nothing_but_words() -> None:
    request = Request(text="sharpen this")
    assert (request.input, request.input_size, request.timeline, request.t_inf_ms) == (None, None, None, None)


@pytest.mark.parametrize("timeline", [CSV, ROWS, [list(ROWS[0].values())], {k: [v] for k, v in ROWS[0].items()}])
def test_a_timeline_comes_as_text_rows_or_columns(timeline: Any) -> None:
    request = Request.read({"text": "sharpen this", "timeline": timeline})
    assert request.timeline is not None
    assert request.timeline.to_rows() == ROWS


def test_a_request_survives_being_written() -> None:
    request = Request.read({"text": "a", "timeline": CSV, "input": {"images": 3}, "t_inf_ms": 20})
    again = Request.model_validate_json(request.model_dump_json())
    assert again.timeline is not None
    assert again.model_dump() == request.model_dump()


def test_a_line_of_a_file_may_name_a_timeline_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "busy.csv").write_text(CSV)
    request = Request.read({"text": "a", "timeline": "busy.csv"}, tmp_path)
    assert request.timeline is not None
    with pytest.raises(UserError, match=r"idle\.csv: No such file"):
        Request.read({"text": "a", "timeline": "idle.csv"}, tmp_path)


def test_without_a_folder_no_file_is_ever_read(tmp_path: Path) -> None:
    (tmp_path / "busy.csv").write_text(CSV)
    with pytest.raises(UserError, match="timeline: the timeline lacks the columns"):
        Request.read({"text": "a", "timeline": str(tmp_path / "busy.csv")})


def test_a_label_that_says_no_tool_is_not_a_missing_label() -> None:
    assert Request.read({"text": "a", "tool": None}).is_labelled
    assert not Request.read({"text": "a"}).is_labelled


def test_columns_for_other_purposes_are_left_out_but_slips_are_not() -> None:
    assert Request.read({"text": "a", "label": "silver", "frame": 3, "split": "test"}).text == "a"
    with pytest.raises(UserError, match="unknown field 'inputs': did you mean 'input'"):
        Request.read({"text": "a", "inputs": {"images": 3}})
    with pytest.raises(UserError, match="'t_inf': did you mean 't_inf_ms'"):
        Request.read({"text": "a", "t_inf": 3})


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ({}, "text: Field required"),
        ({"text": " \n\t"}, "text: the text is empty"),
        ({"text": "a" * 20_001}, "text: String should have at most 20000 characters"),
        ({"text": 7}, "text: "),
        ({"text": "a", "input": {"images": -1}}, r"input\.images: "),
        ({"text": "a", "input": {"images": float("nan")}}, r"input\.images: "),
        ({"text": "a", "input": {str(i): 1 for i in range(33)}}, "input: .*at most 32"),
        ({"text": "a", "input_size": "tiny"}, "input_size: "),
        ({"text": "a", "t_inf_ms": -5}, "t_inf_ms: "),
        ({"text": "a", "timeline": [[0, 1, 2, 300, 4]]}, "timeline: timeline row 1: gpu_sm is 300"),
        ({"text": "a", "timeline": []}, "timeline: "),
        ({"text": "a", "timeline": 7}, "timeline: "),
        ({"text": "", "t_inf_ms": "x"}, "text: .*; t_inf_ms: "),
    ],
)
def test_a_bad_line_is_refused_in_one_line_that_names_the_field(line: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint) as caught:
        Request.read(line)
    assert "\n" not in str(caught.value)


def nested(value: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(value) | st.dictionaries(st.text(), value)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), nested))
def test_any_json_in_a_field_is_read_or_refused_as_such(value: Any) -> None:
    for field in ("text", "input", "input_size", "timeline", "t_inf_ms"):
        try:
            Request.model_validate({"text": "a", field: value})
        except ValidationError as error:
            assert error.errors()[0]["loc"][0] == field  # noqa: PT017 - any value may also be a good one


def test_the_json_schema_can_be_written() -> None:
    schema = json.dumps(Request.model_json_schema())
    assert all(column in schema for column in TIMELINE_COLUMNS)
