"""The size of a request's input: stated, measured, read from the words, or assumed."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, NamedTuple

from tomas.domain import words
from tomas.domain.counts_en import english_counts
from tomas.domain.counts_zh import chinese_counts
from tomas.domain.resources import SIZES, Size
from tomas.domain.tools import Tool

MAX_AMOUNT = 1e15  # a number in words may have any number of digits


class SizeReading(NamedTuple):
    """A size, how it was found, and what the user should be told about that."""

    size: Size
    how: Literal["stated", "input", "words", "default"]
    warning: str | None


def resolve_size(
    tool: Tool, text: str, amounts: Mapping[str, float] | None = None, stated: Size | None = None
) -> SizeReading:
    """Give the size of the input for this tool: as stated, else by its amount, else by the words, else the default."""
    spec = tool.input
    amount = (amounts or {}).get(spec.field)
    measured = None if amount is None else spec.size_of(amount)
    if stated is not None:
        clash = measured is not None and measured != stated
        found = f"input_size says {stated}, although {spec.field}={amount:g} is {measured}" if clash else None
        return SizeReading(stated, "stated", found)
    if measured is not None:
        return SizeReading(measured, "input", None)
    ignored = f"input has no {spec.field}, by which {tool.name} is measured" if amounts else None
    in_words = _counted(tool, text) or _described(text, spec.units)
    if in_words is not None:
        return SizeReading(in_words, "words", f"{ignored}: {in_words} is read from the words" if ignored else None)
    reason = ignored or f"nothing tells the size of the input for {tool.name}"
    return SizeReading(spec.default, "default", f"{reason}: {spec.default} is assumed, say {spec.field} to be exact")


def _counted(tool: Tool, text: str) -> Size | None:
    """Give the size of the largest amount that the words count, None where they count none."""
    spec = tool.input
    counts = english_counts(text, spec.units) + chinese_counts(text, spec.units)
    amounts = [value * spec.scale.get(unit, 1.0) for value, unit in counts]
    return spec.size_of(min(max(amounts), MAX_AMOUNT)) if amounts else None


_SIZE_OF_GROUP: dict[str, Size] = {f"{part}_{size}": size for part in ("en", "zh") for size in SIZES}


def _described(text: str, units: tuple[str, ...]) -> Size | None:
    """Give the size that the first telling adjective says of the input, None where none does."""
    match = _description(units).search(text)
    return None if match is None else _SIZE_OF_GROUP[str(match.lastgroup)]


@lru_cache(maxsize=4096)
def _description(units: tuple[str, ...]) -> re.Pattern[str]:
    nouns = "|".join([words.NOUNS, *(re.escape(unit) for unit in units if unit.isascii())])
    noun = rf"\s+(?:(?:{words.BETWEEN})\s+){{0,2}}(?:{nouns})"
    parts = []
    for size in SIZES:
        phrases = f"|{words.PHRASES[size]}" if size in words.PHRASES else ""
        parts.append(rf"(?P<en_{size}>\b(?:(?:{words.ADJECTIVES[size]}){noun}{phrases})\b)")
        parts.append(f"(?P<zh_{size}>{words.HAN_SIZES[size]})")
    return re.compile("|".join(parts), re.IGNORECASE)
