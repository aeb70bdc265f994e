"""What does each part do to a TOMAS number? Trains a planner per part and seed, prints means and spreads.

Run it where the stages up to `label-requests` are done: `python -m benchmarks.parts [--seeds 0 1 2] [--only moe]`.
Everything but the part under test is params.yaml as it stands; `--set` changes it for all. Hours of training: every
measured run is written to benchmarks/parts.json at once and not repeated with the same data and parameters, so the
command can be stopped and called again.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import markdown, over_seeds
from tomas.commands.train import setting
from tomas.config import Params, parse_params
from tomas.data.validated import load_catalogue, load_timelines
from tomas.domain.oracle import feasible_at
from tomas.evaluation.cases import Case, labelled_cases
from tomas.evaluation.evaluate import evaluate
from tomas.files import digest, digest_of_value, write_json
from tomas.kernel.checks import check_parts
from tomas.kernel.yaml_files import lay_over, plain, read_yaml
from tomas.paths import Paths, project
from tomas.planner import Planner
from tomas.planner.train import train_planner
from tomas.tracking.none import NoTracker

TRAINED: dict[str, dict[str, Any]] = {
    "base": {},
    "router moe": {"plugins": ["moe"]},
    "align bistate": {"plugins": ["align"]},
    "attention tva": {"backbone": {"attention": "tva"}},
    "temporal attention": {"temporal": {"kind": "attention"}},
    "temporal attention-tva": {"temporal": {"kind": "attention-tva"}},
    "temporal attention-linear": {"temporal": {"kind": "attention-linear"}},
    "temporal none": {"temporal": {"kind": "none"}},
    "decoder flat": {"decoder": {"kind": "flat"}},
    "decoder regressor": {"decoder": {"kind": "regressor"}},
    "LoRA over the text too": {"lora": {"scope": "all"}},
}
PLANNING: dict[str, dict[str, Any]] = {"voter entropy": {"plugins": ["voter"]}}
METRICS = {
    "tool recall": ("tool_macro_recall",),
    "tool recall, Chinese": ("per_language", "zh", "tool_macro_recall"),
    "no_tool AUROC": ("no_tool_auroc",),
    "exact": ("config_accuracy",),
    "within 5 %": ("near_optimal_5",),
    "feasible": ("feasibility_rate",),
    "within 5 %, masked": ("given_tool", "masked", "near_optimal_5"),
    "regret, masked": ("latency_regret_mean",),
    "end to end": ("end_to_end", "near_optimal_5"),
    "plan, ms": ("latency_ms_p50",),
}
"""Where metrics/evaluate.json has each figure."""
JITTER = 0.3
"""Standard deviation of the logarithm of the real thinking time around the predicted one."""
DRAWS = 20

Runs = dict[str, dict[str, dict[str, float]]]
"""Figures by line and seed."""


def main(argv: Sequence[str] | None = None) -> int:
    """Train, measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", metavar="WORD", help="only parts whose line has one of these words")
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="KEY=VALUE")
    args = parser.parse_args(argv)
    paths = project()
    file = paths.root / "benchmarks" / "parts.json"
    known: dict[str, Runs] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    runs = known.setdefault(key(paths, parameters(paths, args.settings, {"seed": 0})), {})
    for seed in args.seeds:
        for name, overlay in TRAINED.items():
            wanted = name == "base" or args.only is None or any(word in name for word in args.only)
            if wanted and str(seed) not in runs.get(name, {}):
                measured = measure(paths, name, parameters(paths, args.settings, {"seed": seed, **overlay}))
                for line, found in measured.items():
                    runs.setdefault(line, {})[str(seed)] = found
                write_json(file, known)
    print(table(runs))
    return 0


def parameters(paths: Paths, settings: Sequence[str], overlay: Mapping[str, Any]) -> Params:
    """params.yaml with the settings and the part under test."""
    document = read_yaml(paths.params)
    for text in settings:
        lay_over(document, setting(text))
    lay_over(document, overlay)
    params = parse_params(plain(document))
    check_parts(params)
    return params


def measure(paths: Paths, name: str, params: Params) -> dict[str, dict[str, float]]:
    """Train one planner, and measure it; the base planner also with the parts that only planning uses."""
    print(f"{name}, seed {params.seed}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "planner"
        train_planner(
            params, load_catalogue(paths.validated), load_timelines(paths.validated), paths.labelled,
            paths.config_weights, target=target, curve=Path(folder) / "curve.csv", tracker=NoTracker(),
            checkpoints=Path(folder) / "checkpoints", cache=paths.root / ".tomas" / "cache",
        )  # fmt: skip
        found = {name: figures(paths, Planner.load(target), name == "base")}
        if name == "base":
            for part, overlay in PLANNING.items():
                used = params.model_copy(update=overlay)
                found[part] = figures(paths, Planner.load(target, used), jitter=True)
        return found


def key(paths: Paths, params: Params) -> str:
    """A name for these settings on the labelled examples and the vectors as they are now."""
    files = (paths.labelled / "train.parquet", paths.config_weights)
    return digest_of_value([params.model_dump(), *map(digest, files)])[:16]


def figures(paths: Paths, planner: Planner, jitter: bool) -> dict[str, float]:
    """The planner's metrics on the test split."""
    cases = labelled_cases(paths.labelled / "test.parquet", paths.validated, planner.catalogue, planner.capacity)
    _, metrics = evaluate(planner, cases)
    found = {name: float(reduce(getitem, where, metrics)) for name, where in METRICS.items()}
    return found | ({"feasible_under_jitter": under_jitter(planner, cases)} if jitter else {})


def under_jitter(planner: Planner, cases: Sequence[Case]) -> float:
    """Share of plans that still fit when planning takes another time than was predicted."""
    rng = np.random.default_rng(0)
    fits: list[bool] = []
    for case, plan in zip(cases, planner.plan_batch([case.request for case in cases]), strict=True):
        if plan.config_id is None or plan.start_ms is None:
            continue
        row = slice(plan.config_id, plan.config_id + 1)
        for t_inf_ms in case.t_inf_ms * np.exp(JITTER * rng.standard_normal(DRAWS)):
            start_ms = max(float(t_inf_ms), plan.start_ms if plan.status == "wait" else 0.0)
            fit = feasible_at(
                case.timeline, planner.catalogue.requirement[row], planner.catalogue.latency_ms[row], start_ms
            )
            fits.append(bool(fit[0]))
    return float(np.mean(fits))


def table(runs: Runs) -> str:
    """Markdown: a row a line, each figure's mean over the seeds and its spread."""
    figures = list(dict.fromkeys(name for own in runs.values() for found in own.values() for name in found))
    rows = [["", "seeds", *figures]]
    for name, own in runs.items():
        cells = [[found[figure] for found in own.values() if figure in found] for figure in figures]
        rows.append([name, str(len(own)), *(over_seeds(values, 4) for values in cells)])
    return markdown(rows)


if __name__ == "__main__":
    sys.exit(main())
