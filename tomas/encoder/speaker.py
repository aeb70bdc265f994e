"""From one vector to the soft tokens through which the frozen model hears it."""

import torch
from torch import nn


class Speaker(nn.Module):
    """A linear map from a vector to soft tokens, each as long as a token embedding.

    It is trained with the encoder and not kept: the vectors are what Phase 0 is for. One vector in one position is
    hardly heard: after 60 steps the frozen model still guessed all values.
    """

    def __init__(self, hidden: int, num_tokens: int, length: float) -> None:
        super().__init__()
        self.num_tokens, self.length = num_tokens, length
        self.map = nn.Linear(hidden, num_tokens * hidden)

    def forward(self, vectors_BH: torch.Tensor) -> torch.Tensor:
        """Soft tokens [B, S, H]."""
        soft_BSH = self.map(vectors_BH / self.length).unflatten(1, (self.num_tokens, -1))
        return nn.functional.normalize(soft_BSH, dim=2) * self.length
