"""Experts compute what each of them would alone, keep within their capacity, and start as the dense layer."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tests.training.toy import ToyTask, weights
from tomas.config import Moe as MoeParams
from tomas.parts.moe import Experts, Moe, balance_loss, dense_sites, expert_sites
from tomas.training.hooks import Hooks
from tomas.training.loop import LoopSettings, fit


def dense(width: int = 5) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(width, 8), nn.GELU(), nn.Linear(8, 3))


def told_apart(params: MoeParams) -> Experts:
    """Experts that differ, as after training."""
    experts = Experts(dense(), params)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in experts.parameters():
            parameter.add_(torch.randn_like(parameter))
    return experts


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(4, 5), (2, 6, 5), (1, 5), (0, 5)])
def test_upcycling_changes_nothing(training: bool, shape: tuple[int, ...]) -> None:
    layer = dense()
    experts = Experts(layer, MoeParams(experts=8)).train(training)
    x = torch.randn(*shape)
    torch.testing.assert_close(experts(x), layer(x))


def test_the_output_is_the_weighted_sum_of_the_chosen_experts() -> None:
    experts = told_apart(MoeParams(experts=4, top_k=2)).eval()
    x = torch.randn(6, 5)
    for token, got in zip(x, experts(x), strict=True):
        logits = experts.router(token)
        chosen = logits.topk(2).indices
        expected = torch.zeros(3)
        for weight, e in zip(logits[chosen].softmax(0), chosen, strict=True):
            hidden = nn.functional.gelu(token @ experts.up_EIF[e] + experts.up_E1F[e, 0])
            expected += weight * (hidden @ experts.down_EFO[e] + experts.down_E1O[e, 0])
        torch.testing.assert_close(got, expected)


@given(tokens=st.integers(1, 40), experts=st.integers(2, 8), top_k=st.integers(1, 3), capacity=st.floats(0.2, 3))
def test_no_expert_takes_more_than_its_capacity_and_no_token_is_left_alone(
    tokens: int, experts: int, top_k: int, capacity: float
) -> None:
    layer = Experts(dense(), MoeParams(experts=experts, top_k=top_k, capacity=capacity))
    choices = torch.rand(tokens, experts).topk(layer.top_k, dim=1).indices
    kept = layer._within_capacity(choices)
    assert kept.any(dim=1).all()
    room = max(1, int(capacity * choices.numel() / experts))
    lonely = kept.sum(dim=1) == 1
    for expert in range(experts):
        taken = (choices == expert) & kept
        saved = taken[:, 0] & lonely  # tokens kept although there was no room
        assert taken.sum() - saved.sum() <= room


def test_capacity_holds_in_training_only() -> None:
    experts = told_apart(MoeParams(experts=4, top_k=1, capacity=0.5, route_temp=0.0))
    x = torch.randn(1, 5).repeat(9, 1)
    torch.testing.assert_close(experts.eval()(x), experts.eval()(x[:1]).repeat(9, 1))


def test_noise_changes_the_choice_in_training_and_a_temperature_could_not() -> None:
    experts = told_apart(MoeParams(experts=8, top_k=2, route_temp=1.5)).train()
    logits = torch.randn(200, 8)
    assert torch.equal(logits.topk(2).indices, (logits / 1.5).topk(2).indices)
    noisy, _ = experts._route(logits)
    assert not torch.equal(noisy, logits.topk(2).indices)
    experts.noise = 0.0
    assert torch.equal(experts._route(logits)[0], logits.topk(2).indices)


def test_gumbel_noise_draws_from_the_softmax_at_that_temperature() -> None:
    torch.manual_seed(3)
    experts = told_apart(MoeParams(experts=3, top_k=1, route_temp=0.8, capacity=100)).train()
    logits = torch.tensor([0.3, -0.5, 0.9])
    drawn, _ = experts._route(logits.repeat(40_000, 1))
    shares = torch.bincount(drawn[:, 0], minlength=3) / 40_000
    torch.testing.assert_close(shares, (logits / 0.8).softmax(0), atol=0.01, rtol=0)


def test_the_balance_loss_is_one_when_even_and_the_number_of_experts_at_worst() -> None:
    even = torch.arange(8).reshape(-1, 1) % 4
    assert balance_loss(torch.zeros(8, 4), even) == pytest.approx(1.0)
    crowded = torch.full((8, 4), -100.0)
    crowded[:, 0] = 100.0
    assert balance_loss(crowded, torch.zeros(8, 1, dtype=torch.long)) == pytest.approx(4.0)


class MlpTask(ToyTask):
    """The toy task with a two-layer network that can become experts."""

    def __init__(self) -> None:
        super().__init__(dropout=0.0)
        self.module["mlp"] = nn.Sequential(nn.Linear(4, 6), nn.GELU(), nn.Linear(6, 4))

    def loss(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return super().loss({**batch, "x": batch["x"] + self.module["mlp"](batch["x"])})


def test_only_trained_two_layer_networks_become_experts() -> None:
    task = MlpTask()
    task.module["frozen_mlp"] = dense().requires_grad_(False)
    task.module["longer"] = nn.Sequential(nn.GELU(), *dense())
    task.module["normed"] = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 4))
    assert list(dense_sites(task.module)) == ["mlp.0", "longer.1"]


def test_a_network_within_a_longer_one_keeps_what_is_around_it() -> None:
    module = nn.ModuleDict({"longer": nn.Sequential(nn.GELU(), *dense(), nn.Tanh())})
    x = torch.randn(4, 5)
    before = module["longer"](x)
    Moe(MoeParams(experts=4)).upcycle(module, list(dense_sites(module)))
    assert [type(layer) for layer in module["longer"]] == [nn.GELU, Experts, nn.Tanh]  # type: ignore[arg-type]
    torch.testing.assert_close(module["longer"](x), before)


def test_training_tells_experts_apart_and_balances_their_load() -> None:
    task = MlpTask()
    history = fit(task, LoopSettings(max_epochs=4, log_every=1), hooks=Hooks({"moe": Moe(MoeParams(experts=4))}))
    [(path, experts)] = expert_sites(task.module)
    assert path == "mlp.0"
    assert history[0]["moe_balance"] > 0
    assert not torch.allclose(experts.up_EIF[0], experts.up_EIF[1])


def test_the_weights_of_experts_find_their_place_in_a_fresh_planner() -> None:
    trained, fresh = MlpTask(), MlpTask()
    plugin = Moe(MoeParams(experts=4))
    fit(trained, LoopSettings(max_epochs=1), hooks=Hooks({"moe": plugin}))
    state: dict[str, object] = {}
    plugin.on_checkpoint_save(trained.module, state)
    Moe(MoeParams(experts=4)).on_checkpoint_load(fresh.module, state)
    fresh.module.load_state_dict(trained.module.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(weights(trained).values(), weights(fresh).values(), strict=True))
