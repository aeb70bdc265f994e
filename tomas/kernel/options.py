"""What a plug-in is told: its options, typed, and the keys under `schedules:` that are its own."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from tomas.config import Params
from tomas.errors import UserError
from tomas.kernel.spec import PartSpec
from tomas.kernel.tables import TRAINED_KINDS
from tomas.registry import default_registry, import_attribute


def part_options(part: PartSpec, params: Any) -> Any:
    """A part's options: its section of params.yaml, or its entry under `options`; None when it has none."""
    if part.section is not None:
        return getattr(params, part.section)
    return None if part.config is None else read_options(part, params.options.get(part.name, {}))


def read_options(part: PartSpec, values: Mapping[str, Any]) -> BaseModel:
    """The typed options of a part of another package."""
    model: type[BaseModel] = import_attribute(str(part.config))
    try:
        return model.model_validate(values)
    except ValidationError as error:
        lines = (f"options.{part.name}.{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise UserError("\n".join(lines)) from error


def restored_options(part: PartSpec, values: Mapping[str, Any]) -> Any:
    """Options as they were when they were dumped, typed again."""
    if part.section is not None:
        return type(getattr(Params(), part.section)).model_validate(values)
    return None if part.config is None else read_options(part, values)


def schedule_switches(plugins: Sequence[str]) -> dict[str, str]:
    """`enable_NAME_at_epoch` for each plug-in that training calls: {key: part name}.

    NAME is its own name, its kind's, or as it is written.
    """
    switches: dict[str, str] = {}
    for word, part in zip(plugins, default_registry.plug(plugins), strict=True):
        if part.kind in TRAINED_KINDS:
            switches |= {f"enable_{name}_at_epoch": part.name for name in (part.kind, word, part.name)}
    return switches


def schedule_values(plugins: Sequence[str]) -> set[str]:
    """The values that schedules may move, of all plug-ins that training calls."""
    return {value for part in default_registry.plug(plugins) if part.kind in TRAINED_KINDS for value in part.schedules}


def schedules_left(raw: Mapping[str, Any], before: Sequence[str], after: Sequence[str]) -> dict[str, Any]:
    """The schedules without those of plug-ins that are no longer named."""
    gone = _scheduled(before) - _scheduled(after)
    return {key: value for key, value in raw.items() if key not in gone}


def _scheduled(plugins: Sequence[str]) -> set[str]:
    return schedule_switches(plugins).keys() | schedule_values(plugins)
