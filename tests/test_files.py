"""Files are whole or absent, and the same for the same content."""

import json
import math
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomas.files import whole, write_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


def fail_half_way(target: Path) -> None:
    with whole(target) as partial:
        partial.write_text("half")
        raise ZeroDivisionError


def test_a_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file.txt"
    with pytest.raises(ZeroDivisionError):
        fail_half_way(target)
    assert list(target.parent.iterdir()) == []
    with whole(target) as partial:
        partial.write_text("all")
        assert not target.exists()
    assert target.read_text() == "all"


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError):
        fail_half_way(target)
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]
    assert target.read_text() == "old"


def test_a_folder_replaces_a_folder(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    for name in ("first", "second"):
        with whole(target) as partial:
            partial.mkdir()
            (partial / name).write_text(name)
    assert [path.name for path in target.iterdir()] == ["second"]


def test_what_a_killed_run_left_is_not_taken_in(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    with whole(target) as partial:
        partial.mkdir()
    partial.mkdir()
    (partial / "left").write_text("x")
    with whole(target) as partial:
        partial.mkdir()
    assert list(target.iterdir()) == []


def test_a_file_linked_from_a_cache_is_replaced_and_not_edited(tmp_path: Path) -> None:
    cached, target = tmp_path / "cached", tmp_path / "out.json"
    cached.write_text("{}\n")
    os.link(cached, target)
    write_json(target, {"a": 1})
    assert cached.read_text() == "{}\n"
    assert json.loads(target.read_text()) == {"a": 1}


@given(VALUES)
def test_json_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    target = tmp_path_factory.getbasetemp() / "value.json"
    write_json(target, value)
    assert json.loads(target.read_text(encoding="utf-8")) == value


def test_json_is_the_same_whatever_the_order_and_has_no_nan(tmp_path: Path) -> None:
    write_json(tmp_path / "a", {"x": 1, "y": {"b": math.nan, "a": math.inf}})
    write_json(tmp_path / "b", {"y": {"a": math.inf, "b": math.nan}, "x": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert json.loads((tmp_path / "a").read_text()) == {"x": 1, "y": {"a": None, "b": None}}
