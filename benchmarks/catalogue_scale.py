"""What does a large catalogue cost? Decoding over 1,000 tools against decoding over 7, with random vectors.

`python -m benchmarks.catalogue_scale` prints one JSON object. For every number of tools there is a planner over as many
times 243 made-up configurations, and they take turns: `decode` is everything after the backbone's pass (tool logits,
size, what fits when, configuration logits), `decode_batch` the same for many requests at once, `plan` the whole plan.
Memory is what the heads and the catalogue's arrays hold, and what the process grew by when the planner was loaded.
"""

import itertools
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import psutil
import torch

from benchmarks.common import Seconds, medians_ms, parameters, ratio, read_options, report, rounded, take_turns
from benchmarks.inputs import read_inputs
from benchmarks.plan_latency import one_by_one
from benchmarks.untrained import write_untrained
from tomas.config import Params
from tomas.domain.catalogue import Catalogue
from tomas.domain.request import Request
from tomas.domain.resources import SIZES
from tomas.domain.timeline import Timeline
from tomas.domain.tools import ToolRegistry
from tomas.planner import Planner
from tomas.planner.model import Told
from tomas.planner.predictor import BATCH, Case

GRID = ((1, 2, 4), (2, 4, 8), (10, 30, 60), (1, 2, 4))
"""Amounts of the four resources; with three sizes they make 243 configurations a tool."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    options = read_options(__doc__, argv)
    params = parameters(options)
    counts, rounds = ((7, 50), 4) if options.quick else ((7, 100, 1000), 40)
    inputs = read_inputs(params, 2 * BATCH)
    planners: dict[int, Planner] = {}
    memory: dict[int, dict[str, float]] = {}
    for count in counts:
        catalogue = made_up(count, params.seed)
        before = psutil.Process().memory_info().rss
        planners[count] = load(params, catalogue)
        memory[count] = {
            "rows": len(catalogue),
            "held_mb": held_bytes(planners[count]) / 1e6,
            "grown_mb": rounded((psutil.Process().memory_info().rss - before) / 1e6),
        }
    asked = inputs.asked[:BATCH]
    one = turns(planners, lambda planner: decoding(planner, asked, 1), rounds)
    many = turns(planners, lambda planner: decoding(planner, asked, len(asked)), rounds)
    whole = turns(planners, lambda planner: one_by_one(planner.plan, asked), rounds)
    fewest, most = str(counts[0]), str(counts[-1])
    figures = {
        "rounds": rounds,
        "requests_in_batch": len(asked),
        "decode_ms": medians_ms(one),
        "decode_batch_ms": medians_ms(many),
        "plan_ms": medians_ms(whole),
        "decode_ratio": ratio(one, most, fewest),
        "decode_batch_ratio": ratio(many, most, fewest),
        "plan_ratio": ratio(whole, most, fewest),
        "memory": memory,
        "bytes_per_added_row": {
            f"{less} to {more}": rounded(
                1e6
                * (memory[more]["held_mb"] - memory[less]["held_mb"])
                / (memory[more]["rows"] - memory[less]["rows"])
            )
            for less, more in itertools.pairwise(counts)
        },
    }
    return report("catalogue_scale", options, params, figures)


def made_up(count: int, seed: int) -> Catalogue:
    """As many tools, each with every size and amount, at random latencies."""
    spec = {"field": "items", "small_max": 2, "medium_max": 8, "units": ["item", "items"]}
    names = [f"tool_{number:04}" for number in range(count)]
    tools = ToolRegistry.from_list([{"name": name, "description": f"Does {name}.", "input": spec} for name in names])
    rows = np.array(list(itertools.product(range(len(SIZES)), *GRID)), dtype=np.float64)
    latency_ms = np.random.default_rng(seed).uniform(100, 10_000, count * len(rows))
    table = np.tile(rows, (count, 1))
    tool_id = np.repeat(np.arange(count), len(rows))
    return Catalogue(tools, tool_id, table[:, 0].astype(np.int64), table[:, 1:], latency_ms)


def load(params: Params, catalogue: Catalogue) -> Planner:
    """An untrained planner over the catalogue."""
    with tempfile.TemporaryDirectory() as folder:
        return Planner.load(write_untrained(params, catalogue, Path(folder) / "planner"))


def held_bytes(planner: Planner) -> int:
    """What the heads, the lexicon and the catalogue's arrays hold."""
    own, parts = planner.catalogue, (planner.predictor.heads, planner.predictor.lexicon)
    tensors = [tensor for part in parts for tensor in itertools.chain(part.parameters(), part.buffers())]
    arrays = (own.tool_id, own.size_id, own.requirement, own.latency_ms)
    return sum(tensor.nbytes for tensor in tensors) + sum(array.nbytes for array in arrays)


def turns(planners: dict[int, Planner], way: Callable[[Planner], Callable[[], object]], rounds: int) -> Seconds:
    """The same way with every planner, by its number of tools."""
    return take_turns({str(count): way(planner) for count, planner in planners.items()}, rounds)


def decoding(planner: Planner, asked: list[Request], batch: int) -> Callable[[], object]:
    """Everything after the backbone's pass, for random states, so that every tool is chosen some time."""
    predictor, heads = planner.predictor, planner.predictor.heads
    width, whole = predictor.spec.temporal.dim, Timeline.constant(planner.capacity)

    @torch.inference_mode()
    def decode(requests: Sequence[Request]) -> None:
        state_BH = torch.randn(batch, predictor.backbone.hidden_size, device=predictor.device)
        window_BD = torch.randn(batch, width, device=predictor.device)
        told = Told(state_BH, torch.zeros_like(state_BH), torch.zeros_like(state_BH))
        predictor.decode(
            heads.judge(told, window_BD), [Case(own, own.timeline or whole, own.t_inf_ms or 0.0) for own in requests]
        )

    return one_by_one(decode, [(asked + asked)[start : start + batch] for start in range(len(asked))])


if __name__ == "__main__":
    sys.exit(main())
