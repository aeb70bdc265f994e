"""A plan drawn over its timeline: what is free of each resource, and what the plan takes of it, when."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from tomas.domain.catalogue import Catalogue
from tomas.domain.resources import Floats
from tomas.domain.timeline import Timeline
from tomas.evaluation.cases import fits_from
from tomas.evaluation.svg import WIDTH, Frame, Picture, Scale, duration

STRIP, GAP, LEFT = 34.0, 16.0, 4.0
STRIP_NAMES = ("CPU cores", "memory, GB", "GPU SMs, %", "GPU memory, GB")


@dataclass(frozen=True)
class Drawn:
    """One configuration in a picture: who chose it, and when it starts."""

    who: str
    css: str
    config_id: int
    start_ms: float


def timeline_picture(timeline: Timeline, t_inf_ms: float, drawn: Sequence[Drawn], catalogue: Catalogue) -> Markup:
    """Draw what is free of each resource over time, with the chosen configurations as boxes on it."""
    ends = [one.start_ms + float(catalogue.latency_ms[one.config_id]) for one in drawn]
    span = max(ends, default=2 * t_inf_ms) - t_inf_ms
    first, last = max(0.0, t_inf_ms - 0.3 * span), t_inf_ms + 1.2 * span
    bottom = len(STRIP_NAMES) * (STRIP + GAP)
    picture = Picture(bottom + 32, "Free resources over time with the chosen configurations")
    x = Scale(first, last, LEFT, WIDTH - LEFT)
    inside = (timeline.time_ms > first) & (timeline.time_ms < last)
    times = np.concatenate(([first], timeline.time_ms[inside], [last]))
    free = timeline.resample(times)
    for strip, name in enumerate(STRIP_NAMES):
        top = strip * (STRIP + GAP) + GAP
        needs = [float(catalogue.requirement[one.config_id, strip]) for one in drawn]
        most = max([float(free[:, strip].max()), *needs, 1e-9])
        y = Scale(0, most, top + STRIP, top)
        _free_area(picture, x, y, times, free[:, strip])
        for one, need, end in zip(drawn, needs, ends, strict=True):
            left = x(one.start_ms)
            fits = fits_from(timeline, one.config_id, one.start_ms, catalogue)
            css = one.css if fits else f"{one.css} misfit"
            picture.rect(left, y(need), x(end) - left, y(0) - y(need), f"run {css}")
        picture.line(x(t_inf_ms), top, x(t_inf_ms), top + STRIP, "moment")
        picture.text(LEFT, top - 4, name, "tick")
        picture.text(WIDTH - LEFT, top - 4, f"up to {most:g}", "tick end")
    frame = Frame(picture, x, Scale(0, 1, bottom, 0))
    ticks = [(tick, duration(tick, 5)) for tick in x.ticks(5)]  # a short span late in time needs the digits
    frame.bottom_axis(ticks, "time since submission; dotted line: T_inf")
    return picture.svg()


def _free_area(picture: Picture, x: Callable[[float], float], y: Scale, times: Floats, free: Floats) -> None:
    """Fill the step function of one resource."""
    corners = [(x(times[0]), y(0))]
    for begin, end, amount in zip(times[:-1].tolist(), times[1:].tolist(), free.tolist(), strict=False):
        corners += [(x(begin), y(amount)), (x(end), y(amount))]
    picture.area([*corners, (x(float(times[-1])), y(0))], "free")
