"""Pictures as inline SVG: drawn for the width of a phone, coloured by the page's style sheet, light or dark."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup, escape

WIDTH = 360.0  # of every picture, in its own units; the page scales it
EDGE = 2.7  # half the width of a letter of a label


@dataclass(frozen=True)
class Scale:
    """Maps numbers to places, linearly or by their logarithm."""

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high, at = (math.log(x) if self.log else x for x in (self.low, self.high, value))
        return self.start + (self.stop - self.start) * ((at - low) / ((high - low) or 1.0))

    def ticks(self, count: int = 5) -> list[float]:
        """Give round numbers inside the scale, about this many."""
        span = (self.high - self.low) or 1.0
        power = 10.0 ** math.floor(math.log10(span / count))
        step = next(power * factor for factor in (1, 2, 5, 10) if span / (power * factor) <= count)
        first = math.ceil(self.low / step - 1e-9)
        return [number * step for number in range(first, math.floor(self.high / step + 1e-9) + 1)]


@dataclass
class Picture:
    """Shapes collected one after another; every shape has a class that the style sheet colours."""

    height: float
    label: str
    parts: list[str] = field(default_factory=list)

    def rect(self, x: float, y: float, width: float, height: float, css: str, opacity: float = 1.0) -> None:
        """Add a rectangle; one of no height or width stays visible as a hairline."""
        shape = f'x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.7):.1f}" height="{max(height, 0.7):.1f}"'
        self.parts.append(f'<rect {shape} class="{css}"{_opacity(opacity)}/>')

    def line(self, x1: float, y1: float, x2: float, y2: float, css: str) -> None:
        """Add a straight line."""
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{css}"/>')

    def path(self, points: Sequence[tuple[float, float]], css: str) -> None:
        """Add a line through these points."""
        steps = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{steps}" class="{css}"/>')

    def area(self, points: Sequence[tuple[float, float]], css: str) -> None:
        """Add the shape that these points go around."""
        steps = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polygon points="{steps}" class="{css}"/>')

    def dot(self, x: float, y: float, radius: float, css: str) -> None:
        """Add a filled circle."""
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" class="{css}"/>')

    def text(self, x: float, y: float, words: str, css: str = "", turn: float = 0.0) -> None:
        """Add words that begin at (x, y); the classes mid and end centre or end them there."""
        turned = f' transform="rotate({turn:g} {x:.1f} {y:.1f})"' if turn else ""
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" class="{css}"{turned}>{escape(words)}</text>')

    def svg(self) -> Markup:
        """Give the picture as an element of an HTML page."""
        head = f'<svg viewBox="0 0 {WIDTH:g} {self.height:g}" role="img" aria-label="{escape(self.label)}">'
        return Markup(head + "".join(self.parts) + "</svg>")


@dataclass(frozen=True)
class Frame:
    """The axes of a chart: where its numbers lie in the picture."""

    picture: Picture
    x: Scale
    y: Scale

    def left_axis(self, ticks: Sequence[tuple[float, str]]) -> None:
        """Draw a faint line and a label for each tick of the vertical axis."""
        for value, words in ticks:
            self.picture.line(self.x.start, self.y(value), self.x.stop, self.y(value), "grid")
            self.picture.text(self.x.start - 4, self.y(value) + 3.5, words, "tick end")

    def bottom_axis(self, ticks: Sequence[tuple[float, str]], title: str = "") -> None:
        """Draw the horizontal axis with a label for each tick, and what it shows beneath."""
        bottom = self.y.start
        self.picture.line(self.x.start, bottom, self.x.stop, bottom, "axis")
        for value, words in ticks:
            self.picture.line(self.x(value), bottom, self.x(value), bottom + 3, "axis")
            # a label at an edge of the picture is pushed inside
            place = min(max(self.x(value), 3 + EDGE * len(words)), WIDTH - 2 - EDGE * len(words))
            self.picture.text(place, bottom + 13, words, "tick mid")
        if title:
            self.picture.text((self.x.start + self.x.stop) / 2, bottom + 27, title, "tick mid")

    def curve(self, xs: Sequence[float], ys: Sequence[float], css: str) -> None:
        """Draw a line through these values."""
        self.picture.path([(self.x(x), self.y(y)) for x, y in zip(xs, ys, strict=True)], css)


def percent(value: float) -> str:
    """Give a share as a percentage: 0.125 as 12.5 %, below 1 % with one digit more."""
    number = 100 * value
    if number in (0, 100):
        return f"{number:.0f} %"
    return f"{number:.1f} %" if number >= 1 else f"{number:.2f} %"


def tick(value: float) -> str:
    """Give a share as the shortest percentage: 0.005 as 0.5 %."""
    return f"{100 * value:.3g} %"


def duration(time_ms: float, digits: int = 3) -> str:
    """Give a time as a person reads it: 250 ms, 5.8 s, 3 min."""
    if time_ms < 1000:
        return f"{time_ms:.{digits}g} ms"
    return f"{time_ms / 1000:.{digits}g} s" if time_ms < 120_000 else f"{time_ms / 60_000:.{digits}g} min"


def _opacity(opacity: float) -> str:
    return "" if opacity >= 1 else f' fill-opacity="{opacity:.3f}"'
