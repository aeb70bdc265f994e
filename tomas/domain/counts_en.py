"""Counts in English words: the numbers that stand before a unit word, as in "these three holiday photos"."""

import re
from collections.abc import Container
from functools import lru_cache

from tomas.domain import words

MAX_ADJECTIVES = 2
MAX_NUMBER_WORDS = 8
# 1,200 / 2.5 / 3k, words, and single signs as they stand; hyphens only join (a 10-page letter)
_TOKEN = re.compile(r"(\d+(?:,\d{3})+|\d+(?:\.\d+)?)(k(?![a-z]))?|[a-z]+(?:'[a-z]+)?|[^\sa-z\d-]", re.IGNORECASE)


def english_counts(text: str, units: tuple[str, ...]) -> list[tuple[float, str]]:
    """Give every count of a unit word that the text names, with that unit word as the tool spells it."""
    by_tokens = _by_tokens(units)
    tokens = [match.group().lower() for match in _TOKEN.finditer(text)]
    longest = max((len(unit) for unit in by_tokens), default=0)
    found = []
    for place in range(len(tokens)):
        for length in range(min(longest, len(tokens) - place), 0, -1):
            unit = by_tokens.get(tuple(tokens[place : place + length]))
            if unit is None:
                continue
            value = _count_before(tokens, place, place + length, by_tokens)
            if value is not None:
                found.append((value, unit))
            break
    return found


@lru_cache(maxsize=4096)
def _by_tokens(units: tuple[str, ...]) -> dict[tuple[str, ...], str]:
    latin = [unit for unit in units if unit.isascii()]
    return {tuple(match.group().lower() for match in _TOKEN.finditer(unit)): unit for unit in latin}


def _count_before(tokens: list[str], place: int, end: int, units: Container[tuple[str, ...]]) -> float | None:
    """Give the number that counts the unit at tokens[place:end], over at most two adjectives; None if none does."""
    last, adjectives = place - 1, 0
    while last >= 0 and not _is_number(tokens[last]) and tokens[last] not in words.ARTICLES:
        word = tokens[last]
        adjectives += word not in words.FILLERS
        if adjectives > MAX_ADJECTIVES or word in words.WALLS or len(word) < 2 or not word[0].isalpha():
            return None
        last -= 1
    if last < 0:
        return None
    unit, before, after = tokens[end - 1], tokens[:last], tokens[end : end + 3]
    if tokens[last] in words.ARTICLES and before[-1:] != ["half"]:
        return _one(unit, before, after, units)
    first = last
    while first > max(0, last - MAX_NUMBER_WORDS) and _belongs_to_number(tokens[first - 1]):
        first -= 1
    if tokens[last] in words.RESOLUTIONS and unit not in words.LIMITED:
        return None
    if last < place - 1 and re.fullmatch(r"19\d\d|20\d\d", tokens[last]):  # 2019 holiday photos
        return None
    if _is_limit(tokens[:first], unit, after):
        return None
    value = _value(tokens[first : last + 1])
    return value + 0.5 if after == ["and", "a", "half"] else value


def _one(unit: str, before: list[str], after: list[str], units: Container[tuple[str, ...]]) -> float | None:
    """Give 1 for "this old photo", but not for "a box of photos", "this photo archive" or "wait a minute"."""
    plural = unit.endswith("s") and (unit[:-1],) in units
    if unit in words.TIMES:
        if after[:1] not in (["of"], ["long"], ["and"]):
            return None
        return 1.5 if after == ["and", "a", "half"] else 1.0
    if plural or _is_limit(before, unit, after) or (after and after[0][0].isalpha() and after[0] not in words.GOES_ON):
        return None
    return 1.0


def _is_limit(before: list[str], unit: str, after: list[str]) -> bool:
    """Say whether the number bounds what comes out (in 100 words) instead of counting what goes in."""
    if before[-1:] == ["to"]:
        is_range = len(before) > 1 and _is_number(before[-2])  # 3 to 5 photos, unlike cut to 5 photos
        return not is_range and (unit in words.LIMITED or before[-2:-1] != ["up"])
    if unit not in words.LIMITED:
        return before[-1:] in (["into"], ["every"])
    bounded = before[-2:] in (["less", "than"], ["fewer", "than"]) or before[-3:] == ["no", "more", "than"]
    return bounded or bool(before and before[-1] in words.LIMITS) or bool(after and after[0] in words.RESULTS)


def _is_number(token: str) -> bool:
    return token[0].isdecimal() or token in words.NUMBERS or token in words.SCALES


def _belongs_to_number(token: str) -> bool:
    return _is_number(token) or token in ("and", "a", "an")


def _value(tokens: list[str]) -> float:
    """Read number words, for example [two, hundred, and, fifty] or [3, and, a, half]."""
    total, current = 0.0, 0.0
    added = re.sub(r"\band an? half\b", "+half", " ".join(tokens)).split()
    for place, token in enumerate(added):
        if token == "+half":
            current += 0.5
        elif token in words.SCALES:
            current = (current or 1.0) * words.SCALES[token]
            if words.SCALES[token] >= 1000:
                total, current = total + current, 0.0
        elif token in ("a", "an"):
            current = current if place and added[place - 1] == "half" else 1.0
        elif token != "and":
            number = _number(token)
            joins = (current >= 100 and number < 100) or (20 <= current < 100 and number < 10 and current % 10 == 0)
            current = current + number if joins and token not in words.VAGUE else number
    return total + current


def _number(token: str) -> float:
    if not token[0].isdecimal():
        return words.NUMBERS[token]
    digits = token.rstrip("kK").replace(",", "")
    return float(digits) * (1000 if token[-1] in "kK" else 1)
