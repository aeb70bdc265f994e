"""A frozen backbone's weights in the order oneDNN multiplies them in: laid out once instead of in every product."""

import torch
from torch import nn

from tomas.backbone.loading import Backbone


class Prepacked(nn.Module):
    """A linear layer for inference, with the bits of `nn.Linear`; its own weights stay with it for whoever asks."""

    def __init__(self, base: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = base.weight, base.bias
        with torch.no_grad():  # for any number of rows
            self.packed: torch.Tensor = torch.ops.mkldnn._reorder_linear_weight(base.weight.detach(), None)

    def forward(self, x_BTH: torch.Tensor) -> torch.Tensor:
        """The projection."""
        product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x_BTH, self.packed, self.bias, "none", [], "")
        return product


def prepack(backbone: Backbone) -> None:
    """Replace every linear layer of the body by one for inference, where that is faster: bfloat16 on a CPU."""
    on_cpu = backbone.model.device.type == "cpu" and torch.backends.mkldnn.is_available()
    if not on_cpu or backbone.dtype != torch.bfloat16:
        return
    for module in list(backbone.body.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Linear):
                setattr(module, name, Prepacked(child))
