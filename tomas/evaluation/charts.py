"""The report's charts: confusion of tools, regret, reliability, learning curves."""

from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup

from tomas.domain.resources import Floats, Ints
from tomas.evaluation.metrics import Runs, regret
from tomas.evaluation.svg import WIDTH, Frame, Picture, Scale, percent, tick

SHOWN_TOOLS = 12
NOT_RIGHT = "cannot run"
REGRET_EDGES = (0.0, 0.005, 0.02, 0.05, 0.10, 0.20, 0.50, 1.0)
LEFT, TOP = 38.0, 10.0


def confusion_chart(table: Ints, names: Sequence[str]) -> Markup:
    """Draw counts of true tool (rows) by predicted one; of many tools those with the most errors."""
    labels = [*names, "no tool"]
    wrong = table.sum(axis=0) + table.sum(axis=1) - 2 * table.diagonal()
    shown = np.sort(np.argsort(-wrong, kind="stable")[: SHOWN_TOOLS + 1]).tolist()
    gutter, top = 110.0, 88.0
    cell = (WIDTH - gutter - 18) / len(shown)  # the last label leans over the edge
    picture = Picture(top + cell * len(shown) + 6, "Confusion of tools: true tool by predicted tool")
    for column, tool in enumerate(shown):
        picture.text(gutter + cell * (column + 0.45), top - 6, labels[tool], "tick", turn=-50)
    for row, tool in enumerate(shown):
        total = max(int(table[tool].sum()), 1)
        middle = top + cell * (row + 0.5)
        picture.text(gutter - 5, middle + 3.5, labels[tool], "tick end")
        for column, other in enumerate(shown):
            count = int(table[tool, other])
            hue = "good" if tool == other else "bad"
            # few errors among many cases must still be seen
            strength = 0.08 + 0.82 * (count / total) ** (1 if tool == other else 0.5) if count else 0.0
            left = gutter + cell * column
            picture.rect(left + 1, top + cell * row + 1, cell - 2, cell - 2, "cell")
            if count:
                picture.rect(left + 1, top + cell * row + 1, cell - 2, cell - 2, f"fill-{hue}", strength)
                strong = " strong" if strength > 0.55 else ""
                picture.text(left + cell / 2, middle + 3.5, str(count), f"count mid{strong}")
    return picture.svg()


def regret_shares(runs: Runs, best: Runs) -> list[tuple[str, float]]:
    """Give the share of runs in each range of regret; those that are not right apart."""
    edges = np.array(REGRET_EDGES)
    place = np.clip(np.searchsorted(edges, regret(runs, best) - 1e-9), 0, len(edges))
    names = ["none", *(f"up to {tick(edge)}" for edge in REGRET_EDGES[1:]), "more"]
    shares = [(name, float(((place == number) & runs.right).mean())) for number, name in enumerate(names)]
    return [*shares, (NOT_RIGHT, float((~runs.right).mean()))]


def regret_chart(shares: Mapping[str, Sequence[tuple[str, float]]]) -> Markup:
    """Draw the share of runs in each range of regret as bars side by side, one colour for each who chose."""
    names = [name for name, _ in next(iter(shares.values()))]
    picture = Picture(30.0 * len(names) + 24, "Distribution of latency regret")
    left = 84.0
    most = max(share for rows in shares.values() for _, share in rows) or 1.0
    scale = Scale(0, most, left, WIDTH - 44)
    for row, name in enumerate(names):
        top = 6 + 30.0 * row
        picture.text(left - 6, top + 15, name, f"tick end{' warn' if name == NOT_RIGHT else ''}")
        for order, rows in enumerate(shares.values()):
            share, height = rows[row][1], 22.0 / len(shares)
            if share:
                picture.rect(left, top + height * order, scale(share) - left, height - 1, f"fill-{order + 1}")
                picture.text(scale(share) + 3, top + height * (order + 0.5) + 3.2, percent(share), "tick")
    picture.line(left, 2, left, picture.height - 22, "axis")
    picture.text(left, picture.height - 8, "share of the running cases", "tick")
    return picture.svg()


def cumulative_chart(regrets: Mapping[str, Floats]) -> Markup:
    """Draw, for each who chose, the share of runs whose regret is at most x; x is logarithmic."""
    picture = Picture(226, "Share of runs within a regret, for the planner and the baselines")
    frame = Frame(picture, Scale(0.005, 1.0, LEFT, WIDTH - 10, log=True), Scale(0, 1, 190, TOP))
    frame.left_axis([(share, tick(share)) for share in (0, 0.25, 0.5, 0.75, 1)])
    frame.bottom_axis([(x, tick(x)) for x in (0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1)], "regret at most (logarithmic)")
    xs = np.geomspace(0.005, 0.999, 80)  # a run that does not fit counts as 1 and never gets there
    for order, values in enumerate(regrets.values()):
        ordered = np.sort(values)
        frame.curve(xs.tolist(), (np.searchsorted(ordered, xs + 1e-9) / len(ordered)).tolist(), f"line-{order + 1}")
    return picture.svg()


def reliability_chart(bins: Sequence[Mapping[str, float]]) -> Markup:
    """Draw accuracy by confidence beside the line on which both are equal, and how many cases each bin has."""
    picture = Picture(262, "Reliability: accuracy by confidence of the tool")
    frame = Frame(picture, Scale(0, 1, LEFT, WIDTH - 10), Scale(0, 1, 170, TOP))
    frame.left_axis([(share, tick(share)) for share in (0, 0.25, 0.5, 0.75, 1)])
    frame.curve([0, 1], [0, 1], "line-even")
    most = max((row["cases"] for row in bins), default=1)
    counts = Scale(0, most, 222, 182)
    for row in bins:
        left, right = frame.x(row["from"]) + 1, frame.x(row["to"]) - 1
        top, middle = frame.y(row["accuracy"]), (left + right) / 2
        picture.rect(left, top, right - left, frame.y(0) - top, "fill-1", 0.35)
        picture.dot(frame.x(row["confidence"]), top, 3, "fill-1")
        picture.rect(left, counts(row["cases"]), right - left, 222 - counts(row["cases"]), "fill-muted")
        picture.text(middle, max(counts(row["cases"]) - 2, 180), f"{row['cases']:.0f}", "tick mid")
    frame = Frame(picture, frame.x, counts)
    frame.bottom_axis([(share, tick(share)) for share in (0, 0.2, 0.4, 0.6, 0.8, 1)], "confidence; below: cases")
    return picture.svg()


def learning_chart(name: str, steps: Sequence[float], values: Sequence[float]) -> Markup:
    """Draw one number over the steps of a training."""
    picture = Picture(150, f"{name} by training step")
    low, high = min(values), max(values)
    if low == high:
        low, high = low - 0.5, high + 0.5
    frame = Frame(picture, Scale(min(steps), max(steps), LEFT + 14, WIDTH - 14), Scale(low, high, 118, TOP))
    frame.left_axis([(value, f"{value:.4g}") for value in frame.y.ticks(4)])
    frame.bottom_axis([(step, f"{step:g}") for step in frame.x.ticks(5)], "step")
    frame.curve(steps, values, "line-1")
    return picture.svg()
