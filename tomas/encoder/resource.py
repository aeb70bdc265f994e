"""The resource stream: six numbers, brought to a common scale, as a vector."""

import torch
from torch import nn

NUM_FEATURES = 6


def scaled(vectors_N6: torch.Tensor) -> torch.Tensor:
    """Ordinal size as it is, the four resources as log2(1 + x), latency as its natural logarithm."""
    size, resources, latency = vectors_N6[:, :1], vectors_N6[:, 1:5], vectors_N6[:, 5:]
    return torch.cat([size, torch.log2(1 + resources), torch.log(latency)], dim=1)


class ResourceStream(nn.Module):
    """z-scored features through an MLP; the statistics of the table are saved with the weights."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, table_N6: torch.Tensor, width: int) -> None:
        super().__init__()
        features = scaled(table_N6)
        self.register_buffer("mean", features.mean(dim=0))
        std = features.std(dim=0, correction=0)
        # Divided by almost nothing, jitter on a number that is the same in every row would drown all others.
        self.register_buffer("std", torch.where(std > 1e-4, std, torch.ones(())))
        self.mlp = nn.Sequential(
            nn.Linear(NUM_FEATURES, width), nn.GELU(), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width)
        )

    def forward(self, vectors_B6: torch.Tensor) -> torch.Tensor:
        """One vector a row."""
        return self.mlp((scaled(vectors_B6) - self.mean) / self.std)  # type: ignore[no-any-return]
