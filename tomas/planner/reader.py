"""What the text says, read from the backbone's hidden states at several depths."""

import torch
from torch import nn

READ_AT = (1 / 2, 2 / 3)
"""Depths, as shares of the layers: the middle of a language model tells topics apart better than its end."""
NUM_HEADS = 8


def read_layers(num_layers: int) -> list[int]:
    """Indices into `hidden_states` of the depths that are read."""
    return [max(1, int(num_layers * share)) for share in READ_AT]


def tuned_layers(num_layers: int) -> range:
    """The layers between the first and the last depth that is read, at least one."""
    first, last = read_layers(num_layers)[0], read_layers(num_layers)[-1]
    return range(min(first, last - 1), last)


class TextReader(nn.Module):
    """Attention pooling: learned questions to every depth's token states, the answers mixed into one vector."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        depths = len(READ_AT)
        self.norm = nn.LayerNorm(hidden, elementwise_affine=False)
        self.questions = nn.Parameter(torch.zeros(depths, NUM_HEADS, hidden))
        self.values = nn.ModuleList([nn.Linear(hidden, hidden) for _ in range(depths)])
        self.out = nn.Linear(depths * hidden, hidden)

    def forward(self, states_BDTH: torch.Tensor, mask_BT: torch.Tensor) -> torch.Tensor:
        """One vector a text."""
        states_BDTH = self.norm(states_BDTH.float())
        scale = states_BDTH.shape[-1] ** -0.5
        scores_BDGT = torch.einsum("bdth,dgh->bdgt", states_BDTH, self.questions) * scale
        weights_BDGT = scores_BDGT.masked_fill(mask_BT[:, None, None] == 0, float("-inf")).softmax(dim=-1)
        # Values are linear in the states: the mean of values is the value of the mean, one product a text, not a token.
        pooled_BDGH = weights_BDGT @ states_BDTH
        answers = []
        for depth, value in enumerate(self.values):
            assert isinstance(value, nn.Linear)
            weight_GEH = value.weight.unflatten(0, (NUM_HEADS, -1))
            answers.append(torch.einsum("bgh,geh->bge", pooled_BDGH[:, depth], weight_GEH).flatten(1) + value.bias)
        return self.out(torch.cat(answers, dim=1))  # type: ignore[no-any-return]
