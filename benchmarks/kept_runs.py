"""Figures of trainings by line and seed, in a file that a later call goes on with, as a table of means and spreads."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.common import markdown, over_seeds
from tomas.files import write_json

Figures = dict[str, float]
Runs = dict[str, dict[str, Figures]]
"""Figures by line and seed."""
EVALUATED = {
    "tool recall": ("tool_macro_recall",),
    "tool recall, Chinese": ("per_language", "zh", "tool_macro_recall"),
    "no_tool AUROC": ("no_tool_auroc",),
    "exact": ("config_accuracy",),
    "within 5 %": ("near_optimal_5",),
    "feasible": ("feasibility_rate",),
    "within 5 %, masked": ("given_tool", "masked", "near_optimal_5"),
    "regret, masked": ("latency_regret_mean",),
    "end to end": ("end_to_end", "near_optimal_5"),
}
"""Where metrics/evaluate.json has the figures that every table shows."""


class KeptRuns:
    """What was measured on one state of data and parameters; what was measured on others stays in the file."""

    def __init__(self, file: Path, key: str) -> None:
        self.file = file
        self.all: dict[str, Runs] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        self.runs = self.all.setdefault(key, {})

    def has(self, line: str, seed: int) -> bool:
        """Whether this was measured."""
        return str(seed) in self.runs.get(line, {})

    def keep(self, line: str, seed: int, figures: Mapping[str, float]) -> None:
        """Written at once: the next one takes minutes."""
        self.runs.setdefault(line, {})[str(seed)] = dict(figures)
        write_json(self.file, self.all)


def table(runs: Runs, lines: Sequence[str], figures: Sequence[str], digits: int) -> str:
    """Markdown: a row for each of these lines that was measured, each figure's mean over the seeds and its spread."""
    rows = [["", "seeds", *figures]]
    for line in lines:
        if own := runs.get(line):
            cells = [[found[figure] for found in own.values() if figure in found] for figure in figures]
            rows.append([line, str(len(own)), *(over_seeds(values, digits) for values in cells)])
    return markdown(rows)
