"""Tools: what they do, and how the size of their input is measured."""

import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from tomas.domain.resources import Size
from tomas.errors import UserError

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
Sentence = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000)]
Threshold = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class InputSpec(BaseModel):
    """How the input of a tool is measured: one number, and where small and medium end (both inclusive)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    field: Name = Field(description="key of the structured input that holds the number, for example images")
    small_max: Threshold
    medium_max: Threshold
    default: Size = Field(default="medium", description="taken where neither the input nor the words tell the size")
    units: tuple[Name, ...] = Field(default=(), description="words that count the field in a text: image, images, 张")
    scale: dict[Name, Threshold] = Field(
        default_factory=dict, description="how much of the field a unit word stands for where not 1: {'hours': 60}"
    )

    @model_validator(mode="after")
    def _consistent(self) -> "InputSpec":
        if self.small_max >= self.medium_max:
            raise ValueError(f"small_max {self.small_max:g} must be below medium_max {self.medium_max:g}")
        strange = sorted(set(self.scale) - set(self.units))
        if strange:
            raise ValueError(f"scale names {', '.join(strange)}, which units lacks")
        return self

    def size_of(self, amount: float) -> Size:
        """Give the size of an input that has this amount of the field."""
        if not math.isfinite(amount) or amount < 0:
            raise UserError(f"input {self.field} must be a finite number that is not negative, found {amount}")
        if amount <= self.small_max:
            return "small"
        return "medium" if amount <= self.medium_max else "large"


class Tool(BaseModel):
    """One entry of data/tool_registry/tools.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    description: Sentence
    input: InputSpec
    command: Sentence | None = Field(default=None, description="what `tomas execute` runs where no command is given")


class ToolRegistry(BaseModel):
    """All tools, in the order that gives each its Tool ID."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tools: tuple[Tool, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _unique_names(self) -> "ToolRegistry":
        doubled = sorted({name for name in self.names if self.names.count(name) > 1})
        if doubled:
            raise ValueError(f"tool names must be unique, found twice: {', '.join(doubled)}")
        return self

    @classmethod
    def from_list(cls, entries: Sequence[Any]) -> "ToolRegistry":
        """Read the list that tools.json holds."""
        return cls.model_validate({"tools": tuple(entries)})

    def to_list(self) -> list[dict[str, Any]]:
        """Give the list that tools.json holds."""
        return [tool.model_dump(mode="json") for tool in self.tools]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The tools' names; a name's position is its Tool ID."""
        return tuple(tool.name for tool in self.tools)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {name: position for position, name in enumerate(self.names)}

    def index(self, name: str) -> int:
        """Give the Tool ID of a name."""
        if name not in self._index:
            known = ", ".join(self.names[:20])
            raise UserError(f"unknown tool {name!r}: the registry has {known}{', ...' if len(self) > 20 else ''}")
        return self._index[name]

    def __contains__(self, name: object) -> bool:
        return name in self._index

    def __getitem__(self, tool: str | int) -> Tool:
        return self.tools[tool if isinstance(tool, int) else self.index(tool)]

    def __len__(self) -> int:
        return len(self.tools)

    def each(self) -> Iterator[tuple[int, Tool]]:
        """Walk over the tools with their Tool IDs."""
        return enumerate(self.tools)
