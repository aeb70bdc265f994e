"""The resource encoder: a (tool, six numbers) row as one vector of the backbone's hidden size."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from tomas import registry
from tomas.encoder.resource import ResourceStream
from tomas.files import whole


class ResourceEncoder(nn.Module):
    """Frozen meaning of each tool, a trained resource stream, and a trained fusion of the two."""

    semantics: torch.Tensor

    def __init__(self, semantics_KH: torch.Tensor, table_N6: torch.Tensor, fusion: str, d_resource: int | None) -> None:
        super().__init__()
        hidden = semantics_KH.shape[1]
        self.spec: dict[str, Any] = {"fusion": fusion, "d_resource": d_resource or hidden}
        self.register_buffer("semantics", semantics_KH)
        self.resources = ResourceStream(table_N6, self.spec["d_resource"])
        length = float(semantics_KH.norm(dim=1).mean())
        self.fusion = registry.load("fusion", fusion)(hidden, self.spec["d_resource"], length)

    @property
    def alpha(self) -> float | None:
        """The share of resources in the gated fusion; other fusions have none."""
        share = getattr(self.fusion, "share", None)
        return None if share is None else float(share.detach())

    def forward(self, tool_B: torch.Tensor, vectors_B6: torch.Tensor) -> torch.Tensor:
        """One vector a row, as long as a token embedding."""
        device = self.semantics.device
        return self.fusion(self.semantics[tool_B.to(device)], self.resources(vectors_B6.to(device)))  # type: ignore[no-any-return]

    def save(self, path: Path) -> None:
        """Write weights, statistics and the names of the parts to one file."""
        with whole(path) as partial:
            torch.save({"spec": self.spec, "state": self.state_dict()}, partial)

    @classmethod
    def load(cls, path: Path) -> "ResourceEncoder":
        """Read what `save` wrote."""
        saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        encoder = cls(saved["state"]["semantics"], torch.ones(2, 6), **saved["spec"])
        encoder.load_state_dict(saved["state"])
        return encoder.eval()
