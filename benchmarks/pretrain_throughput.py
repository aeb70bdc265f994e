"""How many rows a second does Phase 0 train on, against a plain loop, and how near is that to what the machine can do?

`python -m benchmarks.pretrain_throughput` prints one JSON object with two comparisons, each in turns in one process:

* `ours` is the training loop of pretrain-encoder; `plain` takes the same rows, encoder and frozen model the plain way:
  logits of the whole vocabulary at every position, every sentence padded to the longest of all, and the exemplar prompt
  passed through in every step;
* the roofline: a step on long sequences against one large matrix product in the same number format. The FLOPs of the
  step's matrix products are counted as they run; their share of the measured peak is given for the whole step, and for
  the time that the profiler sees in matrix products.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.common import medians_ms, parameters, rates, ratio, read_options, report, rounded, take_turns
from benchmarks.inputs import read_inputs
from tomas.config import Params
from tomas.domain.catalogue import Catalogue
from tomas.encoder.pretrain import pretraining_task
from tomas.encoder.pretraining import IGNORED, PretrainingTask, Rows
from tomas.training.loop import LoopSettings, fit

PRODUCTS = ("aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm")
Way = Callable[[], object]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    options = read_options(__doc__, argv)
    params = parameters(options)
    size, steps, rounds = (4, 2, 2) if options.quick else (params.encoder.batch_size, 6, 5)
    # Every row once, also where the default run says a share of them.
    encoder = params.encoder.model_copy(update={"batch_size": size, "epoch_share": 1.0})
    params = params.model_copy(update={"encoder": encoder})
    catalogue = rows_of(read_inputs(params, 1).catalogue, steps * size)
    seconds = take_turns({"ours": our_way(params, catalogue), "plain": plain_way(params, catalogue)}, rounds)
    figures = {
        "batch_size": size,
        "steps": steps,
        "rounds": rounds,
        "ms_per_step": {name: rounded(value / steps) for name, value in medians_ms(seconds).items()},
        "rows_per_s": rates(seconds, steps * size),
        "ratio": ratio(seconds, "plain", "ours"),
        "roofline": roofline(params, catalogue, *((64, 256) if options.quick else (256, 2048)), rounds),
    }
    return report("pretrain_throughput", options, params, figures)


def rows_of(catalogue: Catalogue, count: int) -> Catalogue:
    """A few rows, spread over all tools."""
    places = np.unique(np.linspace(0, len(catalogue) - 1, count).round().astype(int)).tolist()
    return Catalogue.from_rows(catalogue.tools, [catalogue.row(place) for place in places])


def our_way(params: Params, catalogue: Catalogue) -> Way:
    """The stage's own loop over all rows once."""
    task = pretraining_task(params, catalogue)
    return lambda: fit(task, LoopSettings(max_epochs=1))


def plain_way(params: Params, catalogue: Catalogue) -> Way:
    """A loop as one writes it first, with the attention kernel that transformers takes by itself."""
    task = pretraining_task(params, catalogue)
    task.backbone.model.set_attn_implementation(task.backbone.attention.used)
    optimizer = torch.optim.AdamW(task.param_groups())
    length = max(map(len, task.tokens))

    def epoch() -> None:
        for index in range(task.num_batches(0)):
            plain_loss(task, task.batch(0, index), length).backward()
            nn.utils.clip_grad_norm_(task.module.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()

    return epoch


def plain_loss(task: PretrainingTask, batch: Rows, length: int) -> torch.Tensor:
    """Exemplars, soft tokens and sentence through the whole model, with its own loss."""
    backbone, missing = task.backbone, length - batch.tokens_BT.shape[1]
    tokens_BT = nn.functional.pad(batch.tokens_BT, (0, missing))
    labels_BT = nn.functional.pad(batch.labels_BT, (0, missing), value=IGNORED)
    before = [task.spoken(batch)]
    if task.prompt_1T is not None:
        before.insert(0, backbone.embed(task.prompt_1T).expand(len(tokens_BT), -1, -1))
    inputs_BSH = torch.cat([*before, backbone.embed(tokens_BT)], dim=1)
    given = inputs_BSH.shape[1] - length
    labels_BS = nn.functional.pad(labels_BT, (given, 0), value=IGNORED)
    mask_BS = nn.functional.pad((labels_BT != IGNORED).long(), (given, 0), value=1)
    loss: torch.Tensor = backbone.model(
        inputs_embeds=inputs_BSH, attention_mask=mask_BS, labels=labels_BS, use_cache=False
    ).loss
    return loss


def roofline(params: Params, catalogue: Catalogue, length: int, side: int, rounds: int) -> dict[str, Any]:
    """FLOPs of a step on long sequences, as a share of what one large matrix product reaches."""
    step = long_step(params, catalogue, length)
    with FlopCounterMode(display=False) as counter:
        step()
    flops = counter.get_total_flops()
    device, dtype = ("cuda" if torch.cuda.is_available() else "cpu"), getattr(torch, params.backbone.dtype)
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    seconds = take_turns({"step": step, "product": lambda: a @ b}, rounds)
    medians = {name: value / 1000 for name, value in medians_ms(seconds).items()}
    peak = 2 * side**3 / medians["product"]
    return {
        "sequence_length": length,
        "product_side": side,
        "peak_gflops": rounded(peak / 1e9),
        "step_gflop": rounded(flops / 1e9),
        "ms_per_step": rounded(medians["step"] * 1000),
        "share_of_peak_in_step": rounded(flops / medians["step"] / peak),
        "share_of_peak_in_matrix_products": rounded(flops / seconds_in_products(step) / peak),
    }


def long_step(params: Params, catalogue: Catalogue, length: int) -> Way:
    """Forward, backward and update on one batch whose sentences are said over and over."""
    task = pretraining_task(params, catalogue)
    task.tokens = [(ids * (length // len(ids) + 1))[:length] for ids in task.tokens]
    task.is_value = [(flags * (length // len(flags) + 1))[:length] for flags in task.is_value]
    batch, optimizer = task.batch(0, 0), torch.optim.AdamW(task.param_groups())

    def step() -> None:
        task.loss(batch)["loss"].backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def seconds_in_products(step: Way) -> float:
    """Time a step spends in matrix products."""
    kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if torch.cuda.is_available() else [])]
    with profile(activities=kinds) as seen:
        step()
    events = [event for event in seen.key_averages() if event.key in PRODUCTS]
    name = "self_device_time_total" if torch.cuda.is_available() else "self_cpu_time_total"
    return sum(float(getattr(event, name)) for event in events) / 1e6


if __name__ == "__main__":
    sys.exit(main())
