"""One check per kind, run on the factory that the part's spec names."""

import re
from collections.abc import Callable
from typing import Any

from tomas.config import Params
from tomas.errors import UserError
from tomas.kernel.spec import PartSpec
from tomas.kernel.tables import KINDS
from tomas.registry import import_attribute
from tomas.testing import layers, planning, services
from tomas.testing.backbones import check_backbone
from tomas.testing.run_plugins import check_plugin, check_router

CHECKS: dict[str, Callable[[Any, Any], None]] = {
    "backbone": check_backbone,
    "attention": layers.check_attention,
    "fusion": layers.check_fusion,
    "decoder": planning.check_decoder,
    "temporal": layers.check_temporal,
    "latency": services.check_latency,
    "tracker": services.check_tracker,
    "exporter": planning.check_exporter,
    "router": check_router,
    "align": check_plugin,
    "retriever": planning.check_retriever,
    "voter": planning.check_voter,
    "observer": check_plugin,
}


def check_part(part: PartSpec) -> None:
    """Raise an AssertionError that says what a part does not keep to."""
    assert part.kind in KINDS, f"{part.kind!r} is no kind of part; known: {', '.join(KINDS)}"
    assert re.fullmatch(r"[a-z0-9._-]+", part.name), f"{part.name!r}: a name is a word of a-z, 0-9, '.', '_' and '-'"
    assert part.summary, f"{part.name}: a line for `tomas plugin list` is missing in its summary"
    factory = import_attribute(part.factory)
    if part.kind in CHECKS:
        CHECKS[part.kind](factory, default_options(part))


def default_options(part: PartSpec) -> Any:
    """The options a part gets when nobody says anything."""
    if part.section is not None:
        return getattr(Params(), part.section)
    if part.config is None:
        return None
    try:
        return import_attribute(part.config)()
    except ValueError as error:
        raise UserError(f"{part.name}: every option needs a default: {error}") from error
