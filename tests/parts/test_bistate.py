"""The two terms are what their definitions say, computed here row by row."""

import math

import pytest
import torch

from tomas.config import Bistate as BistateParams
from tomas.parts.bistate import Bistate


def outputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {
        "query_BH": torch.randn(4, 6, requires_grad=True),
        "rows_NH": torch.randn(7, 6, requires_grad=True),
        "anchor_NH": torch.randn(7, 6),
        "row_tool_N": torch.tensor([0, 0, 0, 1, 1, 2, 2]),
        "config_B": torch.tensor([1, -1, 4, 2]),
    }


def cosine(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(a.detach() @ b.detach() / a.detach().norm() / b.detach().norm())


def test_the_terms_match_their_definitions() -> None:
    given = outputs()
    terms = Bistate(BistateParams(alpha=0.35, beta=0.2, tau=0.15)).loss_terms(given)
    used = [0, 1, 2, 3, 4]  # the rows of tools 0 and 1; nothing in the batch is of tool 2
    anchor = sum(1 - cosine(given["rows_NH"][n], given["anchor_NH"][n]) for n in used) / len(used)
    contrast = 0.0
    for b, target, of_tool in ((0, 1, [0, 1, 2]), (2, 4, [3, 4]), (3, 2, [0, 1, 2])):
        scores = {n: cosine(given["query_BH"][b], given["rows_NH"][n]) / 0.15 for n in of_tool}
        contrast -= (scores[target] - math.log(sum(map(math.exp, scores.values())))) / 3
    assert terms["align_anchor"].item() == pytest.approx(0.35 * anchor, rel=1e-5)
    assert terms["align_contrast"].item() == pytest.approx(0.2 * contrast, rel=1e-5)


def test_rows_at_their_anchor_are_not_pulled() -> None:
    given = outputs()
    given["anchor_NH"] = 3.0 * given["rows_NH"].detach()
    assert Bistate(BistateParams()).loss_terms(given)["align_anchor"].item() == pytest.approx(0.0, abs=1e-6)


def test_a_batch_without_configurations_adds_nothing() -> None:
    given = outputs()
    given["config_B"] = torch.full((4,), -1)
    assert [term.item() for term in Bistate(BistateParams()).loss_terms(given).values()] == [0.0, 0.0]


def test_both_terms_reach_the_weights() -> None:
    given = outputs()
    sum(Bistate(BistateParams()).loss_terms(given).values()).backward()  # type: ignore[union-attr]
    assert given["rows_NH"].grad is not None
    assert given["query_BH"].grad is not None
    assert (given["query_BH"].grad[1] == 0).all()  # the row without a configuration
