"""The plots as tables, for `dvc plots` and spreadsheets."""

from pathlib import Path

import pandas as pd

from tomas.evaluation.charts import regret_shares
from tomas.evaluation.evaluate import ORACLE, Results
from tomas.evaluation.metrics import NO_TOOL, reliability
from tomas.files import whole


def write_plots(folder: Path, results: Results) -> None:
    """Write confusion.csv, regret.csv and reliability.csv."""
    names = [*results.catalogue.tools.names, "no_tool"]
    table = {"actual": results.tool_id, "predicted": results.answered}  # NO_TOOL = -1 is the last name
    _write(folder / "confusion.csv", pd.DataFrame(table).map(lambda tool: names[tool]))
    rows = [
        {"planner": who, "regret": name, "share": share}
        for who, runs in results.runs.items()
        if who != ORACLE and len(runs)
        for name, share in regret_shares(runs, results.best)
    ]
    _write(folder / "regret.csv", pd.DataFrame(rows, columns=["planner", "regret", "share"]))
    _write(folder / "reliability.csv", pd.DataFrame(reliability_bins(results)))


def reliability_bins(results: Results) -> list[dict[str, float]]:
    """Give how often the tool is right by how confident the planner is, over requests that a tool serves."""
    served = results.tool_id != NO_TOOL
    right = results.predicted[served] == results.tool_id[served]
    return reliability(results.probabilities[served].max(axis=1), right)


def _write(path: Path, table: pd.DataFrame) -> None:
    with whole(path) as partial:
        table.to_csv(partial, index=False, float_format="%.6g")
