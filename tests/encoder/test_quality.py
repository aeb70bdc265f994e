"""The encoder's figures against computations of their own."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from tests.encoder.small import CATALOGUE, task
from tomas.encoder.export import configuration_vectors
from tomas.encoder.fusion import MAX_SHARE
from tomas.encoder.pretraining import PretrainingTask, Rows
from tomas.encoder.quality import FEATURES, encoder_quality, identification, recoverability
from tomas.encoder.resource import scaled


class Recording(PretrainingTask):
    """Keeps which rows were asked for."""

    asked: list[int]

    def rows(self, rows: list[int], vectors_B6: torch.Tensor) -> Rows:
        self.asked = [*getattr(self, "asked", []), *rows]
        return super().rows(rows, vectors_B6)


def test_recoverability_is_the_r2_of_a_ridge_regression_on_held_out_rows() -> None:
    vectors = configuration_vectors(task().encoder, CATALOGUE)
    found = recoverability(vectors, CATALOGUE)
    x, y = vectors.double().numpy(), scaled(torch.tensor(CATALOGUE.vector6(), dtype=torch.float32)).double().numpy()
    held = np.arange(len(x)) % 5 == 0
    centred = x[~held] - x[~held].mean(axis=0)
    ridge = Ridge(alpha=1e-3 * (centred**2).sum() / x.shape[1]).fit(x[~held], y[~held])
    said = ridge.predict(x[held])
    for place, name in enumerate(FEATURES):
        if name == "cpu_mem_gb":  # the same in every row: nothing to recover
            assert found[name] is None
        else:
            assert found[name] == pytest.approx(r2_score(y[held, place], said[:, place]), rel=1e-6)


def test_identification_is_the_share_of_jittered_rows_nearest_to_themselves() -> None:
    made = task(alpha=1.0)
    vectors = configuration_vectors(made.encoder, CATALOGUE)
    noise = np.random.default_rng(7).uniform(-1, 1, (len(CATALOGUE), 6)) * 0.2
    right = 0
    for row, numbers in enumerate(CATALOGUE.vector6() * (1 + noise)):
        with torch.no_grad():
            moved = made.encoder(torch.tensor([CATALOGUE.tool_id[row]]), torch.tensor(numbers[None]).float())
        right += int((vectors - moved).norm(dim=1).argmin()) == row
    share = identification(made.encoder, vectors, CATALOGUE, 0.2, 7)
    assert share == pytest.approx(right / len(CATALOGUE))
    assert 0 < share < 1
    assert identification(made.encoder, vectors, CATALOGUE, 0.0, 7) == 1.0


def test_pure_meaning_is_retained_whole_and_a_share_of_resources_takes_from_it() -> None:
    shut, opened = task(alpha=0.0), task(alpha=0.5)
    figures = [encoder_quality(made, CATALOGUE, 0) for made in (shut, opened)]
    assert figures[0]["semantic_retention"] == pytest.approx(1.0)
    vectors = configuration_vectors(opened.encoder, CATALOGUE).numpy()
    meanings = opened.encoder.semantics.numpy()[CATALOGUE.tool_id]
    cosines = (vectors * meanings).sum(axis=1) / np.linalg.norm(vectors, axis=1) / np.linalg.norm(meanings, axis=1)
    assert figures[1]["semantic_retention"] == pytest.approx(float(cosines.mean()), rel=1e-5)
    assert figures[1]["alpha"] == 0.5
    assert task(alpha=2.0).encoder.alpha == pytest.approx(MAX_SHARE)  # as it is used, not as it is stored


def test_saying_is_measured_without_jitter_on_a_share_of_the_rows() -> None:
    made = task(Recording, jitter=0.5)
    figures = encoder_quality(made, CATALOGUE, 0)
    asked, made.asked = made.asked, []
    assert len(asked) == len(set(asked)) == 17
    losses, rights, values = [], [], []
    for row in asked:
        batch = made.rows([row], made.vectors_N6[[row]])
        with torch.no_grad():
            loss, right = made.say(batch)
        losses += loss.tolist()
        rights += right.tolist()
        values += right[batch.is_value_BT[0]].tolist()
    assert figures["final_loss"] == pytest.approx(np.mean(losses), rel=1e-4)
    assert figures["token_accuracy"] == pytest.approx(np.mean(rights))
    assert figures["value_token_accuracy"] == pytest.approx(np.mean(values))


def test_saying_is_measured_on_every_value_of_a_grid() -> None:
    made = task(Recording)
    encoder_quality(made, CATALOGUE, 0)
    table = CATALOGUE.vector6()
    for column in range(5):
        assert set(table[made.asked, column]) == set(table[:, column])
