"""Experiments of DVC and their record: what ran, and what was restored without running."""

import pytest

from tests.pipeline.project import Project

POINTS = "select r.name, m.value from runs r join latest_metrics m on m.run_uuid = r.run_uuid where m.key = 'toy/score'"


@pytest.mark.slow
def test_a_sweep_is_whole_in_the_store_even_where_dvc_restored_a_point(toy: Project) -> None:
    toy.set_params("jsonl", "mlflow")
    toy.run("dvc", "repro")
    toy.commit("a finished run")
    done = toy.run("tomas", "sweep", "grid", "encoder.lr=0.25,0.125", "--jobs", "2")
    assert "grid-1: success" in done.stdout
    assert "grid-2: success" in done.stdout
    assert toy.run("git", "status", "--porcelain").stdout == "", "a sweep must not touch the workspace"
    expected = [("dvc repro", 1.0), ("grid-1", 0.5), ("grid-2", 0.25)]
    assert sorted(toy.sql(POINTS)) == expected

    # The same point again: its stage comes from DVC's run cache and tells the store nothing.
    toy.run("dvc", "exp", "run", "-n", "again", "-S", "encoder.lr=0.25")
    assert sorted(toy.sql(POINTS)) == expected
    assert toy.run("tomas", "tracking", "sync").stdout.startswith("1 experiments added")
    assert sorted(toy.sql(POINTS)) == [("again", 0.5), *expected]
    assert toy.run("tomas", "tracking", "sync").stdout.startswith("0 experiments added")
    assert "# where runs go" in (toy.root / "params.yaml").read_text()


@pytest.mark.slow
def test_a_failed_point_is_named(toy: Project) -> None:
    done = toy.run("tomas", "sweep", "bad", "encoder.lr=-1", check=False)
    assert done.returncode == 1
    assert "failed: bad" in done.stderr
