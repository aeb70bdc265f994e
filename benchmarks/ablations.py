"""What does each choice of the design do? Runs every line as DVC experiments, over several seeds, and prints the table.

`python -m benchmarks.ablations [--seeds 0 1 2] [--only fusion] [--jobs 1]` queues what is not yet done, runs the queue,
copies the results into the tracking store and prints a Markdown table with means and spreads. `--set KEY=VALUE` changes
a parameter for all lines, say `labelling.train_examples=4000`; `--table` only prints. All runs show in `make ui` too.
Hours of training: what is finished stands in benchmarks/ablations.json and is not repeated with the same data and
parameters, so the command can be stopped and called again.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks.kept_runs import EVALUATED, Figures, KeptRuns, table
from tomas.config import load_params
from tomas.files import digest, digest_of_value
from tomas.paths import Paths, project
from tomas.tracking.queue import RUNNING, WAITING, queue_grid, queue_status, run_queue
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
    "timeline for the decoder alone": ("temporal.prefix_tokens=0",),
    "Phase 0 without exemplars": ("encoder.exemplars=0",),
    "Phase 0 without spelling": ("encoder.spelling_epochs=0",),
    "no warm-up": ("training.warmup_epochs=0",),
    "no loss on the ranking": ("training.regret_weight=0",),
    "500 examples": ("labelling.train_examples=500",),
    "500 examples, from text embeddings": ("labelling.train_examples=500", "decoder.init=text"),
    "500 examples, at random": ("labelling.train_examples=500", "decoder.init=random"),
    "2,000 examples": ("labelling.train_examples=2000",),
    "2,000 examples, from text embeddings": ("labelling.train_examples=2000", "decoder.init=text"),
    "2,000 examples, at random": ("labelling.train_examples=2000", "decoder.init=random"),
}
METRICS = {
    **{name: ("evaluate", *where) for name, where in EVALUATED.items()},
    "value tokens": ("pretrain_encoder", "value_token_accuracy"),
    "identification": ("pretrain_encoder", "identification"),
}
"""Where each figure stands in metrics/."""


def main(argv: Sequence[str] | None = None) -> int:
    """Queue, run, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", metavar="WORD", help="only lines that have one of these words")
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="KEY=VALUE")
    parser.add_argument("--jobs", type=int, default=1, help="experiments at a time")
    parser.add_argument("--table", action="store_true", help="run nothing, print what is there")
    args = parser.parse_args(argv)
    paths = project()
    lines = {name: own for name, own in LINES.items() if not args.only or any(word in name for word in args.only)}
    state = key(paths, args.settings)
    kept = KeptRuns(paths.root / "benchmarks" / "ablations.json", state)
    runs = {experiment(name, seed, state): (name, seed) for seed in args.seeds for name in lines}

    def keep_finished() -> None:
        for row in finished_experiments(paths.root):
            if row.name in runs and not kept.has(*runs[row.name]):
                kept.keep(*runs[row.name], figures(row))

    def tell(line: str) -> None:
        print(line, file=sys.stderr, flush=True)
        keep_finished()

    failed: list[str] = []
    if not args.table:
        keep_finished()
        left_over = queue_status(paths.root)  # of a call that was stopped
        for name, (line, seed) in runs.items():  # seed by seed: what is learnt of the texts is kept on disk for few
            if not kept.has(line, seed) and left_over.get(name) not in (WAITING, RUNNING):
                queue_grid(paths.root, name, [f"seed={seed}", *args.settings, *lines[line]])
        failed = run_queue(paths.root, args.jobs, tell)
        keep_finished()
        sync(paths.root)
    print(table(kept.runs, list(lines), list(METRICS), 3))
    if failed:
        print(f"failed: {', '.join(failed)}; see dvc queue logs NAME", file=sys.stderr)
    return 1 if failed else 0


def experiment(line: str, seed: int, state: str) -> str:
    """The name of a line's experiment in DVC: another one for other data or parameters."""
    words = "".join(letter if letter.isalnum() else " " for letter in line.lower()).split()
    return "-".join(["ablation", *words, f"seed{seed}", state[:6]])


def key(paths: Paths, settings: Sequence[str]) -> str:
    """A name for the data and the parameters that all lines share."""
    data = (paths.tools, paths.profiles, paths.requests, paths.timelines)
    shared = [load_params(paths.params).model_dump(exclude={"seed"}), sorted(settings), *map(digest, data)]
    return digest_of_value(shared)[:16]


def figures(run: Experiment) -> Figures:
    """What a finished experiment reached; a line without a metric has none."""
    found: Figures = {}
    for name, where in METRICS.items():
        value: Any = run.metrics
        for word in where:
            value = value.get(word) if isinstance(value, dict) else None
        if isinstance(value, int | float):
            found[name] = float(value)
    return found


if __name__ == "__main__":
    sys.exit(main())
