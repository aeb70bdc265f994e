"""What changes while training: pure functions of epoch and step, so that a resumed run sees the same values."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tomas.config import Anneal

LearningRate = Literal["cosine", "linear", "constant"]


def lr_factor(kind: LearningRate, step: int, total_steps: int, warmup_share: float) -> float:
    """Share of the peak learning rate at an update: a linear warm-up, then the schedule down to zero."""
    warmup = round(total_steps * warmup_share)
    if step < warmup:
        return (step + 1) / warmup
    if kind == "constant":
        return 1.0
    progress = (step - warmup) / max(1, total_steps - warmup)
    return 1.0 - progress if kind == "linear" else 0.5 * (1.0 + math.cos(math.pi * progress))


def annealed(anneal: Anneal, epoch: int, max_epochs: int, step: int, total_steps: int) -> float:
    """The value now; the last epoch or step gives `end` itself."""
    now, last = (epoch, max_epochs - 1) if anneal.by == "epoch" else (step, total_steps - 1)
    if now >= last:
        return anneal.end
    return anneal.start + (anneal.end - anneal.start) * now / last


@dataclass(frozen=True, slots=True)
class Schedules:
    """Which plug-ins start at which epoch (counted from 0) and which values move."""

    enable: Mapping[str, int] = field(default_factory=dict)
    """First epoch by plug-in; those not named are on from the start."""
    anneal: Mapping[str, Anneal] = field(default_factory=dict)

    @classmethod
    def parse(cls, raw: Mapping[str, int | Anneal], switches: Mapping[str, str]) -> "Schedules":
        """The section `schedules`, which was checked; `switches` says whose epoch a key is."""
        return cls(
            {switches[key]: value for key, value in raw.items() if not isinstance(value, Anneal)},
            {key: value for key, value in raw.items() if isinstance(value, Anneal)},
        )

    def enabled(self, plugin: str, epoch: int) -> bool:
        """Whether a plug-in is on in this epoch."""
        return epoch >= self.enable.get(plugin, 0)

    def values(self, epoch: int, max_epochs: int, step: int, total_steps: int) -> dict[str, float]:
        """Every scheduled number now, for the parts that read it and for the record."""
        moving = {name: annealed(anneal, epoch, max_epochs, step, total_steps) for name, anneal in self.anneal.items()}
        switched = {f"enabled_{name}": float(epoch >= first) for name, first in self.enable.items()}
        return {**moving, **switched}
