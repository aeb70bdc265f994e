"""Every part, schedule and option that params.yaml names, checked together before any work starts."""

from collections.abc import Mapping
from typing import Any

from tomas.config import Anneal, Params
from tomas.errors import UsageError, UserError
from tomas.kernel.options import part_options, schedule_switches
from tomas.kernel.spec import AUTO, PartSpec
from tomas.registry import default_registry, suggestion


def check_parts(params: Params) -> tuple[PartSpec, ...]:
    """The plug-ins in use, in order; a name, schedule or option that means nothing is an error."""
    parts = default_registry.plug(params.plugins)
    for kind in default_registry.kinds.values():
        if kind.key is not None:
            name = str(_value(params, kind.key))
            if name != AUTO or not kind.chain:
                default_registry.find(kind.name, name)
    _check_conflicts(parts)
    _check_options(params, parts)
    check_schedules(params.schedules, schedule_switches(params.plugins), {v for part in parts for v in part.schedules})
    return parts


def check_schedules(raw: Mapping[str, int | Anneal], switches: Mapping[str, str], values: set[str]) -> None:
    """A schedule that belongs to no plug-in in use, or has the wrong form of value, is an error."""
    for key, value in raw.items():
        if key not in switches and key not in values:
            hint = suggestion(key, [*switches, *values]) or " No plug-in in use has a schedule."
            raise UserError(f"schedules.{key}: no such schedule.{hint}")
        if isinstance(value, Anneal) != (key in values):
            wanted = "{start, end, by}" if key in values else "the epoch it starts at, counted from 0"
            raise UserError(f"schedules.{key}: must be {wanted}.")


def _value(params: Params, path: str) -> Any:
    node: Any = params
    for name in path.split("."):
        node = getattr(node, name)
    return node


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
