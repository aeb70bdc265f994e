"""From encoder to output head: every configuration's vector, in the order of Config IDs."""

from pathlib import Path

import torch

from tomas.domain.catalogue import Catalogue
from tomas.encoder.model import ResourceEncoder
from tomas.files import whole


@torch.no_grad()
def configuration_vectors(encoder: ResourceEncoder, catalogue: Catalogue) -> torch.Tensor:
    """The vectors [N, hidden] of all configurations."""
    tool_N = torch.tensor(catalogue.tool_id)
    return encoder(tool_N, torch.tensor(catalogue.vector6(), dtype=torch.float32)).cpu()  # type: ignore[no-any-return]


def export_config_weights(encoder_file: Path, catalogue: Catalogue, target: Path) -> tuple[int, int]:
    """Write config_weights.pt and give its shape."""
    vectors_NH = configuration_vectors(ResourceEncoder.load(encoder_file), catalogue)
    with whole(target) as partial:
        torch.save(vectors_NH, partial)
    return tuple(vectors_NH.shape)  # type: ignore[return-value]
