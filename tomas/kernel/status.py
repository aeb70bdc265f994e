"""What every part's standing is here: in use, default, available, missing or incompatible."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from tomas.kernel.availability import misfit, missing_modules, unavailable
from tomas.kernel.spec import AUTO, PartSpec
from tomas.kernel.yaml_files import at_path
from tomas.registry import GROUP_PREFIX, Registry, announced_parts, default_registry, distribution_name
from tomas.version import __version__

Standing = Literal["in use", "default", "available", "missing", "incompatible"]


@dataclass(frozen=True, slots=True)
class PartStatus:
    """One part as `tomas plugin list` shows it."""

    kind: str
    name: str
    status: Standing
    detail: str
    distribution: str
    version: str


def statuses(params: Mapping[str, Any], registry: Registry = default_registry) -> list[PartStatus]:
    """The standing of every part under these parameters (params.yaml as plain data)."""
    named = tuple(params.get("plugins") or ())
    own = [_own(part, params, named, registry) for part in registry.parts()]
    return own + list(_announced(registry))


def is_in_use(part: PartSpec, params: Mapping[str, Any], named: tuple[str, ...], registry: Registry) -> bool:
    """Whether params.yaml asks for a part: by its kind's key, or under `plugins:`."""
    kind = registry.kinds[part.kind]
    if kind.key is None:
        words = {part.name, f"{part.kind}.{part.name}", *([part.kind] if part.name == kind.default else [])}
        return not words.isdisjoint(named)
    value = at_path(params, kind.key)
    if value == AUTO:
        chain = (registry.find(part.kind, name) for name in kind.chain)
        return part.name == next((link.name for link in chain if unavailable(link) is None), None)
    if value is None:
        return part.name == kind.default
    return registry.find(part.kind, str(value)).name == part.name if _known(registry, part.kind, value) else False


def _known(registry: Registry, kind: str, value: object) -> bool:
    return str(value) in registry.names(kind) or registry.kinds[kind].other is not None


def _said(params: Mapping[str, Any], registry: Registry, key: str) -> Any:
    """What params.yaml says under a key; where it says nothing, the default of the kind that the key names."""
    default = next((kind.default for kind in registry.kinds.values() if kind.key == key), None)
    said = at_path(params, key)
    return default if said is None else said


def _own(part: PartSpec, params: Mapping[str, Any], named: tuple[str, ...], registry: Registry) -> PartStatus:
    reason = unavailable(part) or misfit(part, partial(_said, params, registry))
    in_use = is_in_use(part, params, named, registry)
    status: Standing
    if reason is not None:
        status = "missing" if missing_modules(part) else "incompatible"
    elif in_use:
        status = "in use"
    else:
        kind = registry.kinds[part.kind]
        status = "default" if kind.key is not None and kind.default == part.name else "available"
    detail = f"asked for, but {reason}" if reason and in_use else reason or part.summary
    version = part.version or (__version__ if part.distribution == "tomas" else "")
    return PartStatus(part.kind, part.name, status, detail, part.distribution, version)


def _announced(registry: Registry) -> Iterator[PartStatus]:
    """Parts of other packages that are not plugged in: what their metadata says."""
    known = {(part.kind, part.name, part.distribution) for part in registry.parts()}
    taken = {(part.kind, part.name): part.distribution for part in registry.parts()}
    for entry in announced_parts():
        kind, distribution = entry.group.removeprefix(GROUP_PREFIX), distribution_name(entry)
        if (kind, entry.name, distribution) in known:
            continue
        other = taken.get((kind, entry.name))
        status: Standing = "incompatible" if other else "available"
        detail = (
            f"{other} already has this name" if other else f"tomas plugin enable {entry.name} puts it under plugins:"
        )
        taken.setdefault((kind, entry.name), distribution)
        version = entry.dist.version if entry.dist else ""
        yield PartStatus(kind, entry.name, status, detail, distribution, version)
