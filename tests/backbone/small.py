"""The tiny backbone, fresh for each test that changes it."""

import torch

from tomas.backbone.loading import Backbone, load_backbone
from tomas.config import Backbone as BackboneParams

TOKENS_BT = torch.tensor([[5, 90, 7, 3, 8, 4, 77, 31], [60, 6, 3, 9, 5, 7, 120, 200]])


def tiny(attention: str = "sdpa") -> Backbone:
    """The tiny backbone in float32."""
    return load_backbone(BackboneParams(name="tiny", dtype="float32", attention=attention))
