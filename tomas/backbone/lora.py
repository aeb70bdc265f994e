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
    """A linear layer whose low-rank update acts on the last `tail` positions only (None: on all)."""

    def __init__(self, base: nn.Module, down_RH: torch.Tensor, up_OR: torch.Tensor, tail: int | None) -> None:
        super().__init__()
        self.base = base
        self.tail = tail
        self.down_RH = nn.Parameter(down_RH, requires_grad=False)
        self.up_OR = nn.Parameter(up_OR, requires_grad=False)

    def forward(self, x_BTH: torch.Tensor) -> torch.Tensor:
        """The frozen projection plus the update."""
        out_BTO = self.base(x_BTH)
        if self.tail == 0:
            return out_BTO  # type: ignore[no-any-return]
        start = 0 if self.tail is None else x_BTH.shape[1] - self.tail
        active = x_BTH[:, start:].to(self.down_RH.dtype)
        update = nn.functional.linear(nn.functional.linear(active, self.down_RH), self.up_OR)
        if start == 0:
            return (out_BTO + update).to(out_BTO.dtype)  # type: ignore[no-any-return]
        tail_BTO = out_BTO[:, start:]
        tail_BTO.copy_(update.add_(tail_BTO))  # added in the update's precision, rounded once
        return out_BTO  # type: ignore[no-any-return]


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
        down, up = weights[key].to(device), weights[f"{stem}.lora_B.weight"].to(device)
        layers.append(TailLora(base, down, up * scaling, tail))
        setattr(parent, name, layers[-1])
    return layers


@contextmanager
def without_adapters(layers: Sequence[Any]) -> Iterator[None]:
    """The frozen model's own function for the length of a block: adapters act on their last `tail` positions, none."""
    tails = [layer.tail for layer in layers]
    for layer in layers:
        layer.tail = 0
    try:
        yield
    finally:
        for layer, tail in zip(layers, tails, strict=True):
            layer.tail = tail
