"""What does each choice of the design do? Runs every line as DVC experiments, over several seeds, and prints the table.

`python -m benchmarks.ablations [--seeds 0 1 2] [--only fusion] [--jobs 1]` queues what is not yet done, runs the queue,
copies the results into the tracking store and prints a Markdown table with means and spreads. `--set KEY=VALUE` changes
a parameter for all lines, say `labelling.train_examples=4000`; `--table` only prints. All runs show in `make ui` too.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.common import markdown, over_seeds
from tomas.paths import project
from tomas.tracking.queue import queue_grid, run_queue
from tomas.tracking.sync import Experiment, finished_experiments, sync

LINES: dict[str, tuple[str, ...]] = {
    "as it is": (),
    "config head from text embeddings": ("decoder.init=text",),
    "config head at random": ("decoder.init=random",),
    "config vectors frozen": ("decoder.train_vectors=false",),
    "config vectors frozen, from text embeddings": ("decoder.train_vectors=false", "decoder.init=text"),
    "config vectors frozen, at random": ("decoder.train_vectors=false", "decoder.init=random"),
    "fusion attention": ("encoder.fusion=attention",),
    "fusion concat": ("encoder.fusion=concat",),
    "decoder flat": ("decoder.kind=flat",),
    "decoder regressor": ("decoder.kind=regressor",),
    "no timeline": ("temporal.kind=none",),
    "Phase 0 without exemplars": ("encoder.exemplars=0",),
    "Phase 0 without spelling": ("encoder.spelling_epochs=0",),
    "no warm-up": ("training.warmup_epochs=0",),
    "no loss on the ranking": ("training.regret_weight=0",),
    "500 examples": ("labelling.train_examples=500",),
    "2,000 examples": ("labelling.train_examples=2000",),
}
METRICS: dict[str, tuple[str, str]] = {
    "tool recall": ("evaluate", "tool_macro_recall"),
    "config exact": ("evaluate", "config_accuracy"),
    "near-optimal 5": ("evaluate", "near_optimal_5"),
    "regret": ("evaluate", "latency_regret_mean"),
    "value tokens": ("pretrain_encoder", "value_token_accuracy"),
    "identification": ("pretrain_encoder", "identification"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Queue, run, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", metavar="WORD", help="only lines that have one of these words")
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="KEY=VALUE")
    parser.add_argument("--jobs", type=int, default=1, help="experiments at a time")
    parser.add_argument("--table", action="store_true", help="run nothing, print what is there")
    args = parser.parse_args(argv)
    root = project().root
    lines = {name: own for name, own in LINES.items() if not args.only or any(word in name for word in args.only)}
    failed: list[str] = []
    if not args.table:
        done = {row.name for row in finished_experiments(root)}
        for name, own in lines.items():
            for seed in args.seeds:
                if experiment(name, seed) not in done:
                    queue_grid(root, experiment(name, seed), [f"seed={seed}", *args.settings, *own])
        failed = run_queue(root, args.jobs, lambda line: print(line, file=sys.stderr, flush=True))
        sync(root)
    runs = {row.name: row for row in finished_experiments(root)}
    print(table({name: [runs[e] for s in args.seeds if (e := experiment(name, s)) in runs] for name in lines}))
    if failed:
        print(f"failed: {', '.join(failed)}; see dvc queue logs NAME", file=sys.stderr)
    return 1 if failed else 0


def experiment(line: str, seed: int) -> str:
    """The name of a line's experiment in DVC."""
    words = "".join(letter if letter.isalnum() else " " for letter in line.lower()).split()
    return "-".join(["ablation", *words, f"seed{seed}"])


def table(lines: Mapping[str, Sequence[Experiment]]) -> str:
    """Markdown: a row a line, mean and spread over its seeds."""
    rows = [["", "seeds", *METRICS]]
    for name, runs in lines.items():
        if runs:
            rows.append([name, str(len(runs)), *(cell(runs, *where) for where in METRICS.values())])
    return markdown(rows)


def cell(runs: Sequence[Any], file: str, metric: str) -> str:
    """Mean and standard deviation of a metric; a dash where no run has it."""
    values = [run.metrics.get(file, {}).get(metric) for run in runs]
    return over_seeds([float(value) for value in values if isinstance(value, int | float)], 3)


if __name__ == "__main__":
    sys.exit(main())
