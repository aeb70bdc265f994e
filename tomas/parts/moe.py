"""Mixture of experts for the planner's own layers, grown from the dense layers while training goes on."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from tomas.config import Moe as MoeParams
from tomas.training.run import Run


class Experts(nn.Module):
    """A two-layer network as many: each token goes to the `top_k` experts its router prefers.

    Made by sparse upcycling: every expert starts as a copy of the dense network and the weights of the chosen ones add
    up to one, so that the function is the dense one's until training tells the experts apart.
    """

    def __init__(self, dense: nn.Sequential, params: MoeParams) -> None:
        super().__init__()
        first, activation, second = dense
        assert isinstance(first, nn.Linear)
        assert isinstance(second, nn.Linear)
        self.params, self.activation = params, activation
        self.top_k = min(params.top_k, params.experts)
        self.router = nn.Linear(first.in_features, params.experts, bias=False)
        self.up_EIF = copies(first.weight.T, params.experts)
        self.up_E1F = copies(_bias(first)[None], params.experts)
        self.down_EFO = copies(second.weight.T, params.experts)
        self.down_E1O = copies(_bias(second)[None], params.experts)
        self.to(first.weight.device)
        self.noise = params.route_temp
        self.balance: torch.Tensor | None = None
        """Load-balance loss of the last batch in training: 1 when tokens are spread evenly."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The experts' weighted sum, for tokens of any leading shape."""
        self.balance = None
        if not x.numel():
            return x.new_zeros(*x.shape[:-1], self.down_EFO.shape[2])
        x_NI = x.reshape(-1, x.shape[-1])
        logits_NE = self.router(x_NI).float()
        expert_NK, weight_NK = self._route(logits_NE)
        if self.training:
            self.balance = balance_loss(logits_NE, expert_NK)
        y_NO = self._dispatch(x_NI, expert_NK, weight_NK.to(x.dtype))
        return y_NO.reshape(*x.shape[:-1], -1)

    def _route(self, logits_NE: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Each token's experts and their weights, which add up to one.

        Noise, not a softmax temperature, moves the choice: with Gumbel noise of size T the top k are a draw without
        replacement from softmax(logits / T), while dividing the logits by T would leave their order as it is.
        """
        preferred_NE = logits_NE
        if self.training and self.noise > 0:
            gumbel_NE = -torch.empty_like(logits_NE).exponential_().log()
            preferred_NE = logits_NE + self.noise * gumbel_NE
        expert_NK = preferred_NE.topk(self.top_k, dim=1).indices
        kept_NK = self._within_capacity(expert_NK) if self.training else torch.ones_like(expert_NK, dtype=torch.bool)
        chosen_NK = logits_NE.gather(1, expert_NK).masked_fill(~kept_NK, -torch.inf)
        return expert_NK, chosen_NK.softmax(dim=1)

    def _within_capacity(self, expert_NK: torch.Tensor) -> torch.Tensor:
        """Which choices find room: an expert's tokens come in order; one that would lose all keeps its first."""
        experts = self.params.experts
        capacity = max(1, int(self.params.capacity * expert_NK.numel() / experts))
        taken_NKE = nn.functional.one_hot(expert_NK.T.reshape(-1), experts).cumsum(dim=0)  # first choices come first
        place_KN = taken_NKE.gather(1, expert_NK.T.reshape(-1, 1)).reshape(self.top_k, -1)
        kept_NK = (place_KN <= capacity).T
        lost_N = ~kept_NK.any(dim=1)
        return torch.cat([kept_NK[:, :1] | lost_N[:, None], kept_NK[:, 1:]], dim=1)

    def _dispatch(self, x_NI: torch.Tensor, expert_NK: torch.Tensor, weight_NK: torch.Tensor) -> torch.Tensor:
        """Each expert computes its tokens, all experts in one batched product padded to the fullest."""
        token_M, slot_M = torch.nonzero(weight_NK, as_tuple=True)
        expert_M = expert_NK[token_M, slot_M]
        order_M = expert_M.argsort(stable=True)
        token_M, slot_M, expert_M = token_M[order_M], slot_M[order_M], expert_M[order_M]
        load_E = torch.bincount(expert_M, minlength=self.params.experts)
        place_M = torch.arange(len(expert_M), device=x_NI.device) - (load_E.cumsum(0) - load_E)[expert_M]
        x_ECI = x_NI.new_zeros(self.params.experts, int(load_E.max()), x_NI.shape[1])
        x_ECI[expert_M, place_M] = x_NI[token_M]
        hidden_ECF = self.activation(torch.baddbmm(self.up_E1F, x_ECI, self.up_EIF))
        y_MO = torch.baddbmm(self.down_E1O, hidden_ECF, self.down_EFO)[expert_M, place_M]
        y_NO = x_NI.new_zeros(len(x_NI), y_MO.shape[1])
        return y_NO.index_add(0, token_M, y_MO * weight_NK[token_M, slot_M, None])


def copies(tensor: torch.Tensor, number: int) -> nn.Parameter:
    """A trained tensor once for every expert."""
    return nn.Parameter(tensor.detach().unsqueeze(0).repeat(number, *[1] * tensor.ndim))


def _bias(linear: nn.Linear) -> torch.Tensor:
    return linear.bias if linear.bias is not None else linear.weight.new_zeros(linear.out_features)


def balance_loss(logits_NE: torch.Tensor, expert_NK: torch.Tensor) -> torch.Tensor:
    """Number of experts x sum over experts of (share of choices x mean probability): 1 when even, E at worst."""
    experts = logits_NE.shape[1]
    share_E = torch.bincount(expert_NK.reshape(-1), minlength=experts) / expert_NK.numel()
    return experts * (share_E * logits_NE.softmax(dim=1).mean(dim=0)).sum()


def dense_sites(module: nn.Module) -> dict[str, nn.Sequential]:
    """The layers that can become experts: trained two-layer networks, by the path of their first layer."""
    sites: dict[str, nn.Sequential] = {}
    for path, layers in module.named_modules():
        if isinstance(layers, nn.Sequential):
            for start in range(len(layers) - 2):
                run = nn.Sequential(*list(layers)[start : start + 3])
                if _is_two_layer_network(run) and all(p.requires_grad for p in run.parameters()):
                    sites[f"{path}.{start}"] = run
                    break
    return sites


def _is_two_layer_network(run: nn.Sequential) -> bool:
    first, activation, second = run
    return isinstance(first, nn.Linear) and not list(activation.parameters()) and isinstance(second, nn.Linear)


def expert_sites(module: nn.Module) -> Iterator[tuple[str, Experts]]:
    """The layers that are experts now."""
    return ((path, layer) for path, layer in module.named_modules() if isinstance(layer, Experts))


class Moe:
    """The plug-in: grows experts when it is enabled, moves the routing noise, and keeps the load even."""

    name = "moe"

    def __init__(self, params: MoeParams) -> None:
        self.params = params

    def on_epoch_start(self, run: Run) -> None:
        """Grow the experts in the first epoch this is called in."""
        if not any(expert_sites(run.task.module)):
            self.upcycle(run.task.module, list(dense_sites(run.task.module)))

    def on_step_start(self, run: Run) -> None:
        """Set the routing noise of this step."""
        noise = run.scheduled().get("route_temp", self.params.route_temp)
        for _, experts in expert_sites(run.task.module):
            experts.noise = noise

    def loss_terms(self, run: Run) -> dict[str, torch.Tensor]:
        """The load-balance loss, mean over the layers that computed something."""
        balances = [experts.balance for _, experts in expert_sites(run.task.module) if experts.balance is not None]
        return {"moe_balance": self.params.balance_weight * torch.stack(balances).mean()} if balances else {}

    def on_checkpoint_save(self, module: nn.Module, state: dict[str, Any]) -> None:
        """Remember which layers are experts."""
        state[self.name] = {"sites": [path for path, _ in expert_sites(module)]}

    def on_checkpoint_load(self, module: nn.Module, state: Mapping[str, Any]) -> None:
        """Make the same layers experts, so that their weights find their place."""
        self.upcycle(module, state.get(self.name, {}).get("sites", []))

    def upcycle(self, module: nn.Module, paths: list[str]) -> None:
        """Put experts in the place of the two-layer networks whose first layers are at these paths."""
        for path in paths:
            parent, _, first = path.rpartition(".")
            layers = module.get_submodule(parent)
            assert isinstance(layers, nn.Sequential)
            start = int(first)
            layers[start] = Experts(nn.Sequential(*list(layers)[start : start + 3]), self.params)
            del layers[start + 1 : start + 3]
