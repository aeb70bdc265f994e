"""A study as a picture: mean completion by policy, and how completion is distributed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tomas.files import whole
from tomas.simulation.study import Study, completions

# Told apart also by people who do not see red and green as different (Okabe and Ito).
COLOURS = {
    "planner": "#0072B2",
    "oracle": "#009E73",
    "largest_feasible": "#E69F00",
    "cheapest_feasible": "#D55E00",
    "random_feasible": "#999999",
    "snapshot_greedy": "#CC79A7",
}
OTHER = "#333333"


def draw(studies: Sequence[Study], path: Path) -> None:
    """Write an SVG, PNG or PDF by the path's ending; a row of two panels for each load."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"svg.hashsalt": "tomas", "font.size": 9}):
        figure = Figure(figsize=(10, 3.2 * len(studies)), layout="constrained")
        axes = figure.subplots(len(studies), 2, squeeze=False)
        for (left, right), one in zip(axes, studies, strict=True):
            _bars(left, one)
            _distribution(right, one)
        kind = path.suffix.lstrip(".").lower() or "svg"
        with whole(path) as partial:
            figure.savefig(partial, format=kind, metadata={"Date": None} if kind == "svg" else None)


def _bars(axis: Any, one: Study) -> None:
    names = list(one.measures)
    seconds = [(one.measures[name]["completion_ms_mean"] or 0.0) / 1000 for name in names]
    bars = axis.barh(names, seconds, color=[COLOURS.get(name, OTHER) for name in names])
    for bar, name, value in zip(bars, names, seconds, strict=True):
        violations = one.measures[name]["violations"]
        note = f" {value:.1f} s" + (f", {violations} violations" if violations else "")
        axis.text(bar.get_width(), bar.get_y() + bar.get_height() / 2, note, va="center")
    axis.invert_yaxis()
    axis.set_xlim(0, max(seconds) * 1.45 or 1)
    count = len(next(iter(one.replays.values())).tasks)
    load = "" if one.load is None else f", load {one.load:g}"
    axis.set_title(f"Mean completion of {count} requests{load}", loc="left")
    axis.set_xlabel("seconds from arrival to end")
    axis.spines[["top", "right"]].set_visible(False)


def _distribution(axis: Any, one: Study) -> None:
    for name, done in one.replays.items():
        seconds = completions(done) / 1000
        if len(seconds):
            share = np.arange(1, len(seconds) + 1) / len(seconds)
            axis.step(seconds, share, where="post", label=name, color=COLOURS.get(name, OTHER), linewidth=1.3)
    axis.set_xscale("log")
    axis.set_ylim(0, 1)
    axis.set_title("Share of requests completed within", loc="left")
    axis.set_xlabel("seconds from arrival to end")
    axis.legend(frameon=False, loc="lower right")
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
