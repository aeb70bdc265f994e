"""Alignment of the configuration head: rows stay near their Phase-0 meaning, and queries tell a tool's rows apart."""

import torch
from torch import nn

from tomas.config import Bistate as BistateParams
from tomas.training.processes import global_mean


class Bistate:
    """The plug-in: two terms beside the planner's loss.

    It reads what the planner's task gives for loss hooks: `query_BH` (what is looked for), `rows_NH` (the head),
    `anchor_NH` (the head as Phase 0 left it), `row_tool_N` and the oracle's `config_B` (-1 where there is none).
    """

    def __init__(self, params: BistateParams) -> None:
        self.params = params

    def loss_terms(self, outputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The anchor and the contrast, weighted."""
        if "rows_NH" not in outputs:
            raise ValueError("this decoder has no configuration vectors to align; use `hierarchical` or `flat`")
        rows_NH, anchor_NH, row_tool_N = outputs["rows_NH"], outputs["anchor_NH"], outputs["row_tool_N"]
        labelled_B = outputs["config_B"] >= 0
        config_B = outputs["config_B"][labelled_B]
        query_BH = nn.functional.normalize(outputs["query_BH"][labelled_B].float(), dim=1)
        tool_B = row_tool_N[config_B]
        drift = anchor_rows = contrast = query_BH.new_zeros(())
        for tool in tool_B.unique().tolist():
            of_tool_B = tool_B == tool
            ids_n = torch.nonzero(row_tool_N == tool).squeeze(1)
            rows_nH = nn.functional.normalize(rows_NH[ids_n].float(), dim=1)
            anchor_nH = nn.functional.normalize(anchor_NH[ids_n].float(), dim=1)
            drift = drift + (1.0 - (rows_nH * anchor_nH).sum(dim=1)).sum()
            anchor_rows = anchor_rows + len(ids_n)
            logits_bn = query_BH[of_tool_B] @ rows_nH.T / self.params.tau
            place_b = torch.searchsorted(ids_n, config_B[of_tool_B])
            contrast = contrast + nn.functional.cross_entropy(logits_bn, place_b, reduction="sum")
        return {
            "align_anchor": self.params.alpha * global_mean(drift, anchor_rows),
            "align_contrast": self.params.beta * global_mean(contrast, len(config_B)),
        }
