"""Does a planner choose rows that nothing it was trained on was answered with? Prints means and spreads over seeds.

Run it after `dvc repro`: `python -m benchmarks.new_rows [--seeds 0 1 2]`. A fifth of all configurations is hidden:
Phase 0 is trained on the others, no example is answered with a hidden one, none has one in its choice. Then they come
back, with the vectors that this encoder gives them, or with others, and test requests are asked whose best
configuration is one of them (`new`) or is not (`known`). Trained is what the warm-up trains, temporal encoder and
decoder without the language model, given tool and size: minutes a line. What is finished stands in
benchmarks/new_rows.json and is not repeated on the same examples.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks.kept_runs import Figures, KeptRuns, table
from tomas.backbone.loading import Backbone, load_backbone
from tomas.config import Params, load_params
from tomas.data.validated import load_timelines
from tomas.domain.catalogue import Catalogue
from tomas.domain.resources import Ints
from tomas.encoder.export import configuration_vectors
from tomas.encoder.model import ResourceEncoder
from tomas.encoder.pretrain import pretrain_encoder
from tomas.files import digest, digest_of_value
from tomas.paths import Paths, project
from tomas.planner.artifact import Artifact, make_heads, read_artifact
from tomas.planner.examples import Batches, Examples, read_examples
from tomas.planner.first_vectors import first_vectors
from tomas.planner.model import Heads
from tomas.planner.tasks import WarmupTask
from tomas.planner.windows import WindowReader
from tomas.runtime.process import set_threads
from tomas.tracking.none import NoTracker
from tomas.training.loop import LoopSettings, fit

HIDDEN = 0.2
"""Share of the configurations of each tool and size."""
NEAR = 0.05
LINES: dict[str, tuple[str, dict[str, Any]]] = {
    "from the encoder, frozen": ("encoder", {"train_vectors": False}),
    "from an encoder that knew them, frozen": ("whole encoder", {"train_vectors": False}),
    "from the encoder": ("encoder", {}),
    "text embeddings, frozen": ("text", {"train_vectors": False}),
    "at random, frozen": ("random", {"train_vectors": False}),
    "no vectors: `regressor`": ("random", {"kind": "regressor"}),
}
"""What the vectors are, and the decoder's settings."""


def main(argv: Sequence[str] | None = None) -> int:
    """Train and measure what is not yet measured, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    args = parser.parse_args(argv)
    paths = project()
    params = load_params(paths.params)
    set_threads(params.backbone.threads)
    artifact, backbone = read_artifact(paths.planner), load_backbone(params.backbone)
    kept = KeptRuns(paths.root / "benchmarks" / "new_rows.json", key(paths, params, artifact))
    train, test = (Batches(read(paths, artifact, backbone, split), artifact.catalogue) for split in ("train", "test"))
    first = partial(first_vectors, backbone=backbone, catalogue=artifact.catalogue, exported=paths.config_weights)
    vectors = {"whole encoder": first("encoder"), "text": first("text")}
    for seed in args.seeds:
        if all(kept.has(name, seed) for name in LINES):
            continue
        hidden_N = hide(train.ids_case, len(artifact.catalogue), seed)
        vectors["encoder"] = encoded_without(params.model_copy(update={"seed": seed}), artifact.catalogue, hidden_N)
        for name, (source, decoder) in LINES.items():
            if kept.has(name, seed):
                continue
            print(f"{name}, seed {seed}", file=sys.stderr, flush=True)
            torch.manual_seed(seed)
            vectors["random"] = first("random")
            spec = artifact.spec.model_copy(update={"decoder": artifact.spec.decoder.model_copy(update=decoder)})
            heads = make_heads(spec, backbone, artifact.catalogue, vectors[source])
            task = WarmupTask(heads, without(train, hidden_N), params.training, seed)
            fit(task, LoopSettings(params.training.warmup_epochs, params.training.grad_clip), label="warm-up")
            kept.keep(name, seed, figures(heads.eval(), test, hidden_N))
    columns = dict.fromkeys(name for runs in kept.runs.values() for found in runs.values() for name in found)
    print(table(kept.runs, list(LINES), list(columns), 3))
    return 0


def key(paths: Paths, params: Params, artifact: Artifact) -> str:
    """A name for what every line shares: settings, the planner's shapes, examples and vectors."""
    shared = [
        params.training.model_dump(),
        params.encoder.model_dump(),
        artifact.spec.temporal.model_dump(),
        artifact.spec.window,
    ]
    return digest_of_value([*shared, digest(paths.labelled), digest(paths.config_weights)])[:16]


def read(paths: Paths, artifact: Artifact, backbone: Backbone, split: str) -> Examples:
    """The labelled examples of a split, seen as the trained planner sees them."""
    frame = pd.read_parquet(paths.labelled / f"{split}.parquet")
    reader = WindowReader.from_json(artifact.spec.window)
    return read_examples(frame, backbone, load_timelines(paths.validated), reader, artifact.catalogue)


def encoded_without(params: Params, catalogue: Catalogue, hidden_N: np.ndarray) -> torch.Tensor:
    """The vectors of all rows, by an encoder that has never met the hidden ones."""
    rows = (catalogue.tool_id, catalogue.size_id, catalogue.requirement, catalogue.latency_ms)
    fewer = Catalogue(catalogue.tools, *(column[~hidden_N] for column in rows))
    with tempfile.TemporaryDirectory() as folder:
        target, curve, checkpoints = (Path(folder) / name for name in ("encoder.pt", "curve.csv", "checkpoints"))
        pretrain_encoder(params, fewer, target=target, curve=curve, checkpoints=checkpoints, tracker=NoTracker())
        return configuration_vectors(ResourceEncoder.load(target), catalogue)


def hide(ids_case: Ints, rows: int, seed: int) -> np.ndarray:
    """Which rows are hidden: the same share of each tool and size."""
    rng = np.random.default_rng(seed)
    hidden_N = np.zeros(rows, bool)
    for ids in ids_case:
        own = ids[ids >= 0]
        hidden_N[rng.choice(own, round(HIDDEN * len(own)), replace=False)] = True
    return hidden_N


def without(batches: Batches, hidden_N: np.ndarray) -> Batches:
    """The same, but no example is answered with a hidden row, and none has one in its choice."""
    own, ids_EN = batches.examples, batches.batch(np.arange(len(batches.examples))).ids_BN.numpy()
    fewer = copy(batches)
    fewer.examples = replace(
        own,
        config_E=np.where(hidden_N[own.config_E], -1, own.config_E),  # where it is -1 it stays -1
        excess_EN=np.where((ids_EN >= 0) & hidden_N[ids_EN], -1, own.excess_EN),
    )
    fewer.ids_case = np.where(hidden_N[batches.ids_case], -1, batches.ids_case)
    return fewer


@torch.no_grad()
def figures(heads: Heads, batches: Batches, hidden_N: np.ndarray) -> Figures:
    """How the best of all rows is met where it is a new one, and where it is not, and how much slower the others are.

    An excess over the fastest row that fits is known up to 1, and of the oracle's own up to 0.02.
    """
    every = batches.batch(np.flatnonzero(batches.examples.config_E >= 0))
    window_BD = heads.temporal(every.start_BCP)
    state_BH = window_BD.new_zeros(len(window_BD), heads.hidden)
    query_BH = heads.decoder.ask(state_BH, window_BD, every.tool_B, every.size_B)
    scores_BN = heads.decoder.score(query_BH, every.ids_BN)
    excess_BN = every.excess_BN
    free_B, fits_B = (
        scores.argmax(dim=1) for scores in (scores_BN, scores_BN.masked_fill(excess_BN < 0, float("-inf")))
    )
    new_B = torch.from_numpy(hidden_N)[every.config_B]
    found: Figures = {}
    for word, of_B in (("new", new_B), ("known", ~new_B)):
        if not of_B.any():
            continue
        chosen_B, best_B = (1 + excess_BN.gather(1, place_B[:, None])[of_B, 0] for place_B in (fits_B, every.place_B))
        regret_B = (chosen_B / best_B - 1).clamp(min=0)
        found[f"{word}: exact"] = float((free_B == every.place_B)[of_B].float().mean())
        found[f"{word}: exact, masked"] = float((fits_B == every.place_B)[of_B].float().mean())
        found[f"{word}: within 5 %, masked"] = float((regret_B <= NEAR).float().mean())
        found[f"{word}: regret, masked"] = float(regret_B.mean())
    return found


if __name__ == "__main__":
    sys.exit(main())
