"""Plans hold what their status promises, read well as JSON, and pass the schema that is shipped."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

import tomas.domain.plan
from tests.domain.cases import registry
from tomas.domain.catalogue import Catalogue
from tomas.domain.plan import Plan, infeasible_plan, plan_json_schema, run_plan

SCHEMA_FILE = Path(tomas.domain.plan.__file__).with_name("plan.schema.json")
ROW = {"input_size": "medium", "cpu_core": 4, "cpu_mem_gb": 8, "gpu_sm": 50, "gpu_mem_gb": 4.5, "latency_ms": 5800}
FIELDS = ["status", "tool_id", "tool_name", "tool_confidence", "config_id", "input_size", "resource_config"]
FIELDS += ["expected_latency_ms", "start_ms", "end_ms", "feasible", "explanation", "text", "warnings"]


def catalogue() -> Catalogue:
    return Catalogue.from_rows(registry(), [ROW | {"tool": "alpha"}, ROW | {"tool": "beta"}])


def plans() -> list[Plan]:
    table = catalogue()
    return [
        run_plan(table, 1, status="ready", start_ms=500.0, feasible=True, tool_confidence=0.98),
        run_plan(table, 0, status="wait", start_ms=1500.25, feasible=True, warnings=("medium is assumed",)),
        infeasible_plan(table, 1, "small", reason="no GPU memory", tool_confidence=0.5),
        Plan(status="no_tool", tool_confidence=0.1, text="Paris."),
    ]


def test_a_plan_that_runs_carries_the_row_it_was_profiled_in() -> None:
    assert json.loads(plans()[0].to_json()) == {
        "status": "ready",
        "tool_id": 1,
        "tool_name": "beta",
        "tool_confidence": 0.98,
        "config_id": 1,
        "input_size": "medium",
        "resource_config": {"cpu_core": 4, "cpu_mem_gb": 8, "gpu_sm": 50, "gpu_mem_gb": 4.5},
        "expected_latency_ms": 5800,
        "start_ms": 500,
        "end_ms": 6300,
        "feasible": True,
        "explanation": None,
        "text": None,
        "warnings": [],
    }


def test_whole_numbers_are_written_without_a_point() -> None:
    text = plans()[0].to_json()
    assert '"cpu_core":4,' in text
    assert '"end_ms":6300,' in text
    assert '"gpu_mem_gb":4.5}' in text


@pytest.mark.parametrize("plan", plans(), ids=lambda plan: plan.status)
def test_every_plan_passes_the_schema_and_reads_back_as_itself(plan: Plan) -> None:
    data = json.loads(plan.to_json())
    assert list(data) == FIELDS
    jsonschema.validate(data, json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))
    assert Plan.model_validate_json(plan.to_json()) == plan


def test_the_shipped_schema_is_the_models_own_and_a_sound_schema() -> None:
    shipped = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    assert shipped == plan_json_schema(), "write json.dumps(plan_json_schema(), indent=2, sort_keys=True) into it"
    assert shipped["required"] == FIELDS
    jsonschema.Draft202012Validator.check_schema(shipped)


@pytest.mark.parametrize("field", FIELDS)
def test_the_schema_asks_for_every_field(field: str) -> None:
    data = json.loads(plans()[0].to_json())
    del data[field]
    with pytest.raises(jsonschema.ValidationError, match=field):
        jsonschema.validate(data, plan_json_schema())


@pytest.mark.parametrize(
    ("base", "changes", "complaint"),
    [
        (0, {"config_id": None}, "ready must have a configuration"),
        (1, {"start_ms": None}, "wait must have a configuration"),
        (2, {"config_id": 3}, "infeasible must not have a configuration"),
        (2, {"tool_name": None}, "infeasible must have a tool"),
        (3, {"tool_id": 0}, "no_tool must not have a tool"),
        (0, {"end_ms": 1}, "cannot end before it starts"),
        (0, {"status": "maybe"}, "status"),
        (0, {"tool_confidence": 1.5}, "tool_confidence"),
        (0, {"start_ms": float("inf")}, "start_ms"),
        (0, {"mood": "good"}, "mood"),
    ],
)
def test_a_plan_that_contradicts_its_status_cannot_be_made(base: int, changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        Plan.model_validate(plans()[base].model_dump() | changes)


@pytest.mark.parametrize(
    ("base", "changes"),
    [
        (0, {"config_id": None}),
        (1, {"start_ms": None}),
        (2, {"end_ms": 3}),
        (2, {"tool_name": None}),
        (3, {"tool_id": 0}),
    ],
)
def test_the_schema_knows_what_each_status_promises(base: int, changes: dict[str, Any]) -> None:
    data = json.loads(plans()[base].to_json()) | changes
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, plan_json_schema())
