"""What a wrong tool, a wrong answer of the gate and a wrong configuration cost."""

import torch
from torch import nn

from tomas.config import Training
from tomas.planner.examples import Batch
from tomas.planner.model import Decision, Heads
from tomas.training.processes import global_mean

TOGETHER, ALONE = 0.4, {"read_BH": 0.6, "known_BH": 0.4}
"""How much a text with characters of their own counts by all that is told of it, and by one of the two words alone."""


def tool_and_gate(heads: Heads, decision: Decision, batch: Batch, params: Training) -> dict[str, torch.Tensor]:
    """Cross-entropies of the tool, where there is one, and of whether there is one.

    Where a text has both a reader's and the characters' word, also of what either of them says without the other:
    neither shall lean on the other.
    """
    served, spelt = batch.tool_B >= 0, batch.has_grams_B
    tool, gate = _summed(decision, batch, torch.where(spelt, TOGETHER, 1.0))
    if spelt.any():
        few, told, window_BD = batch.rows(spelt), decision.told.rows(spelt), decision.window_BD[spelt]
        for word, weight in ALONE.items():
            left_out = {other: torch.zeros_like(told.read_BH) for other in ALONE if other != word}
            alone = heads.judge(told._replace(**left_out), window_BD)
            more_tool, more_gate = _summed(alone, few, torch.full_like(alone.gate_B, weight))
            tool, gate = tool + more_tool, gate + more_gate
    right = (decision.tools_BK[served].argmax(dim=1) == batch.tool_B[served]).float().sum()
    loss_tool, loss_gate = global_mean(tool, served.sum()), global_mean(gate, len(served))
    return {
        "loss": loss_tool + params.gate_weight * loss_gate,
        "loss_tool": loss_tool,
        "loss_gate": loss_gate,
        "tool_accuracy": global_mean(right, served.sum()),
    }


def _summed(decision: Decision, batch: Batch, weight_B: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross-entropies of tool and gate, summed with these weights."""
    served = batch.tool_B >= 0
    tool = nn.functional.cross_entropy(decision.tools_BK[served], batch.tool_B[served], reduction="none")
    gate = nn.functional.binary_cross_entropy_with_logits(decision.gate_B, served.float(), weight_B, reduction="sum")
    return (tool * weight_B[served]).sum(), gate


def configuration_loss(heads: Heads, batch: Batch, query_BQ: torch.Tensor, params: Training) -> torch.Tensor:
    """Summed loss of the oracle's configuration, and of how good the others that fit are taken to be.

    The first knows only right and wrong, and only one configuration in fifteen is ever the oracle's. Where the timeline
    rules those out, the second has to have put the rest in order: it is the excess of latency to be expected from a
    draw among those that fit, as the model rates them.
    """
    scores_BN = heads.decoder.score(query_BQ, batch.ids_BN)
    exact = heads.decoder.config_loss(batch, query_BQ, scores_BN, params.config_loss == "global")
    among_fitting_BN = scores_BN.masked_fill(batch.excess_BN < 0, float("-inf")).softmax(dim=1)
    expected = (among_fitting_BN * batch.excess_BN.clamp(min=0)).sum()
    return exact + params.regret_weight * expected  # type: ignore[no-any-return]
