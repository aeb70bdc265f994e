"""The catalogue's order is canonical, its IDs are contiguous, and its tables give every number back."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.domain.cases import catalogues, registry
from tomas.domain.catalogue import ROW_COLUMNS, Catalogue
from tomas.domain.resources import SIZES
from tomas.errors import UserError

ROW = {"tool": "alpha", "input_size": "small", "cpu_core": 1, "cpu_mem_gb": 2, "gpu_sm": 3, "gpu_mem_gb": 4}
ROW |= {"latency_ms": 5.5}
BETA = ROW | {"tool": "beta"}


@settings(max_examples=200, deadline=None)
@given(catalogues(), st.randoms())
def test_the_order_of_the_rows_does_not_matter(table: Catalogue, random: Any) -> None:
    rows = [table.row(config_id) for config_id in range(len(table))]
    keys = [(table.tools.index(row["tool"]), SIZES.index(row["input_size"]), *list(row.values())[2:6]) for row in rows]
    assert keys == sorted(keys)
    random.shuffle(rows)
    for again in (Catalogue.from_rows(table.tools, rows), Catalogue.from_rows(table.tools, pd.DataFrame(rows))):
        assert again.vector6().tolist() == table.vector6().tolist()
        assert again.tool_id.tolist() == table.tool_id.tolist()


@settings(max_examples=200, deadline=None)
@given(catalogues())
def test_the_masks_partition_the_ids(table: Catalogue) -> None:
    everything = np.arange(len(table)).tolist()
    tools = table.tools.names
    assert [i for tool in tools for i in everything[table.slice(tool)]] == everything
    assert [i for tool in tools for size in SIZES for i in table.ids(tool, size).tolist()] == everything
    for tool_id, tool in table.tools.each():
        assert table.ids(tool_id).tolist() == table.ids(tool.name).tolist() == everything[table.slice(tool_id)]
        mask = table.to_mask_map()[tool.name]
        assert everything[slice(*mask["range"])] == [i for i in everything if table.tool_id[i] == tool_id]
        for size, bounds in mask["sizes"].items():
            here = [i for i in everything if table.tool_id[i] == tool_id and SIZES[table.size_id[i]] == size]
            assert everything[slice(*bounds)] == here == table.ids(tool_id, size).tolist()


@settings(max_examples=200, deadline=None)
@given(catalogues(), st.floats(0.001, 1e9), st.floats(0.0, 1e9))
def test_the_lookup_table_gives_each_number_back_exactly(table: Catalogue, latency: float, memory: float) -> None:
    rows = [table.row(config_id) for config_id in range(len(table))]
    rows[0] |= {"latency_ms": latency, "cpu_mem_gb": memory + 5}
    written = Catalogue.from_rows(table.tools, rows)
    read = Catalogue.from_lookup(json.loads(json.dumps(written.to_lookup())))
    assert read.tools == written.tools
    for name in ("tool_id", "size_id", "requirement", "latency_ms"):
        assert getattr(read, name).tolist() == getattr(written, name).tolist()


def test_a_lookup_row_reads_as_it_was_profiled() -> None:
    lookup = Catalogue.from_rows(registry(), [BETA, ROW]).to_lookup()
    assert lookup["configurations"][1] == {"config_id": 1, **BETA}
    assert json.dumps(lookup["configurations"][0]["cpu_core"]) == "1"


def test_tools_may_have_unequal_numbers_of_rows_and_lack_sizes() -> None:
    without_gpu = BETA | {"gpu_sm": 0, "gpu_mem_gb": 0}
    table = Catalogue.from_rows(registry(), [ROW | {"input_size": "large"}, BETA, without_gpu])
    assert [table.slice(tool) for tool in table.tools.names] == [slice(0, 1), slice(1, 3)]
    assert table.ids("alpha", "small").tolist() == []
    assert table.row(1)["gpu_sm"] == 0


def test_the_six_numbers_are_size_resources_and_latency() -> None:
    table = Catalogue.from_rows(registry(), [ROW | {"input_size": "large"}, BETA])
    assert table.vector6().tolist() == [[2, 1, 2, 3, 4, 5.5], [0, 1, 2, 3, 4, 5.5]]


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ([ROW], "no profile rows for the tools beta"),
        ([ROW, BETA, ROW | {"tool": "gamma"}], "unknown tool 'gamma'"),
        ([ROW, BETA, ROW | {"input_size": "tiny"}], "unknown input_size tiny"),
        ([ROW, BETA, ROW | {"latency_ms": 7}], "a configuration twice: alpha small 1 2 3 4"),
        ([ROW, BETA | {"gpu_sm": 1200}], "profiles of beta: gpu_sm cannot be 1200"),
        ([ROW, BETA | {"cpu_core": -1}], "profiles of beta: cpu_core cannot be -1"),
        ([ROW, BETA | {"latency_ms": float("nan")}], "latency_ms cannot be nan"),
        ([ROW, BETA | {"latency_ms": 0}], "latency_ms cannot be 0"),
        ([ROW, BETA | {"cpu_core": "four"}], "must be numbers"),
        ([ROW, {key: BETA[key] for key in ROW_COLUMNS[:-1]}], "lack the column latency_ms"),
        ([], "no profile rows for the tools alpha, beta"),
    ],
)
def test_rows_no_machine_could_have_measured_are_refused(rows: list[dict[str, Any]], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        Catalogue.from_rows(registry(), rows)


def test_a_catalogue_of_many_tools_is_found_without_a_walk() -> None:
    names = [f"tool{i}" for i in range(100)]
    rows = [ROW | {"tool": name, "cpu_core": cores} for name in names for cores in range(1, 40)]
    table = Catalogue.from_rows(registry(names), rows)
    assert table.ids("tool57").tolist() == list(range(57 * 39, 58 * 39))
    assert table.row(57 * 39 + 4)["cpu_core"] == 5
