"""Which part is really used when the wanted one cannot work here: said once, recorded, and never a silent change."""

import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tomas.errors import UserError
from tomas.kernel.availability import unavailable
from tomas.kernel.spec import AUTO, PartSpec
from tomas.registry import Registry, default_registry
from tomas.version import __version__

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Resolution:
    """A part that was asked for and the one that is used."""

    kind: str
    requested: str
    used: str
    reason: str | None = None
    """Why another one is used; None when it is the one asked for."""


def is_strict() -> bool:
    """Whether falling back is an error: TOMAS_STRICT=1, which `--strict` sets."""
    return os.environ.get("TOMAS_STRICT") == "1"


def resolve(
    kind: str,
    name: str,
    *,
    dtype: str | None = None,
    trained_with: str | None = None,
    strict: bool | None = None,
    quiet: bool = False,
    registry: Registry = default_registry,
) -> Resolution:
    """The part to use for a name in params.yaml; an unknown name is an error, an unavailable part may give way.

    `auto` takes the first of the kind's chain that works here. `trained_with` is the part the weights were trained
    with: they are only ever used with it or with a part that computes the same function.
    """
    chain = registry.kinds[kind].chain
    candidates = _candidates(name, chain)
    requested = registry.find(kind, candidates[0])
    reasons = {candidate: unavailable(registry.find(kind, candidate), dtype) for candidate in candidates}
    used = next((candidate for candidate in candidates if reasons[candidate] is None), None)
    why = f"{kind} {candidates[0]!r} cannot be used here: {reasons[candidates[0]]}"
    if used is None:
        raise UserError(f"{why}.")
    if trained_with is not None:
        _check_trained(requested.kind, trained_with, registry.find(kind, used), registry)
    if name == AUTO or used == name:
        return Resolution(kind, name, used)
    if is_strict() if strict is None else strict:
        raise UserError(f"{why}; without --strict {used!r} would be used.")
    if not quiet:
        log.warning("%s; %r is used instead", why, used)
    return Resolution(kind, name, used, reasons[name])


def parts_record(
    resolutions: Iterable[Resolution], registry: Registry = default_registry
) -> dict[str, dict[str, str | None]]:
    """Resolutions as `assets/planner/parts.json` holds them, with the package each part came from.

    By kind, and by kind and name where there may be several of a kind.
    """
    record: dict[str, dict[str, str | None]] = {}
    for item in sorted(resolutions, key=lambda item: item.kind):
        part = registry.find(item.kind, item.used)
        record[f"{item.kind}.{part.name}" if registry.kinds[item.kind].many else item.kind] = {
            "requested": item.requested,
            "used": item.used,
            "reason": item.reason,
            "distribution": part.distribution,
            "version": part.version or (__version__ if part.distribution == "tomas" else None),
        }
    return record


def record_as_tags(record: Mapping[str, Mapping[str, str | None]]) -> dict[str, str]:
    """`parts.json` as tags of a run: part.KIND.requested, .used and, where they differ, .reason."""
    return {
        f"part.{kind}.{name}": str(entry[name])
        for kind, entry in record.items()
        for name in ("requested", "used", "reason")
        if entry[name] is not None
    }


def parts_of_planner(
    record: Mapping[str, Mapping[str, str | None]], *, registry: Registry = default_registry, strict: bool | None = None
) -> list[Resolution]:
    """The parts to load a trained planner with, from its `parts.json`; says what to install for one that is absent.

    Of those that only looked on while it was trained, of which there may be many, none is needed.
    """
    resolutions = []
    for kind, entry in record.items():
        if registry.kinds[kind.partition(".")[0]].many:
            continue
        used, distribution = str(entry["used"]), str(entry["distribution"])
        if distribution != "tomas":
            try:
                registry.plug([f"{kind}.{used}"])
            except UserError as error:
                version = f"=={entry['version']}" if entry.get("version") else ""
                raise UserError(
                    f"The planner was trained with {kind} {used!r} of another package; "
                    f"pip install {distribution}{version}"
                ) from error
        resolutions.append(resolve(kind, used, trained_with=used, strict=strict, quiet=True, registry=registry))
    return resolutions


def _candidates(name: str, chain: tuple[str, ...]) -> tuple[str, ...]:
    if name == AUTO and chain:
        return chain
    return (name, *chain[chain.index(name) + 1 :]) if name in chain else (name,)


def _check_trained(kind: str, trained_with: str, used: PartSpec, registry: Registry) -> None:
    """Trained weights never cross to a part that computes something else."""
    trained = registry.find(kind, trained_with)
    same_function = "different" not in {trained.numerics, used.numerics}
    if used.name == trained_with or same_function:
        return
    reason = unavailable(trained)
    raise UserError(
        f"The planner was trained with {kind} {trained_with!r}, and {used.name!r} computes something else. "
        + (f"{trained_with!r} cannot be used here: {reason}." if reason else f"Use {trained_with!r}, or train again.")
    )
