"""`tomas data` as people call it."""

from pathlib import Path

import pytest

from tests.data.small import project, write
from tomas.cli import main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    return project(tmp_path)


def test_profiles_go_where_they_are_told(paths, capsys):
    before = paths.profiles.read_text()
    out = paths.root / "elsewhere" / "profiles.csv"
    assert main(["data", "make-profiles", "--out", str(out)]) == 0
    assert out.read_bytes() == (ROOT / "data/profiling/profiling.csv").read_bytes()
    assert paths.profiles.read_text() == before
    assert capsys.readouterr().out == f"{out}: 1702 lines\n"


def test_timelines_are_made_for_the_projects_own_catalogue_and_machine(paths):
    write(paths.params, "machine: {cpu_cores: 2, cpu_mem_gb: 8, gpu_sm: 0, gpu_mem_gb: 0}\n")
    assert main(["data", "make-timelines", "--count", "21", "--seed", "3"]) == 0
    rows = [line.split(",") for line in paths.timelines.read_text().splitlines()[1:]]
    assert len({row[0] for row in rows}) == 21
    assert max(float(row[4]) for row in rows) <= 2
    assert {row[6] for row in rows} == {"0"}


def test_a_mistake_leaves_the_old_file_and_ends_with_1(paths, capsys):
    before = paths.requests.read_text()
    assert main(["data", "make-requests"]) == 1
    assert "no frame files" in capsys.readouterr().err
    assert paths.requests.read_text() == before


def test_imported_timelines_take_the_place_of_the_old_ones(paths):
    text = "time_ms,cpu_cores,cpu_mem_gb,gpu_sm,gpu_mem_gb\n0,1,2,3,4\n"
    write(paths.root / "mine" / "a.csv", text)
    assert main(["data", "import-timelines", "mine"]) == 0
    assert paths.timelines.read_text().splitlines()[1:] == ["a,imported,train,0,1,2,3,4"]
