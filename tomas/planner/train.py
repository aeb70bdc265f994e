"""Phase 3 as one call: warm up, train with the backbone, fit on validation what is read off it, write the planner."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from tomas.backbone.loading import Backbone, load_backbone
from tomas.backbone.reading import ReadingAdapters, add_reading
from tomas.config import Params
from tomas.data.validated import Timelines
from tomas.domain.catalogue import Catalogue
from tomas.domain.resources import capacity_of
from tomas.files import whole
from tomas.kernel.fallback import Resolution
from tomas.kernel.tables import TRAINED_KINDS
from tomas.planner.adapters import Adapters
from tomas.planner.artifact import Spec, make_heads, make_rows, write_artifact, write_spec
from tomas.planner.calibrate import calibrate
from tomas.planner.examples import Batches, read_examples
from tomas.planner.first_vectors import first_vectors
from tomas.planner.kept_reading import kept_reading
from tomas.planner.lexicon import Lexicon, learn_lexicon
from tomas.planner.model import Heads
from tomas.planner.plugins import saved_state, trained_options
from tomas.planner.reader import tuned_layers
from tomas.planner.store import StoredTexts, TextStore, open_above, open_below
from tomas.planner.tasks import JointTask, ReadingTask, WarmupTask, joint_order
from tomas.planner.text_batches import in_parts
from tomas.planner.windows import WindowReader
from tomas.registry import default_registry
from tomas.training.checkpoint import Checkpoint
from tomas.training.hooks import Hooks
from tomas.training.loop import History, LoopSettings, MetricSink, fit
from tomas.training.plugins import hooks_for, resolved_plugins, schedules_for
from tomas.training.processes import is_first_process
from tomas.training.starts import own_start

STATISTICS_SAMPLE = 512
READING, WARM_UP, JOINT = 0.0, 1.0, 2.0
"""Values of the column phase in the learning curve."""


def train_planner(
    params: Params,
    catalogue: Catalogue,
    timelines: Timelines,
    labelled: Path,
    vectors_file: Path,
    *,
    target: Path,
    curve: Path,
    checkpoints: Path,
    cache: Path,
    tracker: MetricSink,
) -> dict[str, Any]:
    """Write assets/planner and the learning curve, and give the figures on validation."""
    torch.manual_seed(params.seed)
    backbone = load_backbone(params.backbone)
    frame = pd.read_parquet(labelled / "train.parquet")
    reader = _window_reader(params, frame, timelines)
    examples = read_examples(frame, backbone, timelines, reader, catalogue)
    spec = Spec.of(params, backbone, reader)
    vectors_NH = first_vectors(params.decoder.init, backbone, catalogue, vectors_file)
    heads = make_heads(spec, backbone, catalogue, vectors_NH)
    batches = Batches(examples, catalogue)
    tail = heads.tail(params.lora)
    cached = tail is not None
    adapters = Adapters(backbone, params.lora, params.tva, tail)
    backbone.prepare_for_training()
    training = params.training if cached else in_parts(params.training)
    order = joint_order(batches, training, params.seed)
    drawn = order.drawn(training.max_epochs)  # the same texts for either scope of LoRA, which so share what is kept
    with adapters.resting():
        below = open_below(backbone, examples.texts, cache / "texts", drawn)
        with own_start("reading"):
            reading, history = _learn_to_read(params, backbone, heads, batches, below, cache / "reading")
        history += _warm_up(params, heads, batches, checkpoints)
        anchor = make_rows(catalogue, vectors_NH)
        store = None
        if cached:
            store = StoredTexts(below, open_above(backbone, reading.fingerprint, below, cache / "texts", drawn))
    task = JointTask(backbone, heads, adapters.trained, order, anchor, training, store)
    hooks = hooks_for(params, TRAINED_KINDS)
    joint = _train_jointly(params, task, hooks, checkpoints, tracker)
    if not is_first_process():
        return {}
    with whole(curve) as partial:
        pd.DataFrame([row for row in [*history, *joint] if "loss" in row]).to_csv(partial, index=False)
    with whole(target) as partial:
        plugins = {"plugins": trained_options(params), "plugin_state": saved_state(hooks, task.module)}
        spec = spec.model_copy(update=plugins)
        write_artifact(
            partial, spec, catalogue, heads, adapters=adapters, reading=reading,
            lexicon=_learn_words(frame, catalogue, params.seed), parts=_parts(params, backbone),
        )  # fmt: skip
        fitted, figures = calibrate(partial, pd.read_parquet(labelled / "val.parquet"), timelines)
        write_spec(partial, spec.model_copy(update=fitted))
    last = joint[-2] if len(joint) > 1 else {}
    told = {name: value for name, value in fitted.items() if isinstance(value, float)}
    return {**figures, **told, **{name: value for name, value in last.items() if name.startswith("loss")}}


def _window_reader(params: Params, frame: pd.DataFrame, timelines: Timelines) -> WindowReader:
    few = frame.head(STATISTICS_SAMPLE)
    sample = [(timelines[name], float(t)) for name, t in zip(few["timeline"], few["t_inf_ms"], strict=True)]
    return WindowReader.make(params.temporal, capacity_of(params.machine), params.data.interpolation, sample)


def _parts(params: Params, backbone: Backbone) -> list[Resolution]:
    """Every part the planner's numbers depend on."""
    named = {"temporal": params.temporal.kind, "decoder": params.decoder.kind, "latency": params.t_inf.kind}
    if default_registry.find("backbone", params.backbone.name).distribution != "tomas":
        named["backbone"] = params.backbone.name  # must be plugged in again; ours needs nothing once it is converted
    chosen = [Resolution(kind, name, name) for kind, name in named.items()]
    return [backbone.attention, *chosen, *resolved_plugins(params, TRAINED_KINDS)]


def _learn_words(frame: pd.DataFrame, catalogue: Catalogue, seed: int) -> Lexicon:
    """The second opinion, from each text once."""
    texts = frame.drop_duplicates("text")
    return learn_lexicon(texts["text"].tolist(), texts["tool_id"].to_numpy(np.int64), len(catalogue.tools), seed)


def _learn_to_read(
    params: Params, backbone: Backbone, heads: Heads, batches: Batches, below: TextStore, kept: Path
) -> tuple[ReadingAdapters, History]:
    """Tune the backbone's middle, with reader, characters and gate, to the texts; from then on it is frozen too."""
    layers = tuned_layers(backbone.num_layers) if params.reading.epochs else range(0)
    adapters = add_reading(backbone, params.reading, layers)
    history: History = []
    if params.reading.epochs:
        task = ReadingTask(backbone, heads, adapters, batches, below, params.reading, params.training, params.seed)
        settings = LoopSettings(max_epochs=params.reading.epochs, grad_clip=params.training.grad_clip)
        history = fit(task, settings, checkpoint=kept_reading(kept, task), tracker=None, label="reading")
    return adapters.requires_grad_(False), _in_phase(history, READING)


def _warm_up(params: Params, heads: Heads, batches: Batches, checkpoints: Path) -> History:
    """Train the temporal encoder and the decoder alone."""
    if not params.training.warmup_epochs or not (batches.examples.config_E >= 0).any():
        return []
    task = WarmupTask(heads, batches, params.training, params.seed)
    settings = LoopSettings(max_epochs=params.training.warmup_epochs, grad_clip=params.training.grad_clip)
    history = fit(task, settings, checkpoint=Checkpoint(checkpoints / "warm-up"), tracker=None, label="warm-up")
    return _in_phase(history, WARM_UP)


def _train_jointly(params: Params, task: JointTask, hooks: Hooks, checkpoints: Path, tracker: MetricSink) -> History:
    """Train adapters and all heads through the backbone."""
    training = task.params
    settings = LoopSettings(
        max_epochs=training.max_epochs, grad_clip=training.grad_clip, accumulate=training.accumulate
    )
    history = fit(
        task,
        settings,
        checkpoint=Checkpoint(checkpoints / "joint"),
        tracker=tracker,
        hooks=hooks,
        schedules=schedules_for(params),
        label="train-lora-decoder",
    )
    return _in_phase(history, JOINT)


def _in_phase(history: History, phase: float) -> History:
    """The rows of one training, marked as that part of the learning curve."""
    for row in history:
        row["phase"] = phase
    return history
