"""The report: one HTML page that needs no network, with its pictures inside, light or dark."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tomas.evaluation.baselines import BASELINES
from tomas.evaluation.charts import (
    confusion_chart,
    cumulative_chart,
    learning_chart,
    regret_chart,
    regret_shares,
    reliability_chart,
)
from tomas.evaluation.errors import confusions, error_causes
from tomas.evaluation.evaluate import END_TO_END, GROUPS, MASKED, ORACLE, UNMASKED, Results
from tomas.evaluation.metrics import NO_TOOL, confusion, regret
from tomas.evaluation.plots import reliability_bins
from tomas.evaluation.svg import duration, percent
from tomas.evaluation.worked import worked_examples
from tomas.files import whole

PLANNERS = {
    MASKED: "TOMAS, given the tool",
    UNMASKED: "TOMAS, given the tool, without the mask",
    END_TO_END: "TOMAS, end to end",
    **{name: name.replace("_", " ") for name in BASELINES},
    ORACLE: "oracle",
}
LEARNING = (
    ("pretrain.csv", None, "Phase 0: the resource encoder"),
    ("train.csv", 0, "Phase 3: reading requests, the middle of the language model and what reads it"),
    ("train.csv", 1, "Phase 3: warm-up of the temporal encoder and the configurations, without the language model"),
    ("train.csv", 2, "Phase 3: all together, through the language model"),
)
NOT_CURVES = ("step", "epoch", "phase")


def write_report(path: Path, metrics: Mapping[str, Any], results: Results, plots: Path | None) -> None:
    """Write the report of an evaluation; plots is the folder with the trainings' curves, where they belong to it."""
    folder = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "duration": duration, "breakable": _breakable}
    text = environment.get_template("report.html").render(
        css=Markup((folder / "report.css").read_text(encoding="utf-8")),
        metrics=metrics,
        planners=_planner_rows(metrics),
        tool_planners={"TOMAS": metrics, "TF-IDF + logistic regression": metrics["baselines"].get("tfidf_logreg")},
        groups={name: metrics[f"per_{name}"] for name in GROUPS if metrics.get(f"per_{name}")},
        pictures=_pictures(results),
        reliability_cases=int((results.tool_id != NO_TOOL).sum()),
        causes=error_causes(results),
        confusions=confusions(results),
        examples=worked_examples(results),
        learning=[] if plots is None else _learning(plots),
    )
    with whole(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _breakable(name: str) -> Markup:
    """Let a long name be broken at its underscores."""
    return Markup("_<wbr>").join(name.split("_"))


def _planner_rows(metrics: Mapping[str, Any]) -> list[tuple[str, str, Mapping[str, Any]]]:
    """Give kind, name and metrics of each planner for the headline table."""
    given = metrics["given_tool"]
    ours = {MASKED: given[MASKED], UNMASKED: given[UNMASKED], END_TO_END: metrics["end_to_end"]}
    found = {**ours, **metrics["baselines"]}
    kinds = {**dict.fromkeys(ours, "ours"), ORACLE: "oracle"}
    return [(kinds.get(key, "baseline"), name, found[key]) for key, name in PLANNERS.items() if found.get(key)]


def _pictures(results: Results) -> dict[str, Any]:
    """Draw what concerns all cases; a chart without cases is left out."""
    names = results.catalogue.tools.names
    table = confusion(results.tool_id, results.answered, len(names))
    pictures: dict[str, Any] = {"confusion": confusion_chart(table, names)}
    bins = reliability_bins(results)
    if bins:
        pictures["reliability"] = reliability_chart(bins)
    if len(results.best):
        regrets = {who: regret(results.runs[who], results.best) for who in PLANNERS if who != ORACLE}
        shares = {who: regret_shares(results.runs[who], results.best) for who in (MASKED, UNMASKED)}
        pictures["regret"] = regret_chart(shares)
        pictures["cumulative"] = cumulative_chart(regrets)
        pictures["legend"] = [PLANNERS[who] for who in regrets]
    return pictures


def _learning(plots: Path) -> list[tuple[str, list[tuple[str, Markup]]]]:
    """Draw every number that the trainings recorded by step; where there is a column phase, that part of them."""
    found: list[tuple[str, list[tuple[str, Markup]]]] = []
    for file, phase, title in LEARNING:
        if not (plots / file).exists():
            continue
        table = pd.read_csv(plots / file)
        rows = table[table["phase"] == phase] if "phase" in table else table
        names = sorted((name for name in rows.columns if name not in NOT_CURVES), key=lambda name: name == "lr")
        found.append((title, [(name, chart) for name in names if (chart := _curve(rows, name))]))
    return found


def _curve(table: pd.DataFrame, name: str) -> Markup | None:
    rows = table[["step", name]].apply(pd.to_numeric, errors="coerce").dropna()
    return learning_chart(name, rows["step"].tolist(), rows[name].tolist()) if len(rows) > 1 else None
