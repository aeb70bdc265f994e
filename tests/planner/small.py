"""A planner that was never trained, but whose every weight says something: made in a moment, and right in its form."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from tests.encoder.small import CATALOGUE
from tests.planner.small_training import small_params
from tomas.backbone.loading import Backbone, load_backbone
from tomas.backbone.reading import add_reading
from tomas.domain.catalogue import Catalogue
from tomas.domain.resources import capacity_of
from tomas.planner.adapters import Adapters
from tomas.planner.artifact import Spec, make_heads, write_artifact
from tomas.planner.lexicon import Lexicon
from tomas.planner.model import Heads
from tomas.planner.reader import tuned_layers
from tomas.planner.store import StoredTexts, open_above, open_below
from tomas.planner.windows import WindowReader

MACHINE = {"cpu_cores": 8, "cpu_mem_gb": 16, "gpu_sm": 100, "gpu_mem_gb": 8}


def shaken(module: nn.Module, scale: float = 0.1) -> None:
    """Move every parameter, so that none is zero and nothing is left out by chance."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(scale * torch.randn_like(parameter))


def open_store(made: Backbone, adapters: str, texts: list[list[int]], folder: Path) -> StoredTexts:
    """All layers' part of some texts, as training leaves them."""
    below = open_below(made, texts, folder)
    return StoredTexts(below, open_above(made, adapters, below, folder))


def untrained_heads(made: Backbone, catalogue: Catalogue = CATALOGUE, **sections: Any) -> tuple[Spec, Heads]:
    """Heads as training would leave them, with what planner.json would say of them."""
    params = small_params(machine=MACHINE, **sections)
    capacity = capacity_of(params.machine)
    reader = WindowReader.make(params.temporal, capacity, params.data.interpolation, [])
    spec = Spec.of(params, made, reader)
    torch.manual_seed(5)
    heads = make_heads(spec, made, catalogue, torch.randn(len(catalogue), made.hidden_size))
    shaken(heads)
    return spec, heads


def untrained(folder: Path, catalogue: Catalogue = CATALOGUE, *, gate_threshold: float = 0.0, **sections: Any) -> Path:
    """Write such a planner to a folder."""
    backbone = load_backbone(small_params(**sections).backbone)
    spec, heads = untrained_heads(backbone, catalogue, **sections)
    adapters = Adapters(backbone, spec.lora, spec.tva, heads.tail(spec.lora))
    reading = add_reading(backbone, small_params().reading, tuned_layers(backbone.num_layers))
    with torch.no_grad():
        for parameter in [*adapters.trained, *reading.parameters()]:
            parameter.normal_(std=0.2)
    write_artifact(
        folder, spec.model_copy(update={"gate_threshold": gate_threshold}), catalogue, heads,
        adapters=adapters, reading=reading, lexicon=Lexicon(len(catalogue.tools)), parts=[backbone.attention],
    )  # fmt: skip
    return folder
