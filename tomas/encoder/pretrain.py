"""Phase 0 as one call: load the backbone, teach the encoder to spell, then to be understood, measure it, write it."""

from pathlib import Path
from typing import Any

import pandas as pd
import torch

from tomas.backbone.loading import load_backbone
from tomas.config import Params
from tomas.domain.catalogue import Catalogue
from tomas.encoder.model import ResourceEncoder
from tomas.encoder.pretraining import PretrainingTask
from tomas.encoder.quality import encoder_quality
from tomas.encoder.semantic import tool_semantics
from tomas.encoder.spelling import SpellingTask
from tomas.files import whole
from tomas.training.checkpoint import Checkpoint
from tomas.training.loop import LoopSettings, MetricSink, fit
from tomas.training.processes import is_first_process


def pretrain_encoder(
    params: Params, catalogue: Catalogue, *, target: Path, curve: Path, checkpoints: Path, tracker: MetricSink
) -> dict[str, Any]:
    """Write the trained encoder and its learning curve, and give its quality figures."""
    torch.manual_seed(params.seed)
    task = pretraining_task(params, catalogue)
    spelled = _spell(task, params.encoder.spelling_epochs, checkpoints / "spelling")
    settings = LoopSettings(max_epochs=params.encoder.max_epochs, stop_loss=params.encoder.stop_loss)
    saying = Checkpoint(checkpoints / "saying")
    history = fit(task, settings, checkpoint=saying, tracker=tracker, label="pretrain-encoder")
    if not is_first_process():
        return {}
    steps = [row for row in history if "loss" in row]
    with whole(curve) as partial:
        pd.DataFrame(steps).to_csv(partial, index=False)
    task.encoder.save(target)
    return {"steps": int(steps[-1]["step"]), **spelled, **encoder_quality(task, catalogue, params.seed)}


def _spell(task: PretrainingTask, epochs: int, checkpoints: Path) -> dict[str, float]:
    """Teach encoder and speaker to spell rows, and give the share of tokens they spelt right in the end."""
    if not epochs:
        return {}
    settings = LoopSettings(max_epochs=epochs)
    history = fit(SpellingTask(task), settings, checkpoint=Checkpoint(checkpoints), label="spell rows")
    return {"spelling_accuracy": [row["accuracy"] for row in history if "accuracy" in row][-1]}


def pretraining_task(params: Params, catalogue: Catalogue) -> PretrainingTask:
    """The task with a fresh encoder, on the backbone as it trains fastest on this machine."""
    backbone = load_backbone(params.backbone)
    backbone.prepare_for_training()
    encoder = ResourceEncoder(
        tool_semantics(backbone, catalogue.tools),
        torch.tensor(catalogue.vector6(), dtype=torch.float32),
        params.encoder.fusion,
        params.encoder.d_resource,
    )
    return PretrainingTask(backbone, encoder, catalogue, params.encoder, params.seed)
