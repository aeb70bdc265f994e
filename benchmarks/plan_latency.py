"""How long does a plan take, against one bare pass of the same model over the same positions?

`python -m benchmarks.plan_latency` prints one JSON object. In turns, request by request: `plan` is Planner.plan, from
words and a timeline to the finished plan; `forward` is the body of an untouched copy of the model over as many
positions (the text's and the context's), already as token IDs, without LM head, adapters or cache. `plan_batch` and
`forward_batch` are the same for many requests, the bare pass in the same batches of similar length.
"""

import itertools
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.common import medians_ms, parameters, rates, ratio, read_options, report, rounded, take_turns
from benchmarks.inputs import read_inputs
from benchmarks.untrained import write_untrained
from tomas.backbone.loading import Backbone, load_backbone
from tomas.backbone.prefix import positions
from tomas.planner import Planner
from tomas.planner.model import MAX_TEXT_TOKENS, padded
from tomas.planner.predictor import BATCH

CONTEXT_TOKEN = 1
"""Stands for a context position in the bare pass; which token it is changes no time."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    options = read_options(__doc__, argv)
    params = parameters(options)
    count, rounds, rounds_of_batches = (8, 4, 2) if options.quick else (128, 60, 7)
    inputs = read_inputs(params, 2 * count)
    with tempfile.TemporaryDirectory() as folder:
        planner = Planner.load(write_untrained(params, inputs.catalogue, Path(folder) / "planner"))
    asked = inputs.asked[:count]
    bare = load_backbone(params.backbone)
    context = [CONTEXT_TOKEN] * planner.predictor.heads.num_context
    tokens = [ids + context for ids in bare.tokenize([request.text for request in asked], MAX_TEXT_TOKENS)]
    single = take_turns(
        {"plan": one_by_one(planner.plan, asked), "forward": one_by_one(lambda ids: forward(bare, [ids]), tokens)},
        rounds,
    )
    batches = take_turns(
        {"plan_batch": lambda: planner.plan_batch(asked), "forward_batch": lambda: forward_in_batches(bare, tokens)},
        rounds_of_batches,
    )
    lengths = np.array([len(ids) for ids in tokens])
    throughput = rates(batches, len(asked))
    figures = {
        "positions_median": float(np.median(lengths)),
        "positions_max": int(lengths.max()),
        "rounds": rounds,
        "ms": medians_ms(single),
        "ratio": ratio(single, "plan", "forward"),
        "requests_in_batch": len(asked),
        "per_s": throughput,
        "batch_throughput_ratio": rounded(1 / ratio(batches, "plan_batch", "forward_batch")),
    }
    return report("plan_latency", options, params, figures)


def one_by_one(work: Callable[..., object], things: Iterable[object]) -> Callable[[], object]:
    """A way that takes the next thing at every call, and begins again after the last."""
    following = itertools.cycle(things)
    return lambda: work(next(following))


@torch.inference_mode()
def forward(bare: Backbone, tokens: list[list[int]]) -> None:
    """One bare pass; padding, where there is any, stands on the left as in planning."""
    tokens_BT, mask_BT = (tensor.to(bare.model.device) for tensor in padded(tokens))
    padding = {"attention_mask": mask_BT, "position_ids": positions(mask_BT)} if len(tokens) > 1 else {}
    bare.body(input_ids=tokens_BT, use_cache=False, **padding)


def forward_in_batches(bare: Backbone, tokens: list[list[int]]) -> None:
    """Bare passes over batches cut from the texts sorted by length."""
    ordered = sorted(tokens, key=len)
    for start in range(0, len(ordered), BATCH):
        forward(bare, ordered[start : start + BATCH])


if __name__ == "__main__":
    sys.exit(main())
