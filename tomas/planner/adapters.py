"""What is trained inside the frozen backbone: LoRA, and an attention residual where the attention part is one."""

from contextlib import AbstractContextManager
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import nn

from tomas import registry
from tomas.backbone.loading import Backbone
from tomas.backbone.lora import TailLora, add_lora, apply_lora, save_lora
from tomas.backbone.tva_residual import TvaResidual, add_tva
from tomas.config import Lora, Tva

RESIDUALS = "attention_residual.safetensors"


class Adapters:
    """Fresh adapters on a backbone; they change nothing until they are trained."""

    def __init__(self, backbone: Backbone, lora: Lora, tva: Tva, tail: int | None) -> None:
        self._backbone_name = backbone.name
        self._wrapped = add_lora(backbone, lora)
        # After peft, which freezes all it has not made itself.
        self._residuals = add_tva(backbone, tva, tail) if has_residual(backbone) else None
        self.trained: list[nn.Parameter] = [p for p in backbone.model.parameters() if p.requires_grad]

    def resting(self) -> AbstractContextManager[None]:
        """For the length of a block the low-rank updates are not computed; before they are trained they are zero."""
        rest: AbstractContextManager[None] = self._wrapped.disable_adapter()
        return rest

    def save(self, folder: Path) -> None:
        """Write the adapter as peft does, and the residuals beside it."""
        save_lora(self._wrapped, self._backbone_name, folder)
        if self._residuals is not None:
            save_file(
                {name: tensor.contiguous() for name, tensor in self._residuals.state_dict().items()}, folder / RESIDUALS
            )


def apply_adapters(backbone: Backbone, folder: Path, tva: Tva, tail: int | None) -> list[TailLora | TvaResidual]:
    """Put saved adapters onto a backbone for planning, and give their layers."""
    layers: list[TailLora | TvaResidual] = [*apply_lora(backbone, folder, tail)]
    if has_residual(backbone):
        residuals = add_tva(backbone, tva, tail)
        residuals.load_state_dict(load_file(folder / RESIDUALS))
        residuals.requires_grad_(False)
        layers += list(residuals)  # type: ignore[arg-type]
    return layers


def has_residual(backbone: Backbone) -> bool:
    """Whether the attention part in use adds to the model's own attention."""
    return bool(registry.load("attention", backbone.attention.used).is_residual)
