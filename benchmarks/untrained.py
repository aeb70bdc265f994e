"""A planner that was never trained: what its weights say changes no time, so nothing needs to have been trained."""

from collections.abc import Iterable
from pathlib import Path

import torch

from tomas.backbone.loading import Backbone, load_backbone
from tomas.backbone.reading import add_reading
from tomas.config import Params
from tomas.domain.catalogue import Catalogue
from tomas.domain.resources import capacity_of
from tomas.domain.timeline import Timeline
from tomas.planner.adapters import Adapters
from tomas.planner.artifact import Spec, make_heads, write_artifact
from tomas.planner.first_vectors import random_vectors
from tomas.planner.lexicon import Lexicon
from tomas.planner.model import Heads
from tomas.planner.reader import tuned_layers
from tomas.planner.windows import WindowReader

SPREAD = 0.02
"""Standard deviation of what is added to every weight, so that none is zero and every choice is open."""


def untrained_heads(params: Params, backbone: Backbone, catalogue: Catalogue) -> tuple[Spec, Heads]:
    """Heads of the shapes that params.yaml asks for, over random vectors, and what planner.json says of them."""
    torch.manual_seed(params.seed)
    capacity = capacity_of(params.machine)
    sample = [(Timeline.constant(capacity), 0.0)]
    reader = WindowReader.make(params.temporal, capacity, params.data.interpolation, sample)
    spec = Spec.of(params, backbone, reader)
    heads = make_heads(spec, backbone, catalogue, random_vectors(backbone, catalogue))
    _stir(heads.parameters())
    return spec, heads


def write_untrained(params: Params, catalogue: Catalogue, folder: Path) -> Path:
    """Write such a planner, adapters included, and give its folder."""
    backbone = load_backbone(params.backbone)
    spec, heads = untrained_heads(params, backbone, catalogue)
    adapters = Adapters(backbone, spec.lora, spec.tva, heads.tail(spec.lora))
    reading = add_reading(backbone, params.reading, tuned_layers(backbone.num_layers))
    _stir([*adapters.trained, *reading.parameters()])
    write_artifact(
        folder, spec, catalogue, heads, adapters=adapters, reading=reading,
        lexicon=Lexicon(len(catalogue.tools)), parts=[backbone.attention],
    )  # fmt: skip
    return folder


def _stir(parameters: Iterable[torch.nn.Parameter]) -> None:
    with torch.no_grad():
        for parameter in parameters:
            parameter.add_(SPREAD * torch.randn_like(parameter))
