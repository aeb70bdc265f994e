"""A configuration as a sentence, and where its values stand in it."""

from dataclasses import dataclass
from typing import Any

from tomas.domain.resources import SIZES, plain

FIELDS = ("cpu_core", "cpu_mem_gb", "gpu_sm", "gpu_mem_gb", "latency_ms")


@dataclass(frozen=True)
class Sentence:
    """The text and the character spans of its values (size, four resources, latency)."""

    text: str
    values: tuple[tuple[int, int], ...]

    @property
    def words(self) -> list[str]:
        """The values as they stand in the text."""
        return [self.text[start:stop] for start, stop in self.values]


_PARTS = (
    "Tool ",
    " configuration: input size ",
    ", requires ",
    " CPU cores, ",
    " GB memory, ",
    " GPU SMs, ",
    " GB GPU memory, and latency is ",
    " ms.",
)


def sentence(tool: str, size_id: int, numbers: Any) -> Sentence:
    """The row in words; latency to two significant digits, as much as a vector under 5 % jitter can carry."""
    *resources, latency = (float(number) for number in numbers)
    values = [SIZES[size_id], *(str(plain(number)) for number in resources), two_digits(latency)]
    text, spans = _PARTS[0] + tool, []
    for before, value in zip(_PARTS[1:], values, strict=False):
        text += before
        spans.append((len(text), len(text) + len(value)))
        text += value
    return Sentence(text + _PARTS[-1], tuple(spans))


def two_digits(number: float) -> str:
    """A number to two significant digits, without an exponent: 5800, 37, 0.42."""
    rounded = float(f"{number:.2g}")
    return str(int(rounded)) if rounded >= 10 or rounded.is_integer() else str(rounded)
