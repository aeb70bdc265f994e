"""How much input a request has: an amount that fits a size, in digits or words, and as structured input."""

import re

import numpy as np

from tomas.data.frames import COUNT
from tomas.domain.resources import SIZES, Size
from tomas.domain.tools import InputSpec

SIZE_SHARES = (0.3, 0.4, 0.3)
LARGEST = 4.0
"""Large amounts go up to this many times medium_max."""

_ONES_EN = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_DIGITS_ZH = "零一二三四五六七八九"
# what else a caller tends to send along; none of it decides the size
_COMPANIONS: dict[str, tuple[tuple[str, float, float], ...]] = {
    "images": (("megapixels", 0.5, 24), ("classes", 2, 200)),
    "megapixels": (("images", 1, 12), ("scale", 2, 4)),
    "minutes": (("sample_rate_hz", 8000, 48000), ("channels", 1, 2)),
    "sentences": (("characters", 40, 4000),),
    "words": (("pages", 1, 40), ("characters", 400, 60000)),
    "steps": (("width", 256, 1536), ("guidance", 3, 12)),
}


def draw_size(rng: np.random.Generator) -> Size:
    """Give a size in the shares of SIZE_SHARES."""
    return SIZES[int(rng.choice(len(SIZES), p=SIZE_SHARES))]


def draw_amount(rng: np.random.Generator, spec: InputSpec, size: Size, least: float = 0) -> float | None:
    """Give an amount of that size, at least `least`; None where the size has no such amount."""
    bounds = {
        "small": (spec.small_max / 4, spec.small_max),
        "medium": (spec.small_max, spec.medium_max),
        "large": (spec.medium_max, spec.medium_max * LARGEST),
    }
    low, high = bounds[size]
    low = max(low, least)
    if low > high:
        return None
    amount = _tidy(float(np.exp(rng.uniform(np.log(low), np.log(high)))), spec)
    return amount if amount >= least and spec.size_of(amount) == size else None


def _tidy(amount: float, spec: InputSpec) -> float:
    """Round as people do: few digits, whole where the thing is counted and not measured."""
    if spec.small_max < 1:
        return float(f"{amount:.2g}")
    if amount >= 100:
        return float(f"{amount:.2g}")
    return max(float(round(amount)), 1.0)


def in_text(rng: np.random.Generator, text: str, amount: float, lang: str) -> str:
    """Put the amount in the place of `{n}`, in digits or in words."""
    words = _chinese(int(amount)) if lang == "zh" else _english(amount)
    number = f"{amount:,.0f}" if amount >= 1000 and lang == "en" and rng.uniform() < 0.5 else f"{amount:g}"
    spelled = words is not None and amount == int(amount) and rng.uniform() < 0.4
    chosen = words if spelled and words is not None else number
    mark = "{" + COUNT + "}"
    if lang == "zh" and spelled:
        text = re.sub(r" ?" + re.escape(mark) + r" ?", mark, text)
    if lang == "en" and re.match(r"8|11(?!\d)|18(?!\d)|eight|eleven", chosen):
        text = re.sub(r"\b([Aa]) (?=\{n\})", r"\1n ", text)
    return text.replace(mark, chosen)


def structured(rng: np.random.Generator, spec: InputSpec, amount: float) -> dict[str, float]:
    """Give the amount as structured input, now and then with something else a caller would send along."""
    given = {spec.field: _plain(amount)}
    for field, low, high in _COMPANIONS.get(spec.field, ()):
        if rng.uniform() < 0.25:
            value = float(np.exp(rng.uniform(np.log(low), np.log(high))))
            given[field] = _plain(float(f"{value:.2g}") if high > 50 or low < 1 else float(round(value)))
    return given


def _plain(amount: float) -> float:
    return int(amount) if amount == int(amount) else amount


def _english(amount: float) -> str | None:
    return _ONES_EN[int(amount)] if amount == int(amount) and amount < len(_ONES_EN) else None


def _chinese(amount: int) -> str | None:
    """Spell 1 to 99 and whole hundreds and thousands, with 两 where it counts things."""
    for power, sign in ((1000, "千"), (100, "百")):
        if amount >= power:
            digit, rest = divmod(amount, power)
            return None if rest or digit > 9 else ("两" if digit == 2 else _DIGITS_ZH[digit]) + sign
    tens, ones = divmod(amount, 10)
    if not tens:
        return "两" if ones == 2 else _DIGITS_ZH[ones]
    return (_DIGITS_ZH[tens] if tens > 1 else "") + "十" + (_DIGITS_ZH[ones] if ones else "")
