"""What is trained in Phase 3: how texts are read, configurations by their windows alone, then all together."""

from typing import Any

import numpy as np
import torch
from torch import nn

from tomas.backbone.layers import states_at
from tomas.backbone.loading import Backbone
from tomas.config import Reading, Training, narrowed
from tomas.planner.characters import Grams
from tomas.planner.decoder import Rows
from tomas.planner.examples import Batch, Batches
from tomas.planner.losses import configuration_loss, tool_and_gate
from tomas.planner.model import Decision, Heads, Text, cached_pass, padded, whole_pass
from tomas.planner.reader import read_layers, tuned_layers
from tomas.planner.store import StoredTexts, TextStore
from tomas.planner.text_batches import TextBatches
from tomas.training.processes import global_mean, of_process

WARMUP_BATCH = 256
CHARACTERS_LR = 10
"""Times the heads' rate: each of its vectors is met in few examples."""
READING_NEEDS = ("head_lr", "weight_decay", "grad_clip", "gate_weight")
"""What learning to read takes from the section of the training that follows."""
WARMED_LR = 0.1
"""Times the heads' rate, for what the warm-up has taught: at the full rate joint training undoes it."""


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
        return [{"params": warmed(self.heads), "lr": self.params.head_lr, "weight_decay": self.params.weight_decay}]

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


class TextTask:
    """What the two trainings that read texts have in common: where batches come from, and their texts as tensors."""

    def __init__(self, backbone: Backbone, heads: Heads, order: TextBatches, params: Training) -> None:
        self.backbone, self.heads, self.order, self.params = backbone, heads, order, params
        self.batches, self.examples = order.batches, order.batches.examples

    def num_batches(self, epoch: int) -> int:  # noqa: ARG002 - the loop asks for each epoch
        """Batches that cover what an epoch is made of once."""
        return len(self.order)

    def batch(self, epoch: int, index: int) -> Batch:
        """Examples in random order, texts of similar length together."""
        return self.order.batch(epoch, index)

    def grams(self, batch: Batch) -> Grams:
        """The characters of a batch's texts."""
        return Grams.of([self.examples.grams[row] for row in batch.text_B.tolist()], batch.now_BCP.device)

    def end_epoch(self, epoch: int) -> dict[str, float]:  # noqa: ARG002 - the loop tells the epoch
        """Nothing between epochs: validation is done once, through the planner itself."""
        return {}


class ReadingTask(TextTask):
    """Tool and gate from the texts alone: reader, characters and the backbone's middle learn what requests say."""

    def __init__(
        self, backbone: Backbone, heads: Heads, adapters: nn.Module, batches: Batches, below: TextStore,
        reading: Reading, params: Training, seed: int,
    ) -> None:  # fmt: skip
        _, one_of_each_text = np.unique(batches.examples.text_E, return_index=True)
        order = TextBatches(batches, one_of_each_text, reading.batch_size, (seed, 4))
        super().__init__(backbone, heads, order, narrowed(params, READING_NEEDS))
        self.adapters, self.below, self.reading = adapters, below, reading
        # Most decoders have a head for tools alone; the flat one chooses a tool by its configurations and the window.
        alone = hasattr(heads.decoder, "tool_head")
        self.chooser: nn.Module = heads.decoder.tool_head if alone else heads.decoder
        names = ("reader", "characters", "norm", "gate", *(() if alone else ("temporal",)))
        used = {name: getattr(heads, name) for name in names}
        self.trained = nn.ModuleDict({**used, "chooser": self.chooser, "adapters": adapters})

    @property
    def module(self) -> nn.Module:
        """Adapters and the heads that tell tools; the temporal encoder, where it has a say in that, does not move."""
        return self.trained

    def param_groups(self) -> list[dict[str, Any]]:
        """Adapters, what reads the text, and the characters."""
        parts = (self.heads.reader, self.heads.norm, self.heads.gate, self.chooser)
        read = [p for part in parts for p in part.parameters() if p.requires_grad]
        decay = self.params.weight_decay
        return [
            {"params": list(self.adapters.parameters()), "lr": self.reading.lr, "weight_decay": decay},
            {"params": read, "lr": self.params.head_lr, "weight_decay": decay},
            characters_group(self.heads, self.params),
        ]

    def loss(self, batch: Batch) -> dict[str, torch.Tensor]:
        """What tool and gate cost."""
        return tool_and_gate(self.heads, self.decide(batch), batch, self.params)

    def decide(self, batch: Batch) -> Decision:
        """The tuned layers alone, over what was kept of those below: what `whole_pass` says before the context."""
        states_B1TH, mask_BT = (tensor.to(batch.now_BCP.device) for tensor in self.below.states(batch.text_B.tolist()))
        start, depths = tuned_layers(self.backbone.num_layers).start, read_layers(self.backbone.num_layers)
        found = states_at(self.backbone, start, depths, states_B1TH[:, 0], mask_BT)
        text = Text(torch.stack([found[depth] for depth in depths], dim=1), mask_BT, self.grams(batch))
        return self.heads.decide(None, text, self.heads.temporal(batch.now_BCP))


def joint_order(batches: Batches, params: Training, seed: int) -> TextBatches:
    """What joint training draws."""
    every_example = np.arange(len(batches.examples))
    return TextBatches(batches, every_example, params.batch_size, (seed, 2), params.epoch_share)


class JointTask(TextTask):
    """Tool, gate and configuration together, through the backbone with LoRA."""

    def __init__(
        self, backbone: Backbone, heads: Heads, lora: list[nn.Parameter], order: TextBatches, anchor: Rows,
        params: Training, store: StoredTexts | None = None,
    ) -> None:  # fmt: skip
        super().__init__(backbone, heads, order, params)
        self.lora, self.anchor = lora, anchor
        self.store = store
        """What is kept of the texts it draws; without it they are read whole in every step."""
        self.trained = nn.ModuleDict({"heads": heads, "lora": nn.ParameterList(lora)})

    @property
    def module(self) -> nn.Module:
        """Heads and LoRA; the frozen backbone is not part of a checkpoint."""
        return self.trained

    def param_groups(self) -> list[dict[str, Any]]:
        """LoRA and what feeds the backbone at `lr`, the heads at `head_lr`, of which what was warmed up more slowly."""
        inputs = [*self.lora, *self.heads.projector.parameters(), self.heads.decision]
        slow = warmed(self.heads) if self.params.warmup_epochs else []
        known = {id(p) for p in [*inputs, *slow, *self.heads.characters.parameters()]}
        rest = [p for p in self.heads.parameters() if p.requires_grad and id(p) not in known]
        decay = self.params.weight_decay
        return [
            {"params": inputs, "lr": self.params.lr, "weight_decay": decay},
            {"params": slow, "lr": self.params.head_lr * WARMED_LR, "weight_decay": decay},
            {"params": rest, "lr": self.params.head_lr, "weight_decay": decay},
            characters_group(self.heads, self.params),
        ]

    def batch(self, epoch: int, index: int) -> Batch:
        """Examples in random order; what is kept of the next batch's texts is fetched from disk meanwhile."""
        if self.store is not None and index + 1 < len(self.order):
            self.store.read_ahead(of_process(self.order.texts(epoch, index + 1)))
        return super().batch(epoch, index)

    def loss(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Cross-entropies of tool and configuration, and of the gate, each a mean over the examples it applies to."""
        decision = self.decide(batch)
        planned = batch.config_B >= 0
        few = batch.rows(planned)
        window_BD = self.heads.temporal(few.start_BCP)
        query_BH = self.heads.decoder.ask(decision.state_BH[planned], window_BD, few.tool_B, few.size_B)
        config = configuration_loss(self.heads, few, query_BH, self.params)
        told = tool_and_gate(self.heads, decision, batch, self.params)
        loss_config = global_mean(config, planned.sum())
        total = told.pop("loss") + self.params.config_weight * loss_config
        return {"loss": total, **told, "loss_config": loss_config, **self._rows(query_BH, few)}

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
        rest = batch.now_BCP, self.grams(batch)
        if self.store is not None:
            cached = self.store.batch(batch.text_B.tolist(), batch.now_BCP.device)
            return cached_pass(self.backbone, self.heads, *cached, *rest)
        tokens_BT, mask_BT = (
            tensor.to(batch.now_BCP.device)
            for tensor in padded([self.examples.texts[row] for row in batch.text_B.tolist()])
        )
        return whole_pass(self.backbone, self.heads, tokens_BT, mask_BT, *rest)


def warmed(heads: Heads) -> list[nn.Parameter]:
    """What the choice of a configuration is made by: the temporal encoder, and the decoder without its tool head."""
    decoder = [p for name, p in heads.decoder.named_parameters() if not name.startswith("tool_head")]
    return [p for p in (*heads.temporal.parameters(), *decoder) if p.requires_grad]


def characters_group(heads: Heads, params: Training) -> dict[str, Any]:
    """The characters, with a rate of their own."""
    return {"params": list(heads.characters.parameters()), "lr": params.head_lr * CHARACTERS_LR, "weight_decay": 0.0}
