"""Every part, schedule and option that params.yaml names, checked together before any work starts."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from tomas.config import Anneal, Params
from tomas.errors import UsageError, UserError
from tomas.kernel.availability import misfit
from tomas.kernel.fallback import resolve
from tomas.kernel.options import part_options, schedule_switches, schedule_values
from tomas.kernel.spec import AUTO, PartSpec
from tomas.registry import default_registry, suggestion


def check_parts(params: Params) -> tuple[PartSpec, ...]:
    """The plug-ins in use, in order; a name, schedule or option that means nothing is an error."""
    parts = default_registry.plug(params.plugins)
    _check_conflicts(parts)
    _check_company(params, (*_named_by_keys(params), *parts))
    _check_options(params, parts)
    switches, values = schedule_switches(params.plugins), schedule_values(params.plugins)
    check_schedules(params.schedules, switches, values, params.training.max_epochs)
    return parts


def check_available(params: Params, strict: bool | None = None) -> None:
    """A part that cannot be used here, nor any behind it in its kind's chain, is an error before work starts."""
    for kind in default_registry.kinds.values():
        if kind.key is not None and kind.name != "backbone":  # converted models work without their package
            dtype = params.backbone.dtype if kind.name == "attention" else None
            resolve(kind.name, str(_value(params, kind.key)), dtype=dtype, strict=strict, quiet=True)
    for part in default_registry.plug(params.plugins):
        if default_registry.kinds[part.kind].hooks:
            resolve(part.kind, part.name, strict=strict, quiet=True)


def check_schedules(
    raw: Mapping[str, int | Anneal], switches: Mapping[str, str], values: set[str], epochs: int
) -> None:
    """A schedule that belongs to no plug-in in use, has the wrong form, or begins after the end, is an error."""
    for key, value in raw.items():
        if key not in switches and key not in values:
            hint = suggestion(key, [*switches, *values]) or " No plug-in in use has a schedule."
            raise UserError(f"schedules.{key}: no such schedule.{hint}")
        if isinstance(value, Anneal) != (key in values):
            wanted = "{start, end, by}" if key in values else "the epoch it starts at, counted from 0"
            raise UserError(f"schedules.{key}: must be {wanted}.")
        if isinstance(value, int) and value >= epochs:
            raise UserError(
                f"schedules.{key}: epoch {value} never comes; training.max_epochs is {epochs}, counted from 0."
            )


def _value(params: Params, path: str) -> Any:
    node: Any = params
    for name in path.split("."):
        node = getattr(node, name)
    return node


def _named_by_keys(params: Params) -> tuple[PartSpec, ...]:
    """The parts that keys of params.yaml name."""
    names = [(kind, str(_value(params, kind.key))) for kind in default_registry.kinds.values() if kind.key is not None]
    return tuple(default_registry.find(kind.name, name) for kind, name in names if name != AUTO or not kind.chain)


def _check_company(params: Params, parts: tuple[PartSpec, ...]) -> None:
    """Parts that cannot work beside what other keys say."""
    for part in parts:
        if reason := misfit(part, partial(_value, params)):
            raise UserError(f"{part.kind} {part.name!r} cannot be used here: {reason}.")


def _check_conflicts(parts: tuple[PartSpec, ...]) -> None:
    seen: dict[str, PartSpec] = {}
    for part in parts:
        kind = default_registry.kinds[part.kind]
        other = seen.setdefault(part.kind, part)
        if other is not part and kind.hooks and not kind.many:
            raise UsageError(f"plugins: {other.name!r} and {part.name!r} are both a {part.kind}; only one can be used.")
    if len(set(parts)) < len(parts):
        raise UsageError("plugins: a part is named twice.")


def _check_options(params: Params, parts: tuple[PartSpec, ...]) -> None:
    with_options = {part.name: part for part in parts if part.config is not None and part.section is None}
    for name in params.options:
        if name not in with_options:
            hint = suggestion(name, with_options)
            raise UserError(f"options.{name}: no part in use takes options under this name.{hint}")
    for part in with_options.values():
        part_options(part, params)
