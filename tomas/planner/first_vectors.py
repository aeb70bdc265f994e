"""What the rows of the config head start from."""

from pathlib import Path

import torch

from tomas.backbone.loading import Backbone
from tomas.domain.catalogue import Catalogue
from tomas.encoder.sentences import sentence_vectors


def first_vectors(init: str, backbone: Backbone, catalogue: Catalogue, exported: Path) -> torch.Tensor:
    """Vectors [N, hidden]: those that Phase 0 exported, those of the rows' sentences, or random ones."""
    if init == "encoder":
        vectors_NH: torch.Tensor = torch.load(exported, weights_only=True)
        return vectors_NH
    if init == "text":
        return sentence_vectors(backbone, catalogue)
    return random_vectors(backbone, catalogue)


def random_vectors(backbone: Backbone, catalogue: Catalogue) -> torch.Tensor:
    """Vectors that say nothing, as long as the others."""
    random_NH = torch.randn(len(catalogue), backbone.hidden_size)
    return torch.nn.functional.normalize(random_NH, dim=1) * backbone.embedding_norm
