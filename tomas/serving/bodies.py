"""What comes and goes over HTTP, besides plans."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tomas.domain.plan import Plan, ResourceConfig
from tomas.domain.request import Request
from tomas.domain.resources import TIMELINE_COLUMNS
from tomas.domain.tools import InputSpec


class RequestBody(Request):
    """One request as JSON; labels it may carry (id, tool, source, lang) change nothing."""

    model_config = ConfigDict(
        strict=True,  # what the published schema excludes is not guessed at: "5" is no number
        json_schema_extra={
            "examples": [
                {"text": "make these three holiday photos sharper", "input": {"megapixels": 2.0}, "t_inf_ms": 500},
                {
                    "text": "把这段会议录音转成文字",
                    "input_size": "medium",
                    "timeline": "time_ms,cpu_cores,cpu_mem_gb,gpu_sm,gpu_mem_gb\n0,4,16,20,6\n2000,16,64,100,24\n",
                },
            ]
        },
    )

    @field_validator("timeline", mode="before")
    @classmethod
    def _rows_of_numbers(cls, timeline: Any) -> Any:
        """Take CSV text or rows by name only."""
        if timeline is None or isinstance(timeline, str):
            return timeline
        if not isinstance(timeline, list) or not all(isinstance(row, dict) for row in timeline):
            raise ValueError("CSV text or a list of rows is needed, each an object")
        for place, row in enumerate(timeline):
            for name in TIMELINE_COLUMNS:
                if name in row and type(row[name]) not in (int, float):
                    raise ValueError(f"timeline row {place + 1}: {name} is not a number")
        return timeline


class PlanBody(RequestBody):
    """One request, and whether the plan is to be explained."""

    explain: bool = Field(default=False, description="say why, in the model's own words; takes seconds")


class BatchBody(BaseModel):
    """Many requests."""

    model_config = ConfigDict(extra="forbid", strict=True)

    requests: list[RequestBody] = Field(min_length=1, description="planned together, answered in order")
    explain: bool = Field(default=False, description="say why, in the model's own words; takes seconds a plan")


class BatchAnswer(BaseModel):
    """Their plans, in order."""

    plans: list[Plan]


class Alternative(BaseModel):
    """A configuration that was not chosen, and what it would mean."""

    config_id: int
    resource_config: ResourceConfig
    expected_latency_ms: float
    start_ms: float
    end_ms: float


class AlternativesAnswer(BaseModel):
    """A plan with the next best configurations."""

    plan: Plan
    alternatives: list[Alternative] = Field(description="what also fits at the plan's start, best first")
    timeline: list[dict[str, float]] = Field(description="what was taken as free")


class ToolAnswer(BaseModel):
    """One tool as a client needs it."""

    name: str
    description: str
    input: InputSpec
    configurations: int


class CatalogueAnswer(BaseModel):
    """The tools plans are made of, and the machine they are made for."""

    machine: ResourceConfig = Field(description="what counts as free where a request brings no timeline")
    tools: list[ToolAnswer]


class HealthAnswer(BaseModel):
    """The server can plan."""

    status: str = "ok"
    version: str
    backbone: str
    configurations: int
    waiting: int = Field(description="requests in the queue")


class ErrorAnswer(BaseModel):
    """What is wrong, in one line."""

    error: str


def error_answers(*codes: int) -> dict[int | str, dict[str, Any]]:
    """The errors an operation may answer, for OpenAPI."""
    meanings = {
        400: "not JSON",
        401: "no or a wrong bearer token",
        404: "no such tool",
        413: "the body is larger than the server takes",
        422: "the request is not one",
        429: "too many requests wait",
    }
    return {code: {"model": ErrorAnswer, "description": meanings[code]} for code in codes}
