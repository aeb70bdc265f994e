"""What does each part do to a TOMAS number? Trains a planner per part and seed, prints means and spreads.

Run it where the stages up to `label-requests` are done: `python -m benchmarks.parts [--seeds 0 1 2] [--only moe]`.
Everything but the part under test is params.yaml as it stands; `--set` changes it for all. Hours of training: every
measured run is written to benchmarks/parts.json at once and not repeated with the same data and parameters, so the
command can be stopped and called again.
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.kept_runs import Figures, KeptRuns, table
from benchmarks.part_figures import COLUMNS, planned
from tomas.commands.train import setting
from tomas.config import Params, parse_params
from tomas.data.validated import load_catalogue, load_timelines
from tomas.files import digest, digest_of_value
from tomas.kernel.checks import check_parts
from tomas.kernel.yaml_files import lay_over, plain, put, read_yaml
from tomas.paths import Paths, project
from tomas.planner.train import train_planner
from tomas.tracking.none import NoTracker

TRAINED: dict[str, dict[str, Any]] = {
    "base": {},
    "router moe": {"plugins": ["moe"]},
    "align bistate": {"plugins": ["align"]},
    "attention tva": {"backbone": {"attention": "tva"}},
    "temporal cnn": {"temporal": {"kind": "cnn"}},
    "temporal attention": {"temporal": {"kind": "attention"}},
    "temporal attention-tva": {"temporal": {"kind": "attention-tva"}},
    "temporal attention-linear": {"temporal": {"kind": "attention-linear"}},
}
"""What decoders, fusions and the missing timeline do stands in the ablations."""


def main(argv: Sequence[str] | None = None) -> int:
    """Train, measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", metavar="WORD", help="only parts whose line has one of these words")
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="KEY=VALUE")
    args = parser.parse_args(argv)
    paths = project()
    state = key(paths, parameters(paths, args.settings, {"seed": 0}))
    kept = KeptRuns(paths.root / "benchmarks" / "parts.json", state)
    for seed in args.seeds:
        for name, overlay in TRAINED.items():
            wanted = name == "base" or args.only is None or any(word in name for word in args.only)
            if wanted and not kept.has(name, seed):
                measured = measure(paths, name, parameters(paths, args.settings, {"seed": seed, **overlay}))
                for line, found in measured.items():
                    kept.keep(line, seed, found)
    print(table(kept.runs, list(dict.fromkeys([*TRAINED, *kept.runs])), COLUMNS, 4))
    return 0


def parameters(paths: Paths, settings: Sequence[str], overlay: Mapping[str, Any]) -> Params:
    """params.yaml with the settings and the part under test."""
    document = read_yaml(paths.params)
    for text in settings:
        put(document, *setting(text))
    lay_over(document, overlay)
    params = parse_params(plain(document))
    check_parts(params)
    return params


def measure(paths: Paths, name: str, params: Params) -> dict[str, Figures]:
    """Train one planner, and measure it; the base planner also with the parts that only planning uses."""
    print(f"{name}, seed {params.seed}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "planner"
        train_planner(
            params, load_catalogue(paths.validated), load_timelines(paths.validated), paths.labelled,
            paths.config_weights, target=target, curve=Path(folder) / "curve.csv", tracker=NoTracker(),
            checkpoints=Path(folder) / "checkpoints", cache=paths.root / ".tomas" / "cache",
        )  # fmt: skip
        return planned(paths, params, target, name)


def key(paths: Paths, params: Params) -> str:
    """A name for these settings on the labelled examples and the vectors as they are now."""
    files = (paths.labelled / "train.parquet", paths.config_weights)
    return digest_of_value([params.model_dump(), *map(digest, files)])[:16]


if __name__ == "__main__":
    sys.exit(main())
