"""A planner of the tiny backbone whose heads are random: quick to make, and every answer of the schema comes up."""

from pathlib import Path

import torch

from tests.serving.cases import TEXTS
from tomas.backbone.loading import load_backbone
from tomas.backbone.reading import add_reading
from tomas.config import Backbone, Lora, Params
from tomas.data.readers import load_catalogue
from tomas.domain.request import Request
from tomas.domain.resources import capacity_of
from tomas.paths import Paths
from tomas.planner import Planner
from tomas.planner.adapters import Adapters
from tomas.planner.artifact import Spec, make_heads, write_artifact, write_spec
from tomas.planner.lexicon import Lexicon
from tomas.planner.reader import tuned_layers
from tomas.planner.windows import WindowReader

ROOT = Path(__file__).parents[2]


def write_untrained(folder: Path) -> Path:
    """Write the planner's folder and give it."""
    torch.manual_seed(0)
    paths, params = Paths(ROOT), Params(backbone=Backbone(name="tiny", dtype="float32"), lora=Lora(rank=4))
    backbone = load_backbone(params.backbone)
    catalogue = load_catalogue(paths.tools, paths.profiles)
    reader = WindowReader.make(params.temporal, capacity_of(params.machine), "previous", [])
    spec = Spec.of(params, backbone, reader)
    heads = make_heads(spec, backbone, catalogue, torch.randn(len(catalogue), backbone.hidden_size))
    adapters = Adapters(backbone, spec.lora, spec.tva, heads.tail(spec.lora))
    reading = add_reading(backbone, params.reading, tuned_layers(backbone.num_layers))
    write_artifact(
        folder, spec, catalogue, heads,
        adapters=adapters, reading=reading, lexicon=Lexicon(len(catalogue.tools)), parts=[backbone.attention],
    )  # fmt: skip
    # Random heads have a gate that is much the same for all: put between two of its values, some pass, some do not.
    gates = sorted(one.serviceable for one in Planner.load(folder).predict([Request(text=text) for text in TEXTS]))
    write_spec(folder, spec.model_copy(update={"gate_threshold": (gates[1] + gates[2]) / 2}))
    return folder


if __name__ == "__main__":
    import sys

    print(write_untrained(Path(sys.argv[1])))
