"""Requests: what a user asks for, with what is known of the input and of the machine."""

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    WithJsonSchema,
    field_validator,
)

from tomas.domain.resources import MAX_GPU_SM, TIMELINE_COLUMNS, Size
from tomas.domain.timeline import MAX_ROWS, Timeline
from tomas.errors import UserError

MAX_TEXT_CHARS = 20_000
MAX_INPUT_FIELDS = 32


def _read_timeline(value: Any) -> Any:
    """Take CSV text or rows as they stand in JSON; a timeline passes."""
    if value is None or isinstance(value, Timeline):
        return value
    try:
        if isinstance(value, str):
            return Timeline.from_csv_text(value)
        return Timeline.from_rows(value)
    except UserError as error:
        raise ValueError(str(error)) from error


def _write_timeline(timeline: Timeline | None) -> list[dict[str, float]] | None:
    return None if timeline is None else timeline.to_rows()


_ROW_SCHEMA = {
    "type": "object",
    "properties": {
        "time_ms": {"type": "number"},
        **{name: {"type": "number", "minimum": 0} for name in TIMELINE_COLUMNS[1:]},
        "gpu_sm": {"type": "number", "minimum": 0, "maximum": MAX_GPU_SM},
    },
    "required": list(TIMELINE_COLUMNS),
}
_TIMELINE_SCHEMA = {
    "description": "free resources over time: CSV text with a header, or rows; the last row holds on",
    "anyOf": [
        {"type": "string", "description": f"CSV with the columns {', '.join(TIMELINE_COLUMNS)}"},
        {"type": "array", "minItems": 1, "maxItems": MAX_ROWS, "items": _ROW_SCHEMA},
        {"type": "null"},
    ],
}

TimelineField = Annotated[
    Timeline | None,
    BeforeValidator(_read_timeline),
    PlainSerializer(_write_timeline),
    WithJsonSchema(_TIMELINE_SCHEMA),
]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Request(BaseModel):
    """One request: its words, and what is known beside them."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    text: str = Field(min_length=1, max_length=MAX_TEXT_CHARS, description="what the user asks for, in words")
    input: dict[str, Amount] | None = Field(
        default=None, max_length=MAX_INPUT_FIELDS, description='what is known of the input: {"images": 12}'
    )
    input_size: Size | None = Field(default=None, description="size of the input, where the user states it")
    timeline: TimelineField = Field(default=None, description="free resources; without one the machine counts as free")
    t_inf_ms: Amount | None = Field(default=None, description="earliest start in ms after submission; else predicted")
    id: str | None = Field(default=None, max_length=200, description="name of this request in reports")
    tool: str | None = Field(default=None, description="label: the tool that serves it; null where none does")
    source: str | None = Field(default=None, description="label: where it comes from; metrics are given per source")
    lang: str | None = Field(default=None, description="label: language of the text")

    @field_validator("text")
    @classmethod
    def _has_words(cls, text: str) -> str:
        if not text.strip():
            raise ValueError("the text is empty")
        return text

    @property
    def is_labelled(self) -> bool:
        """Whether the line said which tool serves the request, be it none."""
        return "tool" in self.model_fields_set

    @classmethod
    def read(cls, line: Mapping[str, Any], folder: Path | None = None) -> "Request":
        """Read one line of a requests file: a one-line timeline is a CSV file's path seen from folder.

        Columns a requests file has for other purposes are left out; one that looks like a slip of a known name is not.
        """
        for name in sorted(line.keys() - cls.model_fields.keys()):
            meant = get_close_matches(name, sorted(cls.model_fields.keys() - line.keys()), n=1, cutoff=0.75)
            if meant:
                raise UserError(f"unknown field {name!r}: did you mean {meant[0]!r}?")
        values = {name: value for name, value in line.items() if name in cls.model_fields}
        timeline = values.get("timeline")
        if folder is not None and isinstance(timeline, str) and "\n" not in timeline.strip():
            values["timeline"] = Timeline.from_csv(folder / timeline.strip())
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise UserError("; ".join(_problem(problem) for problem in error.errors())) from error


def _problem(problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"]) or "request"
    return f"{where}: {problem['msg'].removeprefix('Value error, ')}"
