"""A directory of CSVs becomes timelines.csv, or every mistake in it is told."""

import io

import pandas as pd
import pytest

from tests.data.small import write
from tomas.data.problems import DataError
from tomas.data.readers import read_timelines
from tomas.data.timeline_import import import_timelines
from tomas.errors import UsageError, UserError

HEADER = "time_ms,cpu_cores,cpu_mem_gb,gpu_sm,gpu_mem_gb\n"


def recording(rows: int) -> str:
    return HEADER + "".join(f"{row * 100},{row % 5},{row},{row % 100},2.5\n" for row in range(rows))


def test_names_kinds_and_rows_come_from_the_files(tmp_path):
    write(tmp_path / "cluster_a" / "monday.csv", recording(3))
    write(tmp_path / "tuesday.csv", "note,gpu_mem_gb,gpu_sm,cpu_mem_gb,cpu_cores,time_ms\nx,4,30,2,1,0\n")
    rows = pd.read_csv(io.StringIO(import_timelines(tmp_path)))
    assert rows.groupby("timeline", sort=False)["kind"].first().to_dict() == {
        "cluster_a/monday": "cluster_a",
        "tuesday": "imported",
    }
    assert rows.iloc[-1, 3:].tolist() == [0, 1, 2, 30, 4]


def test_what_is_imported_passes_validation_and_three_files_make_three_splits(tmp_path):
    for name in "abc":
        write(tmp_path / "in" / f"{name}.csv", recording(30))
    write(tmp_path / "timelines.csv", import_timelines(tmp_path / "in"))
    problems = []
    rows = read_timelines(tmp_path / "timelines.csv", problems)
    assert problems == []
    assert set(rows["split"]) == {"train", "val", "test"}


def test_long_recordings_are_cut_into_windows_that_begin_at_0_and_share_a_split(tmp_path):
    write(tmp_path / "long.csv", recording(25))
    rows = pd.read_csv(io.StringIO(import_timelines(tmp_path, window_ms=1000)))
    assert rows.groupby("timeline")["time_ms"].agg(["min", "max", "size"]).to_numpy().tolist() == [
        [0, 900, 10],
        [0, 900, 10],
        [0, 400, 5],
    ]
    assert rows["split"].nunique() == 1
    assert rows["cpu_mem_gb"].tolist() == list(range(25))


def test_every_bad_file_is_named_at_once(tmp_path):
    write(tmp_path / "late.csv", HEADER + "0,1,1,1,1\n5,1,1,1,1\n5,1,1,1,1\n")
    write(tmp_path / "negative.csv", HEADER + "0,-1,1,1200,1\n")
    write(tmp_path / "fine.csv", recording(2))
    with pytest.raises(DataError) as error:
        import_timelines(tmp_path)
    found = [(problem.file.rsplit("/", 1)[1], problem.line, problem.column) for problem in error.value.problems]
    assert found == [("late.csv", 4, "time_ms"), ("negative.csv", 2, "cpu_cores"), ("negative.csv", 2, "gpu_sm")]


def test_a_folder_without_csv_and_a_bad_window_are_told(tmp_path):
    with pytest.raises(DataError, match="no CSV file"):
        import_timelines(tmp_path)
    with pytest.raises(UserError, match="not a directory"):
        import_timelines(tmp_path / "absent")
    with pytest.raises(UsageError, match="window"):
        import_timelines(tmp_path, window_ms=0)
