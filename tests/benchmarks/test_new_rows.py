"""Rows that are hidden from training are in no choice and no answer there, and are measured apart afterwards."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from benchmarks import new_rows
from tests.planner.small_training import BASE, prepare, small_params, train
from tomas.backbone.loading import load_backbone
from tomas.domain.catalogue import Catalogue
from tomas.paths import Paths
from tomas.planner.artifact import read_artifact
from tomas.planner.examples import Batches, Examples


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    paths = prepare(tmp_path)
    paths.params.write_text(yaml.safe_dump(BASE))
    train(paths, small_params(), paths.planner)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", str(torch.get_num_threads()))
    (tmp_path / "benchmarks").mkdir()
    return paths


def read(paths: Paths) -> tuple[Examples, Catalogue]:
    artifact = read_artifact(paths.planner)
    backbone = load_backbone(small_params().backbone)
    return new_rows.read(paths, artifact, backbone, "train"), artifact.catalogue


def test_no_example_is_answered_with_a_hidden_row_or_chooses_among_them(paths: Paths) -> None:
    examples, catalogue = read(paths)
    before = Batches(examples, catalogue)
    hidden_N = new_rows.hide(before.ids_case, len(catalogue), seed=1)
    assert 0.1 < hidden_N.mean() < 0.3
    after = new_rows.without(before, hidden_N)
    assert after.examples.config_E.max() >= 0
    assert not hidden_N[after.examples.config_E[after.examples.config_E >= 0]].any()
    rows = np.arange(len(examples))
    ids_BN, known_BN = after.batch(rows).ids_BN.numpy(), before.batch(rows).ids_BN.numpy()
    assert not hidden_N[ids_BN[ids_BN >= 0]].any()
    assert ((ids_BN == known_BN) | hidden_N[known_BN]).all()  # the others stay where they were
    assert (after.examples.excess_EN[(ids_BN < 0)] == -1).all()


def test_the_table_has_a_row_for_each_way_of_giving_vectors(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    assert new_rows.main(["--seeds", "0"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert [row.split("|")[1].strip() for row in rows[2:]] == list(new_rows.LINES)
    kept = (paths.root / "benchmarks" / "new_rows.json").read_text()
    assert new_rows.main(["--seeds", "0"]) == 0  # measured already
    assert (paths.root / "benchmarks" / "new_rows.json").read_text() == kept
