"""How many examples a second does Phase 3 train on, against transformers.Trainer with peft's LoRA?

`python -m benchmarks.train_throughput` prints one JSON object. All ways take turns in one process, on the same labelled
examples, weights, number format, batch size and LoRA:

* `ours`: the training loop of train-lora-decoder over cached texts; `ours_with_cache` also counts caching the
  examples' texts, `ours_with_reading` learning to read as well, from all texts of the default run, those too that joint
  training does not draw, spread over the examples that it does;
* `trainer`: Trainer and peft with the same heads, losses and positions, every text passed through in every step;
* `trainer_causal_lm`: the usual recipe, Trainer and peft on the request followed by the answer in words. It is shown no
  machine at all, which spares it the tokens that a timeline costs.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PrinterCallback, Trainer, TrainingArguments

from benchmarks.common import medians_ms, parameters, rates, ratio, read_options, report, rounded, take_turns
from benchmarks.inputs import Inputs, read_inputs
from benchmarks.untrained import untrained_heads
from tomas.backbone.loading import Backbone, load_backbone
from tomas.backbone.lora import add_lora
from tomas.backbone.reading import add_reading
from tomas.config import Params
from tomas.planner.adapters import Adapters
from tomas.planner.artifact import make_rows
from tomas.planner.examples import Batch, Batches, read_examples
from tomas.planner.model import Heads
from tomas.planner.reader import tuned_layers
from tomas.planner.store import StoredTexts, open_above, open_below
from tomas.planner.tasks import JointTask, ReadingTask, joint_order
from tomas.planner.text_batches import in_parts
from tomas.planner.windows import WindowReader
from tomas.training.loop import LoopSettings, fit

TEXTS = 1536
"""Examples whose texts are read and cached to learn what one costs; over fewer, what the first of them cost counts."""
IGNORED = -100
"""What transformers takes as "no label here"."""
Way = Callable[[], object]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    options = read_options(__doc__, argv)
    params = parameters(options)
    size, steps, rounds = (4, 2, 2) if options.quick else (params.training.batch_size, 3, 3)
    inputs = read_inputs(params, steps * size)
    an_example = inputs.texts_an_example
    # Every way trains on every example, also where the default run draws a share of them.
    training = params.training.model_copy(update={"batch_size": size, "epoch_share": 1.0})
    inputs = replace(inputs, params=params.model_copy(update={"training": training}))
    with tempfile.TemporaryDirectory() as folder:
        cost = seconds_a_text(replace(inputs, count=8 if options.quick else TEXTS), Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        ours = our_way(inputs, Path(folder))
        references = {"trainer": trainer_with_heads(inputs), "trainer_causal_lm": trainer_on_words(inputs)}
        seconds = take_turns({"ours": ours, **references}, rounds)
    before = {
        "ours_with_cache": an_example.drawn * (cost["below"] + cost["above"]),
        "ours_with_reading": an_example.read * (cost["below"] + cost["learn"]) + an_example.drawn * cost["above"],
    }
    for name, an_example_s in before.items():
        seconds[name] = [value + steps * size * an_example_s for value in seconds["ours"]]
    pairs = [(slow, fast) for slow in references for fast in ("ours", "ours_with_cache", "ours_with_reading")]
    figures = {
        "batch_size": size,
        "steps": steps,
        "rounds": rounds,
        "ms_per_step": {name: rounded(value / steps) for name, value in medians_ms(seconds).items()},
        "examples_per_s": rates(seconds, steps * size),
        "ms_per_text": {name: rounded(value * 1e3) for name, value in cost.items()},
        "texts_per_example": {name: rounded(value) for name, value in an_example._asdict().items()},
        "ratios": {f"{slow}/{fast}": ratio(seconds, slow, fast) for slow, fast in pairs},
    }
    return report("train_throughput", options, params, figures)


def seconds_a_text(inputs: Inputs, folder: Path) -> dict[str, float]:
    """What a text costs before joint training: its lower layers, learning to read it, its upper layers."""
    params, (backbone, heads, batches) = inputs.params, parts(inputs)
    texts = batches.examples.texts
    adapters = add_reading(backbone, params.reading, tuned_layers(backbone.num_layers))
    backbone.prepare_for_training()
    began = time.perf_counter()
    below = open_below(backbone, texts, folder)
    read = time.perf_counter()
    reading = ReadingTask(backbone, heads, adapters, batches, below, params.reading, params.training, params.seed)
    fit(reading, LoopSettings(max_epochs=params.reading.epochs, grad_clip=params.training.grad_clip))
    adapters.requires_grad_(False)
    learnt = time.perf_counter()
    open_above(backbone, adapters.fingerprint, below, folder)
    cached = time.perf_counter()
    seconds = {"below": read - began, "learn": learnt - read, "above": cached - learnt}
    return {name: value / len(texts) for name, value in seconds.items()}


def our_way(inputs: Inputs, folder: Path) -> Way:
    """The stage's own loop over all examples once, their texts cached."""
    params, (backbone, heads, batches) = inputs.params, parts(inputs)
    task = joint_task(inputs, backbone, heads, batches, heads.tail(params.lora))
    adapters = add_reading(backbone, params.reading, tuned_layers(backbone.num_layers))
    backbone.prepare_for_training()
    below = open_below(backbone, batches.examples.texts, folder)
    adapters.requires_grad_(False)
    task.store = StoredTexts(below, open_above(backbone, adapters.fingerprint, below, folder))
    once = LoopSettings(max_epochs=1, grad_clip=params.training.grad_clip)
    return lambda: fit(task, once)


def trainer_with_heads(inputs: Inputs) -> Way:
    """Trainer over the planner's own heads and losses, LoRA on every position."""
    backbone, heads, batches = parts(inputs)
    module = WithHeads(joint_task(inputs, backbone, heads, batches, None))
    rows = list(range(len(batches.examples)))
    return lambda: train(module, rows, lambda few: {"rows": torch.tensor(few)}, inputs.params)


def trainer_on_words(inputs: Inputs) -> Way:
    """Trainer over request and answer as text, loss on the answer."""
    backbone = load_backbone(inputs.params.backbone)
    model = add_lora(backbone, inputs.params.lora)
    examples = []
    for row in inputs.examples["train"].itertuples():
        answer = f"\n{row.tool} {row.config_id}"
        request, said = (backbone.tokenizer(text, add_special_tokens=False)["input_ids"] for text in (row.text, answer))
        examples.append((request + said, [IGNORED] * len(request) + said))
    return lambda: train(model, examples, padded_on_the_right, inputs.params)


def parts(inputs: Inputs) -> tuple[Backbone, Heads, Batches]:
    """A fresh backbone, heads on it, and the examples as they take them."""
    backbone = load_backbone(inputs.params.backbone)
    spec, heads = untrained_heads(inputs.params, backbone, inputs.catalogue)
    reader = WindowReader.from_json(spec.window)
    examples = read_examples(inputs.examples["train"], backbone, inputs.timelines, reader, inputs.catalogue)
    return backbone, heads, Batches(examples, inputs.catalogue)


def joint_task(inputs: Inputs, backbone: Backbone, heads: Heads, batches: Batches, tail: int | None) -> JointTask:
    """What Phase 3 trains, with adapters on the last `tail` positions or on all."""
    params = inputs.params
    adapters = Adapters(backbone, params.lora, params.tva, tail)
    vectors_NH = torch.zeros(len(inputs.catalogue), backbone.hidden_size)
    anchor = make_rows(inputs.catalogue, vectors_NH)
    order = joint_order(batches, params.training, params.seed)
    return JointTask(backbone, heads, adapters.trained, order, anchor, params.training)


class WithHeads(nn.Module):
    """A task as a module that Trainer can train."""

    def __init__(self, task: JointTask) -> None:
        super().__init__()
        self.task, self.trained = task, task.module

    def forward(self, rows: torch.Tensor) -> dict[str, torch.Tensor]:
        """The loss on these examples."""
        batch = self.task.batches.batch(rows.cpu().numpy())
        return {"loss": self.task.loss(Batch(**{k: v.to(rows.device) for k, v in vars(batch).items()}))["loss"]}


def padded_on_the_right(few: Sequence[tuple[list[int], list[int]]]) -> dict[str, torch.Tensor]:
    """Token IDs, mask and labels of a batch, as long as its longest example."""
    length = max(len(ids) for ids, _ in few)
    columns = {
        "input_ids": [ids + [0] * (length - len(ids)) for ids, _ in few],
        "attention_mask": [[1] * len(ids) + [0] * (length - len(ids)) for ids, _ in few],
        "labels": [labels + [IGNORED] * (length - len(labels)) for _, labels in few],
    }
    return {name: torch.tensor(rows) for name, rows in columns.items()}


def train(module: nn.Module, examples: Sequence[Any], collate: Callable[..., Any], params: Params) -> None:
    """One pass of Trainer over the examples, with nothing written or logged."""
    settings = in_parts(params.training)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder, num_train_epochs=1, per_device_train_batch_size=settings.batch_size,
            gradient_accumulation_steps=settings.accumulate,
            learning_rate=settings.lr, weight_decay=settings.weight_decay, max_grad_norm=settings.grad_clip,
            lr_scheduler_type="cosine", use_cpu=not torch.cuda.is_available(), remove_unused_columns=False,
            report_to="none", save_strategy="no", logging_strategy="no", disable_tqdm=True,
            dataloader_pin_memory=False,
        )  # fmt: skip
        trainer = Trainer(model=module, args=arguments, train_dataset=examples, data_collator=collate)
        trainer.remove_callback(PrinterCallback)  # it would print beside the JSON
        trainer.train()


if __name__ == "__main__":
    sys.exit(main())
