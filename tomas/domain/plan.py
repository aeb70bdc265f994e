"""Plans: what TOMAS answers, as one JSON object whose schema is shipped beside this file."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema, model_validator

from tomas.domain.catalogue import Catalogue
from tomas.domain.resources import RESOURCES, SIZES, Size, plain

Status = Literal["ready", "wait", "infeasible", "no_tool"]
# whole amounts are written as 4 and not as 4.0
Amount = Annotated[
    float,
    Field(ge=0, allow_inf_nan=False),
    PlainSerializer(plain, when_used="json-unless-none"),
    WithJsonSchema({"type": "number", "minimum": 0}),
]
Place = Annotated[int, Field(ge=0)]


class ResourceConfig(BaseModel):
    """The resources a tool gets while it runs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpu_core: Amount = Field(description="CPU cores")
    cpu_mem_gb: Amount = Field(description="host memory in GB")
    gpu_sm: Amount = Field(description="percent of the GPU's SMs")
    gpu_mem_gb: Amount = Field(description="GPU memory in GB")


RUN_FIELDS = ("config_id", "resource_config", "expected_latency_ms", "start_ms", "end_ms")
TOOL_FIELDS = ("tool_id", "tool_name", "input_size", "feasible")


def _only_if(statuses: list[str], fields: tuple[str, ...]) -> dict[str, Any]:
    """Say in JSON schema that these fields are filled with these statuses, and null with all others."""
    filled = {"properties": {name: {"not": {"type": "null"}} for name in fields}}
    empty = {"properties": {name: {"type": "null"} for name in fields}}
    return {"if": {"properties": {"status": {"enum": statuses}}}, "then": filled, "else": empty}


class Plan(BaseModel):
    """Which tool serves the request, with which resources, and when; null where it does not apply."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_serialization_defaults_required=True,
        json_schema_extra={
            "allOf": [
                _only_if(["ready", "wait"], RUN_FIELDS),
                _only_if(["ready", "wait", "infeasible"], TOOL_FIELDS),
            ]
        },
    )

    status: Status = Field(
        description="ready: starts when planning is done; wait: fits later, at start_ms; "
        "infeasible: fits at no moment of the timeline; no_tool: no tool serves the request"
    )
    tool_id: Place | None = Field(default=None, description="place of the tool in the registry")
    tool_name: str | None = Field(default=None, description="name of the tool")
    tool_confidence: float | None = Field(default=None, ge=0, le=1, description="how sure the choice of tool is")
    config_id: Place | None = Field(default=None, description="the chosen configuration")
    input_size: Size | None = Field(default=None, description="size of the input the plan is made for")
    resource_config: ResourceConfig | None = Field(default=None, description="what the tool gets while it runs")
    expected_latency_ms: Amount | None = Field(default=None, description="how long the run takes")
    start_ms: Amount | None = Field(default=None, description="start, from submission")
    end_ms: Amount | None = Field(default=None, description="expected end, from submission")
    feasible: bool | None = Field(default=None, description="whether the resources are free from start to end")
    explanation: str | None = Field(default=None, description="why this plan, or why there is none")
    text: str | None = Field(default=None, description="the answer in words where no tool serves the request")
    warnings: tuple[str, ...] = Field(default=(), description="what was assumed or left out")

    @model_validator(mode="after")
    def _whole(self) -> "Plan":
        """Refuse a plan that lacks what its status promises, or has what its status excludes."""
        runs, serves = self.status in ("ready", "wait"), self.status != "no_tool"
        if any((getattr(self, name) is not None) != runs for name in RUN_FIELDS):
            raise ValueError(f"a plan that is {self.status} must {'have' if runs else 'not have'} a configuration")
        if any((getattr(self, name) is not None) != serves for name in TOOL_FIELDS):
            raise ValueError(f"a plan that is {self.status} must {'have' if serves else 'not have'} a tool")
        if self.start_ms is not None and self.end_ms is not None and self.end_ms < self.start_ms:
            raise ValueError("a plan cannot end before it starts")
        return self

    def to_json(self) -> str:
        """Give the plan as one line of JSON."""
        return self.model_dump_json()


def run_plan(
    catalogue: Catalogue,
    config_id: int,
    *,
    status: Literal["ready", "wait"],
    start_ms: float,
    feasible: bool,
    **more: Any,
) -> Plan:
    """Give the plan that runs this configuration from start_ms; more are tool_confidence, explanation and warnings."""
    tool_id = int(catalogue.tool_id[config_id])
    latency_ms = float(catalogue.latency_ms[config_id])
    return Plan(
        status=status,
        tool_id=tool_id,
        tool_name=catalogue.tools[tool_id].name,
        config_id=config_id,
        input_size=SIZES[int(catalogue.size_id[config_id])],
        resource_config=ResourceConfig(**dict(zip(RESOURCES, catalogue.requirement[config_id].tolist(), strict=True))),
        expected_latency_ms=latency_ms,
        start_ms=start_ms,
        end_ms=start_ms + latency_ms,
        feasible=feasible,
        **more,
    )


def infeasible_plan(catalogue: Catalogue, tool_id: int, size: Size, *, reason: str, **more: Any) -> Plan:
    """Give the plan that says why this tool can run at no moment of the timeline."""
    return Plan(
        status="infeasible",
        tool_id=tool_id,
        tool_name=catalogue.tools[tool_id].name,
        input_size=size,
        feasible=False,
        explanation=reason,
        **more,
    )


def plan_json_schema() -> dict[str, Any]:
    """Give the JSON schema of plans, which tomas/domain/plan.schema.json holds."""
    return Plan.model_json_schema(mode="serialization")
