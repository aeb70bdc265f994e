"""What is trained in Phase 3: first the window and the configurations alone, then everything with the backbone."""

from typing import Any

import numpy as np
import torch
from torch import nn

from tomas.backbone.loading import Backbone
from tomas.config import Training
from tomas.planner.decoder import Rows
from tomas.planner.examples import Batch, Batches
from tomas.planner.lexicon import Grams
from tomas.planner.model import Decision, Heads, cached_pass, padded, whole_pass
from tomas.planner.store import TextStore
from tomas.training.processes import global_mean

BUCKET = 16
WARMUP_BATCH = 256
LEFT_OUT = 0.4
"""Share of examples in which the reader's word on the text is left out, and of those in which the lexicon's is."""
LEXICON_LR = 10
"""Times the heads' rate: each of its vectors is met in few examples."""


class WarmupTask:
    """Configurations given the true tool and size, without the backbone: cheap, so that many windows are seen."""

    def __init__(self, heads: Heads, batches: Batches, params: Training, seed: int) -> None:
        self.heads, self.batches, self.params, self.seed = heads, batches, params, seed
        self.rows = np.flatnonzero(batches.examples.config_E >= 0)

    @property
    def module(self) -> nn.Module:
        """All heads; only those the loss reaches move."""
        return self.heads

    def param_groups(self) -> list[dict[str, Any]]:
        """Temporal encoder and decoder."""
        trained = [
            p for part in (self.heads.temporal, self.heads.decoder) for p in part.parameters() if p.requires_grad
        ]
        return [{"params": trained, "lr": self.params.head_lr, "weight_decay": self.params.weight_decay}]

    def num_batches(self, epoch: int) -> int:  # noqa: ARG002 - the loop asks for each epoch
        """Batches that cover the served examples once."""
        return -(-len(self.rows) // WARMUP_BATCH)

    def batch(self, epoch: int, index: int) -> Batch:
        """Served examples in random order."""
        order = np.random.default_rng((self.seed, 1, epoch)).permutation(self.rows)
        return self.batches.batch(order[index * WARMUP_BATCH : (index + 1) * WARMUP_BATCH])

    def loss(self, batch: Batch) -> dict[str, torch.Tensor]:
        """What the configuration costs."""
        window_BD = self.heads.temporal(batch.start_BCP)
        state_BH = window_BD.new_zeros(len(window_BD), self.heads.hidden)
        query_BH = self.heads.decoder.ask(state_BH, window_BD, batch.tool_B, batch.size_B)
        total = configuration_loss(self.heads, batch, query_BH, self.params)
        return {"loss": global_mean(total, len(window_BD))}

    def end_epoch(self, epoch: int) -> dict[str, float]:  # noqa: ARG002 - the loop tells the epoch
        """Nothing between epochs."""
        return {}


class JointTask:
    """Tool, gate and configuration together, through the backbone with LoRA."""

    def __init__(
        self, backbone: Backbone, heads: Heads, lora: list[nn.Parameter], batches: Batches, store: TextStore | None,
        anchor: Rows, params: Training, seed: int,
    ) -> None:  # fmt: skip
        self.backbone, self.heads, self.lora, self.batches, self.store = backbone, heads, lora, batches, store
        self.anchor, self.params, self.seed = anchor, params, seed
        self.trained = nn.ModuleDict({"heads": heads, "lora": nn.ParameterList(lora)})

    @property
    def module(self) -> nn.Module:
        """Heads and LoRA; the frozen backbone is not part of a checkpoint."""
        return self.trained

    def param_groups(self) -> list[dict[str, Any]]:
        """LoRA and what feeds the backbone at `lr`, the heads at `head_lr`."""
        inputs = [*self.lora, *self.heads.projector.parameters(), self.heads.decision]
        lexicon = list(self.heads.lexicon.parameters())
        known = {id(p) for p in [*inputs, *lexicon]}
        rest = [p for p in self.heads.parameters() if p.requires_grad and id(p) not in known]
        decay = self.params.weight_decay
        return [
            {"params": inputs, "lr": self.params.lr, "weight_decay": decay},
            {"params": rest, "lr": self.params.head_lr, "weight_decay": decay},
            {"params": lexicon, "lr": self.params.head_lr * LEXICON_LR, "weight_decay": 0.0},
        ]

    def num_batches(self, epoch: int) -> int:  # noqa: ARG002 - the loop asks for each epoch
        """Batches that cover the examples once; less than half a batch at the end goes into the one before.

        So that, of several processes, none is left without a row.
        """
        size = self.params.batch_size
        return max(1, (len(self.batches.examples) + size // 2) // size)

    def batch(self, epoch: int, index: int) -> Batch:
        """Examples in random order, texts of similar length together."""
        if getattr(self, "_epoch", None) != epoch:
            self._epoch, self._order = epoch, self._shuffled(epoch)
        rows = self._order[index]
        drawn = np.random.default_rng((self.seed, 3, epoch, index)).random(len(rows))
        has_grams = np.array([bool(self.batches.examples.grams[text]) for text in self.batches.examples.text_E[rows]])
        keep_B2 = np.stack([(drawn >= LEFT_OUT) | ~has_grams, drawn < 1 - LEFT_OUT], axis=1)
        return self.batches.batch(rows, keep_B2)

    def loss(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Cross-entropies of tool and configuration, and of the gate, each a mean over the examples it applies to."""
        decision = self.decide(batch)
        served, planned = batch.tool_B >= 0, batch.config_B >= 0
        tool = nn.functional.cross_entropy(decision.tools_BK[served], batch.tool_B[served], reduction="sum")
        gate = nn.functional.binary_cross_entropy_with_logits(decision.gate_B, served.float(), reduction="sum")
        few = batch.rows(planned)
        window_BD = self.heads.temporal(few.start_BCP)
        query_BH = self.heads.decoder.ask(decision.state_BH[planned], window_BD, few.tool_B, few.size_B)
        config = configuration_loss(self.heads, few, query_BH, self.params)
        parts = {
            "loss_tool": global_mean(tool, served.sum()),
            "loss_config": global_mean(config, planned.sum()),
            "loss_gate": global_mean(gate, len(served)),
        }
        weights = {"loss_tool": 1.0, "loss_config": self.params.config_weight, "loss_gate": self.params.gate_weight}
        right = (decision.tools_BK[served].argmax(dim=1) == batch.tool_B[served]).float().sum()
        total = torch.stack([weight * parts[name] for name, weight in weights.items()]).sum()
        return {
            "loss": total,
            **parts,
            "tool_accuracy": global_mean(right, served.sum()),
            **self._rows(query_BH, few),
        }

    def _rows(self, query_BH: torch.Tensor, few: Batch) -> dict[str, torch.Tensor]:
        """What loss hooks may work with, where the decoder has a vector for each configuration."""
        if not hasattr(self.heads.decoder, "config_head"):
            return {}
        rows_NH = self.heads.decoder.config_head.weight
        return {
            "query_BH": query_BH,
            "rows_NH": rows_NH,
            "anchor_NH": self.anchor.vectors_NH.to(rows_NH.device),
            "row_tool_N": self.anchor.tool_N.to(rows_NH.device),
            "config_B": few.config_B,
        }

    def decide(self, batch: Batch) -> Decision:
        """One pass over cached texts, or over the whole sequence where LoRA acts on the text too."""
        rows, device = batch.text_B.tolist(), batch.now_BCP.device
        rest = batch.now_BCP, Grams.of([self.batches.examples.grams[row] for row in rows], device), batch.keep_B2
        if self.store is not None:
            return cached_pass(self.backbone, self.heads, *self.store.batch(rows, device), *rest)
        tokens_BT, mask_BT = padded([self.batches.examples.texts[row] for row in rows])
        return whole_pass(self.backbone, self.heads, tokens_BT.to(device), mask_BT.to(device), *rest)

    def end_epoch(self, epoch: int) -> dict[str, float]:  # noqa: ARG002 - the loop tells the epoch
        """Nothing between epochs: validation is done once, through the planner itself."""
        return {}

    def _shuffled(self, epoch: int) -> list[Any]:
        examples, size = self.batches.examples, self.params.batch_size
        rng = np.random.default_rng((self.seed, 2, epoch))
        order = rng.permutation(len(examples))
        length_E = np.array([len(ids) for ids in examples.texts])[examples.text_E]
        for start in range(0, len(order), size * BUCKET):
            chunk = order[start : start + size * BUCKET]
            order[start : start + size * BUCKET] = chunk[np.argsort(length_E[chunk], kind="stable")]
        count = self.num_batches(epoch)
        batches = np.split(order, [size * i for i in range(1, count)])
        return [batches[i] for i in rng.permutation(count)]


def configuration_loss(heads: Heads, batch: Batch, query_BQ: torch.Tensor, params: Training) -> torch.Tensor:
    """Summed loss of the oracle's configuration, and of how good the others that fit are taken to be.

    The first knows only right and wrong, and only one configuration in fifteen is ever the oracle's. Where the timeline
    rules those out, the second has to have put the rest in order: it is the excess of latency to be expected from a
    draw among those that fit, as the model rates them.
    """
    exact = heads.decoder.config_loss(batch, query_BQ, params.config_loss == "global")
    fits_BN = batch.excess_BN >= 0
    scores_BN = heads.decoder.score(query_BQ, batch.ids_BN).masked_fill(~fits_BN, float("-inf"))
    expected = (scores_BN.softmax(dim=1) * batch.excess_BN.clamp(min=0)).sum()
    return exact + params.regret_weight * expected  # type: ignore[no-any-return]
