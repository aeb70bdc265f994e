"""LoRA on the frozen backbone: trained through peft, applied for planning without importing it."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tomas.backbone.loading import Backbone
from tomas.config import Lora
from tomas.files import write_json


def add_lora(backbone: Backbone, params: Lora) -> Any:
    """The backbone wrapped by peft with a fresh adapter; the update is zero until it is trained."""
    import peft

    config = peft.LoraConfig(
        r=params.rank,
        lora_alpha=params.alpha,  # type: ignore[arg-type]
        target_modules=list(params.targets),
        lora_dropout=0.0,
        bias="none",
        task_type="CAUSAL_LM",
    )
    return peft.get_peft_model(backbone.model, config)


def save_lora(wrapped: Any, backbone_name: str, folder: Path) -> None:
    """Write the adapter as peft does: adapter_config.json and adapter_model.safetensors."""
    wrapped.peft_config["default"].base_model_name_or_path = backbone_name  # not a path of this machine
    wrapped.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    # peft holds them as a set, whose order is another one in every process
    write_json(folder / "adapter_config.json", config | {"target_modules": sorted(config["target_modules"])})


class TailLora(nn.Module):
    """A linear layer whose low-rank update acts on the last `tail` positions only (None: on all).

    It is computed in the layer's own number format: in bfloat16 a row gets the same bits whatever rows stand beside it,
    which products in float32 do not promise.
    """

    def __init__(self, base: nn.Module, down_RH: torch.Tensor, up_OR: torch.Tensor, tail: int | None) -> None:
        super().__init__()
        self.base = base
        self.tail = tail
        self.rows_M: torch.Tensor | slice | None = None
        """The positions it acts on instead, where several sequences stand end to end."""
        self.down_RH = nn.Parameter(down_RH, requires_grad=False)
        self.up_OR = nn.Parameter(up_OR, requires_grad=False)
        self.folded: nn.Linear | None = None

    def fold(self) -> None:
        """Add the update to a copy of the layer's weights, for planning: acting on all positions, it is free then.

        The layer keeps its own weights for when the update rests.
        """
        base: nn.Linear = self.base  # type: ignore[assignment]
        weight_OH = (base.weight.float() + self.up_OR @ self.down_RH).to(base.weight.dtype)
        self.folded = nn.Linear(base.in_features, base.out_features, bias=False, device="meta")
        self.folded.weight, self.folded.bias = nn.Parameter(weight_OH.detach(), requires_grad=False), base.bias

    def forward(self, x_BTH: torch.Tensor) -> torch.Tensor:
        """The frozen projection plus the update."""
        if self.tail is None and self.folded is not None:
            return self.folded(x_BTH)  # type: ignore[no-any-return]
        out_BTO: torch.Tensor = self.base(x_BTH)
        if self.tail == 0:
            return out_BTO
        if self.tail is None:
            return out_BTO + self._update(x_BTH)
        where = slice(x_BTH.shape[1] - self.tail, None) if self.rows_M is None else self.rows_M
        out_BTO[:, where] += self._update(x_BTH[:, where])
        return out_BTO

    def _update(self, x_BTH: torch.Tensor) -> torch.Tensor:
        down_RH, up_OR = self.down_RH.to(x_BTH.dtype), self.up_OR.to(x_BTH.dtype)
        return nn.functional.linear(nn.functional.linear(x_BTH, down_RH), up_OR)


def apply_lora(backbone: Backbone, folder: Path, tail: int | None) -> list[TailLora]:
    """Put the adapter of `folder` (peft's own files) onto the backbone's layers, for inference, and give the layers."""
    from safetensors.torch import load_file

    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    weights = load_file(folder / "adapter_model.safetensors")
    scaling = config["lora_alpha"] / config["r"]
    layers = []
    for key in sorted(k for k in weights if k.endswith(".lora_A.weight")):
        stem = key.removesuffix(".lora_A.weight")
        path = stem.removeprefix("base_model.model.")
        parent_path, _, name = path.rpartition(".")
        parent = backbone.model.get_submodule(parent_path)
        base = getattr(parent, name)
        device = backbone.model.device
        down, up = weights[key].to(device), weights[f"{stem}.lora_B.weight"].to(device) * scaling
        layers.append(TailLora(base, down.to(backbone.dtype), up.to(backbone.dtype), tail))
        setattr(parent, name, layers[-1])
    return layers


@contextmanager
def without_adapters(layers: Sequence[nn.Module]) -> Iterator[None]:
    """The frozen model's own function for the length of a block: adapters act on their last `tail` positions, none."""
    with _set(layers, "tail", 0):
        yield


@contextmanager
def acting_on(layers: Sequence[nn.Module], rows_M: torch.Tensor | slice) -> Iterator[None]:
    """For the length of a block, adapters that act on the end of a sequence act on these positions."""
    with _set(layers, "rows_M", rows_M):
        yield


@contextmanager
def _set(layers: Sequence[nn.Module], name: str, value: object) -> Iterator[None]:
    before = [getattr(layer, name) for layer in layers]
    for layer in layers:
        setattr(layer, name, value)
    try:
        yield
    finally:
        for layer, old in zip(layers, before, strict=True):
            setattr(layer, name, old)
