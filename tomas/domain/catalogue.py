"""The catalogue: every configuration of every tool, in canonical order, as arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tomas.domain.resources import MAX_GPU_SM, RESOURCES, SIZES, Floats, Ints, Size, frozen, plain
from tomas.domain.tools import ToolRegistry
from tomas.errors import UserError

ROW_COLUMNS = ("tool", "input_size", *RESOURCES, "latency_ms")


@dataclass(frozen=True, eq=False)
class Catalogue:
    """Tools and their configurations; a configuration's position is its Config ID.

    tool_id and size_id are [N], requirement is [N, 4] in the order of RESOURCES, latency_ms is [N]; the rows are sorted
    by tool, size and the four resources, so the IDs of one tool are contiguous, and within it those of one size; bounds
    [K * 3 + 1] says where each (tool, size) begins.
    """

    tools: ToolRegistry
    tool_id: Ints
    size_id: Ints
    requirement: Floats
    latency_ms: Floats
    bounds: tuple[int, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse rows that no machine could have measured, and put the rest in canonical order."""
        columns = (self.size_id, *self.requirement.T, self.latency_ms)
        order = np.lexsort((*columns[::-1], self.tool_id))
        for name in ("tool_id", "size_id", "requirement", "latency_ms"):
            object.__setattr__(self, name, frozen(getattr(self, name)[order]))
        self._refuse_bad_rows()
        keys = self.tool_id * len(SIZES) + self.size_id
        bounds = np.searchsorted(keys, np.arange(len(self.tools) * len(SIZES) + 1))
        object.__setattr__(self, "bounds", tuple(bounds.tolist()))

    @classmethod
    def from_rows(cls, registry: ToolRegistry, rows: Any) -> "Catalogue":
        """Build from a data frame, a mapping of columns, or records, with the columns of ROW_COLUMNS."""
        columns = _columns(rows)
        sizes = {size: position for position, size in enumerate(SIZES)}
        strange = sorted({str(size) for size in columns["input_size"] if size not in sizes})
        if strange:
            raise UserError(f"profiles: unknown input_size {', '.join(strange)}: it must be one of {', '.join(SIZES)}")
        try:
            requirement = np.array([columns[name] for name in RESOURCES], dtype=np.float64).T
            latency_ms = np.array(columns["latency_ms"], dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise UserError(f"profiles: resources and latency must be numbers: {error}") from error
        tool_id = np.array([registry.index(name) for name in columns["tool"]], dtype=np.int64)
        size_id = np.array([sizes[size] for size in columns["input_size"]], dtype=np.int64)
        return cls(registry, tool_id, size_id, requirement.reshape(-1, len(RESOURCES)), latency_ms)

    @classmethod
    def from_lookup(cls, lookup: Mapping[str, Any]) -> "Catalogue":
        """Read what config_lookup.json holds."""
        return cls.from_rows(ToolRegistry.from_list(lookup["tools"]), lookup["configurations"])

    def to_lookup(self) -> dict[str, Any]:
        """Give what config_lookup.json holds: the tools, and each configuration's numbers exactly."""
        rows = [{"config_id": config_id, **self.row(config_id)} for config_id in range(len(self))]
        return {"tools": self.tools.to_list(), "configurations": rows}

    def to_mask_map(self) -> dict[str, Any]:
        """Give what tool_mask_map.json holds: [start, stop] of each tool's Config IDs, and of each size within it."""
        masks: dict[str, Any] = {}
        for tool_id, tool in self.tools.each():
            whole = self.slice(tool_id)
            sizes = {size: list(self._range(tool_id, size)) for size in SIZES}
            masks[tool.name] = {"tool_id": tool_id, "range": [whole.start, whole.stop], "sizes": sizes}
        return masks

    def row(self, config_id: int) -> dict[str, Any]:
        """Give one configuration as the row it was profiled in."""
        numbers = (*self.requirement[config_id].tolist(), float(self.latency_ms[config_id]))
        names = (self.tools[int(self.tool_id[config_id])].name, SIZES[int(self.size_id[config_id])])
        return dict(zip(ROW_COLUMNS, (*names, *map(plain, numbers)), strict=True))

    def slice(self, tool: str | int) -> slice:
        """Give the Config IDs of one tool, which are contiguous."""
        tool_id = tool if isinstance(tool, int) else self.tools.index(tool)
        return slice(self._range(tool_id, SIZES[0])[0], self._range(tool_id, SIZES[-1])[1])

    def ids(self, tool: str | int, size: Size | None = None) -> Ints:
        """Give the Config IDs of one tool, of one size where it is known; none where that size was not profiled."""
        tool_id = tool if isinstance(tool, int) else self.tools.index(tool)
        if size is None:
            whole = self.slice(tool_id)
            return np.arange(whole.start, whole.stop)
        return np.arange(*self._range(tool_id, size))

    def vector6(self) -> Floats:
        """Give the resource vectors [N, 6]: ordinal size, the four resources, latency in ms."""
        return np.column_stack((self.size_id, self.requirement, self.latency_ms))

    def __len__(self) -> int:
        return len(self.tool_id)

    def _range(self, tool_id: int, size: Size) -> tuple[int, int]:
        place = tool_id * len(SIZES) + SIZES.index(size)
        return self.bounds[place], self.bounds[place + 1]

    def _refuse_bad_rows(self) -> None:
        numbers = np.column_stack((self.requirement, self.latency_ms))
        sound = np.isfinite(numbers) & (numbers >= 0)
        sound[:, RESOURCES.index("gpu_sm")] &= self.requirement[:, RESOURCES.index("gpu_sm")] <= MAX_GPU_SM
        sound[:, -1] &= self.latency_ms > 0
        if not sound.all():
            row, column = (int(index) for index in np.argwhere(~sound)[0])
            name = (*RESOURCES, "latency_ms")[column]
            tool = self.tools[int(self.tool_id[row])].name
            raise UserError(f"profiles of {tool}: {name} cannot be {numbers[row, column]:g}")
        rows = np.column_stack((self.tool_id, self.size_id, self.requirement))
        twice = np.flatnonzero((rows[1:] == rows[:-1]).all(axis=1))
        if len(twice):
            words = " ".join(map(str, list(self.row(int(twice[0])).values())[:-1]))
            raise UserError(f"profiles hold a configuration twice: {words}")
        without = [tool.name for tool_id, tool in self.tools.each() if not (self.tool_id == tool_id).any()]
        if without:
            raise UserError(f"no profile rows for the tools {', '.join(without)}: profile them or take them out")


def _columns(rows: Any) -> dict[str, Sequence[Any]]:
    """Give the columns of a data frame, of a mapping of columns, or of records."""
    try:
        if isinstance(rows, Mapping) or hasattr(rows, "columns"):
            return {name: list(rows[name]) for name in ROW_COLUMNS}
        return {name: [row[name] for row in rows] for name in ROW_COLUMNS}
    except KeyError as error:
        raise UserError(f"profiles lack the column {error.args[0]}: they need {', '.join(ROW_COLUMNS)}") from error
