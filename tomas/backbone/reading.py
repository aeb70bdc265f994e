"""How the backbone reads, tuned to requests: low-rank updates of a few layers in its middle, at every position."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from tomas.backbone.loading import Backbone
from tomas.backbone.lora import TailLora
from tomas.config import Reading

FILE = "reading_adapter.safetensors"


class ReadingAdapters(nn.Module):
    """The updates, in place on the backbone; fresh ones change nothing until they are trained."""

    def __init__(self, updates: Mapping[str, TailLora]) -> None:
        super().__init__()
        self.names = list(updates)
        self.downs = nn.ParameterList([update.down_RH for update in updates.values()])
        self.ups = nn.ParameterList([update.up_OR for update in updates.values()])

    @property
    def fingerprint(self) -> str:
        """A hash of the numbers; with none, that of nothing."""
        digest = hashlib.sha256()
        for tensor in (*self.downs, *self.ups):
            digest.update(tensor.detach().cpu().numpy().tobytes())
        return digest.hexdigest()[:16]

    def save(self, folder: Path) -> None:
        """Write them where `apply_reading` finds them."""
        tensors: dict[str, torch.Tensor] = {}
        for name, down_RH, up_OR in zip(self.names, self.downs, self.ups, strict=True):
            tensors |= {f"{name}.down": down_RH.detach().cpu(), f"{name}.up": up_OR.detach().cpu()}
        save_file(tensors, folder / FILE)


def add_reading(backbone: Backbone, params: Reading, layers: range) -> ReadingAdapters:
    """Fresh updates on the modules `params` names, in these layers."""
    updates = {}
    for index in layers:
        for name, module in list(backbone.body.layers[index].named_modules()):
            if name.rpartition(".")[2] in params.targets:
                path = f"{index}.{name}"
                down_RH = torch.randn(params.rank, module.in_features) / module.in_features**0.5
                updates[path] = _put(backbone, path, down_RH, torch.zeros(module.out_features, params.rank))
    return ReadingAdapters(updates).requires_grad_(True)


def apply_reading(backbone: Backbone, folder: Path) -> list[TailLora]:
    """Put saved updates onto a backbone for planning, and give their layers; there may be none."""
    tensors = load_file(folder / FILE)
    paths = sorted({name.rpartition(".")[0] for name in tensors})
    updates = [_put(backbone, path, tensors[f"{path}.down"], tensors[f"{path}.up"]) for path in paths]
    for update in updates:
        update.fold()
    return updates


def _put(backbone: Backbone, path: str, down_RH: torch.Tensor, up_OR: torch.Tensor) -> TailLora:
    parent_path, _, name = path.rpartition(".")
    parent, device = backbone.body.layers.get_submodule(parent_path), backbone.model.device
    if hasattr(getattr(parent, name), "base_layer"):  # peft has been here: its adapters stay outermost
        parent, name = getattr(parent, name), "base_layer"
    update = TailLora(getattr(parent, name), down_RH.to(device), up_OR.to(device), tail=None)
    setattr(parent, name, update)
    return update
