"""Decoders: a decision state as a choice of tool and of configuration.

Every decoder gives tool logits from the state alone, and configuration logits for the rows that `ids_BN` lists (those
of one tool and size; -1 is padding and gets -inf), so a configuration of another tool can never come out.
"""

from typing import Any, NamedTuple

import torch
from torch import nn

QUERY_WIDTH = 512
NUM_SIZES = 3


class Rows(NamedTuple):
    """The configurations as tensors."""

    vectors_NH: torch.Tensor
    features_NF: torch.Tensor
    """The four resources on the scale a regression works on."""
    tool_N: torch.Tensor


class Query(nn.Module):
    """What is looked for among the configurations: from the window, the tool, the size and the decision state."""

    def __init__(self, hidden: int, dim: int, num_tools: int, out: int) -> None:
        super().__init__()
        self.case = nn.Embedding((num_tools + 1) * NUM_SIZES, QUERY_WIDTH)
        self.window = nn.Linear(dim, QUERY_WIDTH)
        self.state = nn.Linear(hidden, QUERY_WIDTH)
        nn.init.zeros_(self.state.weight)  # the warm-up trains without a state; joint training starts where it ended
        self.out = nn.Sequential(nn.GELU(), nn.Linear(QUERY_WIDTH, QUERY_WIDTH), nn.GELU(), nn.Linear(QUERY_WIDTH, out))

    def forward(self, state_BH: torch.Tensor, window_BD: torch.Tensor, case_B: torch.Tensor) -> torch.Tensor:
        """The query vector."""
        # At unit length: at its own, sqrt(hidden), the first joint steps would shake what the warm-up has learnt.
        told_BQ = self.state(nn.functional.normalize(state_BH, dim=1))
        return self.out(self.window(window_BD) + self.case(case_B) + told_BQ)  # type: ignore[no-any-return]


class Hierarchical(nn.Module):
    """Tool first, then a pointer into that tool's configurations, whose vectors are the rows of `config_head`."""

    def __init__(self, hidden: int, dim: int, num_tools: int, rows: Rows) -> None:
        super().__init__()
        self.tool_head = nn.Linear(hidden, num_tools)
        self.config_head = nn.Linear(hidden, len(rows.vectors_NH))
        with torch.no_grad():
            self.config_head.weight.copy_(rows.vectors_NH)
            self.config_head.bias.zero_()
        self.query = Query(hidden, dim, num_tools, hidden)

    def tools(self, state_BH: torch.Tensor, window_BD: torch.Tensor) -> torch.Tensor:  # noqa: ARG002 - `Flat` looks at it
        """Tool logits [B, K]."""
        return self.tool_head(state_BH)  # type: ignore[no-any-return]

    def case(self, tool_B: torch.Tensor, size_B: torch.Tensor) -> torch.Tensor:
        """Place of (tool, size) in the query's table."""
        return tool_B * NUM_SIZES + size_B

    def ask(
        self, state_BH: torch.Tensor, window_BD: torch.Tensor, tool_B: torch.Tensor, size_B: torch.Tensor
    ) -> torch.Tensor:
        """What is looked for among the rows of the head [B, H]."""
        return self.query(state_BH, window_BD, self.case(tool_B, size_B))  # type: ignore[no-any-return]

    def score(self, query_BH: torch.Tensor, ids_BN: torch.Tensor) -> torch.Tensor:
        """Logits of the listed configurations: only their rows of the head are read.

        In training with a batch that lists more than there are, all are read: fewer products, and no copy a listing.
        """
        rows = ids_BN.clamp(min=0)
        if self.training and rows.numel() > self.config_head.out_features:
            logits_BN: torch.Tensor = self.config_head(query_BH).gather(1, rows)
        elif len(rows) == 1 and rows.shape[1] and bool((rows[0].diff() == 1).all()):
            span = slice(int(rows[0, 0]), int(rows[0, -1]) + 1)
            logits_BN = nn.functional.linear(query_BH, self.config_head.weight[span], self.config_head.bias[span])
        else:
            rows_BNH = self.config_head.weight[rows]
            logits_BN = torch.einsum("bh,bnh->bn", query_BH, rows_BNH) + self.config_head.bias[rows]
        return logits_BN.masked_fill(ids_BN < 0, float("-inf"))

    def config_loss(
        self, batch: Any, query_BH: torch.Tensor, scores_BN: torch.Tensor, everywhere: bool
    ) -> torch.Tensor:
        """Summed cross-entropy of the oracle's configuration, among its tool's and size's or among all."""
        if everywhere:
            return nn.functional.cross_entropy(self.config_head(query_BH), batch.config_B, reduction="sum")
        return nn.functional.cross_entropy(scores_BN, batch.place_B, reduction="sum")


class Flat(Hierarchical):
    """One choice over all configurations, blind to tool and size; a tool's logit is its configurations' together."""

    tool_N: torch.Tensor

    def __init__(self, hidden: int, dim: int, num_tools: int, rows: Rows) -> None:
        super().__init__(hidden, dim, num_tools, rows)
        del self.tool_head
        self.num_tools = num_tools
        self.register_buffer("tool_N", rows.tool_N)

    def tools(self, state_BH: torch.Tensor, window_BD: torch.Tensor) -> torch.Tensor:
        """Tool logits [B, K]: what the tool's configurations weigh together."""
        nothing = torch.zeros(len(state_BH), dtype=torch.long, device=state_BH.device)
        logits_BN = self.config_head(self.query(state_BH, window_BD, self.case(nothing, nothing)))
        mine_KN = self.tool_N == torch.arange(self.num_tools, device=self.tool_N.device)[:, None]
        return logits_BN[:, None].masked_fill(~mine_KN, float("-inf")).logsumexp(dim=2)  # type: ignore[no-any-return]

    def case(self, tool_B: torch.Tensor, size_B: torch.Tensor) -> torch.Tensor:  # noqa: ARG002 - blind to it
        """The one case beyond all tools: neither tool nor size is told."""
        return torch.full_like(tool_B, self.num_tools * NUM_SIZES)

    def config_loss(
        self, batch: Any, query_BH: torch.Tensor, scores_BN: torch.Tensor, everywhere: bool  # noqa: ARG002 - always
    ) -> torch.Tensor:  # fmt: skip
        """Summed cross-entropy among all configurations."""
        return super().config_loss(batch, query_BH, scores_BN, everywhere=True)


class Regressor(nn.Module):
    """Four resource values (the older design), snapped to the nearest row of the tool and size."""

    features_NF: torch.Tensor

    def __init__(self, hidden: int, dim: int, num_tools: int, rows: Rows) -> None:
        super().__init__()
        self.tool_head = nn.Linear(hidden, num_tools)
        self.register_buffer("features_NF", rows.features_NF)
        self.query = Query(hidden, dim, num_tools, rows.features_NF.shape[1])

    def tools(self, state_BH: torch.Tensor, window_BD: torch.Tensor) -> torch.Tensor:  # noqa: ARG002 - `Flat` looks at it
        """Tool logits [B, K]."""
        return self.tool_head(state_BH)  # type: ignore[no-any-return]

    def ask(
        self, state_BH: torch.Tensor, window_BD: torch.Tensor, tool_B: torch.Tensor, size_B: torch.Tensor
    ) -> torch.Tensor:
        """The four values [B, F]."""
        return self.query(state_BH, window_BD, tool_B * NUM_SIZES + size_B)  # type: ignore[no-any-return]

    def score(self, query_BF: torch.Tensor, ids_BN: torch.Tensor) -> torch.Tensor:
        """Minus the squared distance from the values to each listed row."""
        distance_BN = (self.features_NF[ids_BN.clamp(min=0)] - query_BF[:, None]).square().sum(dim=2)
        return (-distance_BN).masked_fill(ids_BN < 0, float("-inf"))

    def config_loss(
        self, batch: Any, query_BF: torch.Tensor, scores_BN: torch.Tensor, everywhere: bool  # noqa: ARG002 - no rows
    ) -> torch.Tensor:  # fmt: skip
        """Summed Huber loss of the four values."""
        return nn.functional.huber_loss(query_BF, self.features_NF[batch.config_B], reduction="sum")
