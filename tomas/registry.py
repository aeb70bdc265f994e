"""Named parts: what one word in params.yaml can swap. Listing and checking them imports nothing heavy."""

import difflib
import importlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib import metadata
from typing import Any

from tomas.errors import UsageError, UserError
from tomas.kernel.spec import Kind, PartSpec
from tomas.kernel.tables import KINDS, PARTS

__all__ = ["Kind", "PartSpec", "Registry", "default_registry", "find", "load", "plug", "suggestion"]

GROUP_PREFIX = "tomas."


def suggestion(word: str, known: Iterable[str]) -> str:
    """A ` Did you mean ...?` for a mistyped word, or the known words when nothing is close."""
    names = sorted(known)
    begun = [name for name in names if len(word) > 2 and name.startswith(word)]
    close = begun[:2] or difflib.get_close_matches(word, names, n=2, cutoff=0.6)
    if close:
        return f" Did you mean {' or '.join(close)}?"
    return f" Known: {', '.join(names)}." if names else ""


def import_attribute(path: str) -> Any:
    """The object that `module:attribute` names."""
    module, _, attribute = path.partition(":")
    return getattr(importlib.import_module(module), attribute)


class Registry:
    """The tables of parts of one process: those of TOMAS, and those of other packages that were plugged in."""

    def __init__(self, kinds: Mapping[str, Kind], parts: Iterable[PartSpec]) -> None:
        self.kinds = dict(kinds)
        self._tables: dict[str, dict[str, PartSpec]] = {kind: {} for kind in kinds}
        for part in parts:
            self.add(part)

    def add(self, part: PartSpec) -> None:
        """Put a part into its kind's table; a name can be taken once only."""
        table = self._table(part.kind)
        if part.name in table:
            raise UserError(
                f"{part.kind} {part.name!r} of {part.distribution} takes a name that {table[part.name].distribution} "
                "already has; uninstall one of the two or rename the part."
            )
        if part.config is not None and not self.kinds[part.kind].hooks:
            raise UserError(
                f"{part.kind} {part.name!r} of {part.distribution} has options, which only plug-ins are given."
            )
        table[part.name] = part

    def names(self, kind: str) -> tuple[str, ...]:
        """The names of a kind's parts, in the order of its table."""
        return tuple(self._table(kind))

    def parts(self, kind: str | None = None) -> tuple[PartSpec, ...]:
        """All parts, or those of one kind."""
        tables = self._tables.values() if kind is None else (self._table(kind),)
        return tuple(part for table in tables for part in table.values())

    def find(self, kind: str, name: str) -> PartSpec:
        """The spec of a named part; an unknown name is an error that suggests known ones."""
        table = self._table(kind)
        other = self.kinds[kind].other
        if name not in table and other is not None:
            return table[other]
        if name not in table:
            announced = {entry.name for entry in metadata.entry_points(group=GROUP_PREFIX + kind)}
            if name in announced:
                raise UsageError(f"{kind} {name!r} is installed but not in use; add it to plugins: in params.yaml.")
            raise UsageError(f"Unknown {kind} {name!r}.{suggestion(name, table)}")
        return table[name]

    def load(self, kind: str, name: str) -> Any:
        """Import a part and return its factory."""
        part = self.find(kind, name)
        try:
            return import_attribute(part.factory)
        except ModuleNotFoundError as error:
            if error.name is not None and error.name.partition(".")[0] in part.needs:
                raise UserError(f"{kind} {name!r} needs {error.name}: {part.install}") from error
            raise

    def plugin(self, word: str) -> PartSpec:
        """The part an entry of `plugins:` stands for: its own name, or a kind's name for the kind's default."""
        named = [part for part in self.parts() if part.name == word]
        if len(named) > 1:
            kinds = " and ".join(part.kind for part in named)
            raise UsageError(f"plugins: {word!r} is the name of a {kinds}; write KIND.{word}.")
        if named:
            return named[0]
        kind, _, name = word.partition(".")
        if kind in self.kinds and (name or self.kinds[kind].default):
            return self.find(kind, name or str(self.kinds[kind].default))
        hint = suggestion(word, {part.name for part in self.parts()} | self.kinds.keys())
        if "Did you mean" not in hint:
            hint = f" Install the package that has it, or `tomas plugin disable {word}`; `tomas plugin list` shows all."
        raise UsageError(f"plugins: unknown part {word!r}.{hint}")

    def plug(self, words: Iterable[str]) -> tuple[PartSpec, ...]:
        """Bring the parts that `plugins:` names into use, those of other packages too, and return them in order."""
        wanted = tuple(words)
        for entry in announced_parts():
            kind = entry.group.removeprefix(GROUP_PREFIX)
            if entry.name in wanted or f"{kind}.{entry.name}" in wanted:
                self._plug_entry(kind, entry)
        return tuple(self.plugin(word) for word in wanted)

    def _plug_entry(self, kind: str, entry: metadata.EntryPoint) -> None:
        known = self._table(kind).get(entry.name)
        if known is not None and known.distribution == distribution_name(entry):
            return
        part = entry.load()
        if not isinstance(part, PartSpec) or (part.kind, part.name) != (kind, entry.name):
            raise UserError(
                f"{distribution_name(entry)} announces {kind} {entry.name!r}, but {entry.value} is not its PartSpec."
            )
        version = entry.dist.version if entry.dist else ""
        self.add(replace(part, distribution=distribution_name(entry), version=version))

    def _table(self, kind: str) -> dict[str, PartSpec]:
        if kind not in self._tables:
            raise UsageError(f"Unknown kind of part {kind!r}.{suggestion(kind, self._tables)}")
        return self._tables[kind]


def announced_parts() -> tuple[metadata.EntryPoint, ...]:
    """What installed packages announce as `tomas.<kind>`, read from their metadata without importing them."""
    every = metadata.entry_points()
    return tuple(entry for kind in KINDS for entry in every.select(group=GROUP_PREFIX + kind))


def distribution_name(entry: metadata.EntryPoint) -> str:
    """The installed package that announces an entry point."""
    return entry.dist.name if entry.dist else "?"


default_registry = Registry(KINDS, PARTS)
find = default_registry.find
load = default_registry.load
plug = default_registry.plug
