"""Counts in Chinese words: the numerals that stand before a unit word, as in 三张照片."""

import re
from functools import lru_cache

from tomas.domain import words

_NUMERALS = "零〇一二两俩三四五六七八九十百千万亿几数上半"
_DIGITS = r"(?:\d+(?:,\d{3})+|\d+(?:\.\d+)?)\s{0,2}[十百千万亿]{0,3}"
_HAN_NUMBER = rf"{_DIGITS}|[{_NUMERALS}]{{1,12}}|这|那|该"


def chinese_counts(text: str, units: tuple[str, ...]) -> list[tuple[float, str]]:
    """Give every count of a unit word that the text names, with that unit word as the tool spells it."""
    pattern = _han_pattern(units)
    if pattern is None:
        return []
    found = []
    for match in pattern.finditer(text):
        value = _han_value(match["number"])
        found.append((value + (0.5 if match["half"] else 0.0), match["unit"]))
    return found


@lru_cache(maxsize=4096)
def _han_pattern(units: tuple[str, ...]) -> re.Pattern[str] | None:
    han = sorted((unit for unit in units if not unit.isascii()), key=len, reverse=True)
    if not han:
        return None
    names = "|".join(map(re.escape, han))
    # not the third one (第三张), not what comes out (用100字, 100字以内), not each one (每三张)
    before, after = rf"(?<![第每用到为过{_NUMERALS}])(?<!成(?!百上))(?<!\d)(?<!\d[.,])", r"(?![以之]内|的?摘要)"
    return re.compile(rf"{before}(?P<number>{_HAN_NUMBER})[多来余]?\s{{0,2}}个?(?P<half>半)?(?P<unit>{names}){after}")


def _han_value(number: str) -> float:
    """Read Chinese numerals, for example 三, 十二, 两百, 几百, 3万 or 半."""
    if number in ("这", "那", "该"):
        return 1.0
    digits = re.match(r"[\d.,]+", number)
    total, section, current = 0.0, 0.0, 0.0
    if digits:
        current = float(digits.group().replace(",", ""))
    for char in number[digits.end() if digits else 0 :].strip():
        if char == "上":  # 上百, 成百上千: what follows is what counts
            total = section = current = 0.0
        elif char == "半":
            current += 0.5
        elif char in words.HAN_DIGITS:
            current = float(words.HAN_DIGITS[char])
        elif words.HAN_POWERS[char] >= 10_000:
            total, section, current = total + ((section + current) or 1.0) * words.HAN_POWERS[char], 0.0, 0.0
        else:
            section, current = section + (current or 1.0) * words.HAN_POWERS[char], 0.0
    return total + section + current
