"""The light description of a part: enough to list, check and load it without importing it."""

from dataclasses import dataclass
from typing import Literal

AUTO = "auto"
"""In the place of a part's name: the first of the kind's chain that works here."""

Numerics = Literal["exact", "approximate", "different"]


@dataclass(frozen=True, slots=True)
class Kind:
    """A place in TOMAS that exactly one part (or, for optional kinds, none) fills."""

    name: str
    summary: str
    default: str | None = None
    """The part used when nothing is said; for an optional kind, the part its kind name stands for under `plugins:`."""
    key: str | None = None
    """Path in params.yaml that names the part; without one, parts of this kind are switched on under `plugins:`."""
    hooks: bool = False
    """Whether its parts are plug-ins of the run: made from their options, with methods named after hooks."""
    many: bool = False
    """Whether several of its parts may be in use at once."""
    other: str | None = None
    """The part that serves every name which is no part's own (a folder, a hub name)."""
    chain: tuple[str, ...] = ()
    """Order of fallback: an unavailable part gives way to the parts behind it."""


@dataclass(frozen=True, slots=True)
class PartSpec:
    """One named part of a kind."""

    kind: str
    name: str
    factory: str
    """`module:attribute`, imported when the part is first used."""
    summary: str
    version: str = ""
    """Version of the distribution; filled in from its metadata for parts outside TOMAS."""
    needs: tuple[str, ...] = ()
    """Importable modules that must be installed."""
    extra: str | None = None
    """Extra of the distribution that installs what the part needs: `pip install "tomas[cuda]"`."""
    requirements: str | None = None
    """A file of pinned requirements that installs them instead."""
    device: Literal["any", "cuda"] = "any"
    dtypes: tuple[str, ...] = ()
    """Number formats it computes in, by torch's names; none named means any."""
    numerics: Numerics = "different"
    """Against the kind's default: the same function exactly, up to rounding, or another function."""
    config: str | None = None
    """`module:attribute` of the pydantic model of its options."""
    section: str | None = None
    """Section of params.yaml that holds its options; parts outside TOMAS keep theirs under `options.NAME`."""
    schedules: tuple[str, ...] = ()
    """Values it reads that the section `schedules` may move."""
    only_with: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Keys of params.yaml, each with what it may say where this part is in use."""
    distribution: str = "tomas"

    @property
    def install(self) -> str:
        """The command that installs what the part needs."""
        if self.requirements:
            return f"pip install --no-deps --require-hashes -r {self.requirements}"
        if self.extra:
            return f'pip install "{self.distribution}[{self.extra}]"'
        return f"pip install {' '.join(self.needs) or self.distribution}"
