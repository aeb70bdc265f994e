"""Decoders: a configuration of another tool can never come out, and every logit and loss is what it claims to be."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.domain.cases import catalogues
from tomas import registry
from tomas.config import Decoder, Temporal
from tomas.domain.catalogue import Catalogue
from tomas.domain.resources import SIZES
from tomas.planner.artifact import make_rows
from tomas.planner.examples import Batches
from tomas.planner.model import Heads

HIDDEN, DIM = 16, 8
KINDS = ("hierarchical", "flat", "regressor")


def decoder(kind: str, catalogue: Catalogue, seed: int = 0) -> Any:
    """A decoder whose every weight is random."""
    torch.manual_seed(seed)
    rows = make_rows(catalogue, torch.randn(len(catalogue), HIDDEN))
    made = registry.load("decoder", kind)(HIDDEN, DIM, len(catalogue.tools), rows)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return made


def asked(
    made: Any, tool: list[int], size: list[int], seed: int = 1, loud: float = 1.0
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A query for each (tool, size), with the random state and window it was made from."""
    torch.manual_seed(seed)
    state, window = loud * torch.randn(len(tool), HIDDEN), loud * torch.randn(len(tool), DIM)
    return made.ask(state, window, torch.tensor(tool), torch.tensor(size)), state, window


def listed(catalogue: Catalogue, tool: list[int], size: list[int]) -> torch.Tensor:
    """The Config IDs of each case, padded with -1, as training and planning list them."""
    own = [catalogue.ids(t, SIZES[s]).tolist() for t, s in zip(tool, size, strict=True)]
    width = max(1, *map(len, own))
    return torch.tensor([ids + [-1] * (width - len(ids)) for ids in own])


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    from tests.encoder.small import CATALOGUE

    return CATALOGUE


@settings(deadline=None)
@given(
    catalogues(),
    st.sampled_from(KINDS),
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2)), min_size=1, max_size=5),
    st.integers(0, 1000),
    st.sampled_from([1.0, 1e4]),
)
@torch.no_grad()
def test_a_configuration_of_another_tool_or_size_never_comes_out(
    catalogue: Catalogue, kind: str, cases: list[tuple[int, int]], seed: int, loud: float
) -> None:
    tool, size = ([case[i] for case in cases] for i in (0, 1))
    made = decoder(kind, catalogue, seed)
    ids = listed(catalogue, tool, size)
    logits = made.score(asked(made, tool, size, seed, loud)[0], ids)
    assert logits.shape == ids.shape
    assert (logits[ids < 0] == -torch.inf).all()
    assert logits[ids >= 0].isfinite().all()
    for place, (t, s) in enumerate(cases):
        if (ids[place] >= 0).any():
            chosen = int(ids[place, logits[place].argmax()])
            assert (catalogue.tool_id[chosen], catalogue.size_id[chosen]) == (t, s)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("tool", "size"), [(0, 0), (1, 2), (2, 1)])
@torch.no_grad()
def test_a_contiguous_slice_gives_the_logits_of_gathered_rows(
    catalogue: Catalogue, kind: str, tool: int, size: int
) -> None:
    made = decoder(kind, catalogue)
    query, ids = asked(made, [tool, 0], [size, 1])[0], listed(catalogue, [tool, 0], [size, 1])
    torch.testing.assert_close(made.score(query[:1], ids[:1]), made.score(query, ids)[:1])
    scattered = ids[:1, [4, 0, 7]]
    torch.testing.assert_close(made.score(query[:1], scattered), made.score(query, ids)[:1, [4, 0, 7]])


@pytest.mark.parametrize("kind", ["hierarchical", "flat"])
@torch.no_grad()
def test_a_logit_is_the_product_of_query_and_row(catalogue: Catalogue, kind: str) -> None:
    made = decoder(kind, catalogue)
    query, ids = asked(made, [0, 2], [1, 2])[0], listed(catalogue, [0, 2], [1, 2])
    expected = [
        [float(query[b] @ made.config_head.weight[i] + made.config_head.bias[i]) for i in ids[b]] for b in range(2)
    ]
    assert made.score(query, ids).tolist() == [pytest.approx(row, rel=1e-4, abs=1e-4) for row in expected]


def test_the_rows_of_the_head_start_as_the_vectors_of_the_encoder(catalogue: Catalogue) -> None:
    vectors = torch.randn(len(catalogue), HIDDEN)
    made = registry.load("decoder", "hierarchical")(HIDDEN, DIM, 3, make_rows(catalogue, vectors))
    assert torch.equal(made.config_head.weight, vectors)
    assert not made.config_head.bias.any()


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_joint_training_starts_where_the_warm_up_ended(catalogue: Catalogue, kind: str) -> None:
    """The warm-up knows no state: until the joint training has moved its weight, a state makes no difference."""
    rows = make_rows(catalogue, torch.randn(len(catalogue), HIDDEN))
    made = registry.load("decoder", kind)(HIDDEN, DIM, 3, rows)
    window, tool, size = torch.randn(2, DIM), torch.tensor([0, 1]), torch.tensor([2, 0])
    without = made.ask(torch.zeros(2, HIDDEN), window, tool, size)
    assert torch.equal(made.ask(torch.randn(2, HIDDEN), window, tool, size), without)


@torch.no_grad()
def test_a_tool_of_the_flat_decoder_weighs_what_its_configurations_weigh_together(catalogue: Catalogue) -> None:
    made = decoder("flat", catalogue)
    query, state, window = asked(made, [0, 2, 1], [1, 2, 0])
    everything = query @ made.config_head.weight.T + made.config_head.bias
    share = torch.softmax(everything, dim=1)
    expected = torch.stack([share[:, catalogue.slice(tool)].sum(dim=1) for tool in range(3)], dim=1)
    torch.testing.assert_close(torch.softmax(made.tools(state, window), dim=1), expected)


@torch.no_grad()
def test_the_flat_decoder_is_told_neither_tool_nor_size(catalogue: Catalogue) -> None:
    made = decoder("flat", catalogue)
    state, window = torch.randn(1, HIDDEN), torch.randn(1, DIM)
    queries = [
        made.ask(state, window, torch.tensor([tool]), torch.tensor([size])) for tool in range(3) for size in range(3)
    ]
    assert all(torch.equal(query, queries[0]) for query in queries)
    told = decoder("hierarchical", catalogue)
    assert not torch.equal(*(told.ask(state, window, torch.tensor([1]), torch.tensor([size])) for size in (0, 1)))


@torch.no_grad()
def test_the_regressor_takes_the_row_nearest_to_its_four_values(catalogue: Catalogue) -> None:
    made = decoder("regressor", catalogue)
    value, ids = asked(made, [1], [1])[0], listed(catalogue, [1], [1])
    resources = np.log2(1 + catalogue.requirement)
    scale = np.where(resources.std(axis=0) > 0, resources.std(axis=0), 1.0)
    scaled = (resources - resources.mean(axis=0)) / scale
    distance = np.linalg.norm(scaled[ids[0].numpy()][:, [0, 2, 3]] - value[0].numpy()[[0, 2, 3]], axis=1)
    assert int(made.score(value, ids).argmax()) == int(distance.argmin())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("everywhere", [False, True])
@torch.no_grad()
def test_the_loss_is_what_its_kind_says(catalogue: Catalogue, kind: str, everywhere: bool) -> None:
    made = decoder(kind, catalogue)
    cases = [(0, 1, 12), (2, 2, 80), (1, 0, 30)]
    tool, size, config = (list(column) for column in zip(*cases, strict=True))
    query, ids = asked(made, tool, size)[0], listed(catalogue, tool, size)
    place = [ids[b].tolist().index(c) for b, c in enumerate(config)]
    batch = SimpleNamespace(ids_BN=ids, place_B=torch.tensor(place), config_B=torch.tensor(config))
    if kind == "regressor":
        error = np.abs(query.numpy() - made.features_NF[config].numpy())
        expected = np.where(error < 1, error**2 / 2, error - 0.5).sum()
    else:
        logits = (query @ made.config_head.weight.T + made.config_head.bias).double().numpy()
        wide = everywhere or kind == "flat"
        pools = [np.arange(81) if wide else ids[b].numpy() for b in range(3)]
        expected = sum(np.log(np.exp(logits[b, pools[b]] - logits[b, config[b]]).sum()) for b in range(3))
    assert float(made.config_loss(batch, query, made.score(query, ids), everywhere)) == pytest.approx(
        float(expected), rel=1e-4
    )


@pytest.mark.parametrize("kind", ["hierarchical", "flat"])
def test_vectors_that_are_not_to_be_trained_are_frozen(catalogue: Catalogue, kind: str) -> None:
    rows = make_rows(catalogue, torch.randn(81, HIDDEN))
    made = Heads(HIDDEN, 1.0, 3, rows, Temporal(points=8, dim=DIM), Decoder(kind=kind, train_vectors=False))
    frozen = [name for name, parameter in made.named_parameters() if not parameter.requires_grad]
    assert frozen == ["decoder.config_head.weight"]


def test_the_rows_listed_for_training_are_those_of_the_examples_tool_and_size(catalogue: Catalogue) -> None:
    nothing = np.zeros((4, 2, 3), dtype=np.float32)
    examples = SimpleNamespace(
        text_E=np.arange(4), tool_E=np.array([0, 2, 1, -1]), size_E=np.array([1, 2, 0, 0]),
        config_E=np.array([12, 80, -1, -1]), now_ECP=nothing, start_ECP=nothing, excess_EN=nothing,
        grams=[[], [7], [], []],
    )  # fmt: skip
    batch = Batches(examples, catalogue).batch(np.array([1, 0, 3]))
    assert torch.equal(batch.ids_BN[:2], listed(catalogue, [2, 0], [2, 1]))
    assert batch.ids_BN[[0, 1], batch.place_B[:2]].tolist() == [80, 12]
    assert batch.tool_B.tolist() == [2, 0, -1]
    assert batch.has_grams_B.tolist() == [True, False, False]
    few = batch.rows(batch.config_B >= 0)
    assert few.text_B.tolist() == [1, 0]
