"""Bad input is told all at once, with file, line, column and reason, and nothing is written."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.data.small import PROFILES, TOOLS, csv_text, project, write
from tomas.config import Machine
from tomas.data.problems import DataError
from tomas.data.timelines import capacity
from tomas.data.validate import validate
from tomas.data.validated import load_catalogue, load_requests, load_timelines
from tomas.domain.catalogue import ROW_COLUMNS
from tomas.domain.timeline import Timeline

ROOT = Path(__file__).parents[2]
WHOLE = capacity(Machine())


def problems_of(paths):
    """What validate finds, as (file, line, column, reason); it must leave nothing behind."""
    with pytest.raises(DataError) as error:
        validate(paths, WHOLE, paths.validated)
    assert not paths.validated.exists()
    assert not list(paths.root.rglob(".partial*"))
    return [(Path(p.file).name, p.line, p.column, p.reason) for p in error.value.problems]


def only(found, file, line, column, reason):
    """Say that there is this one problem and no other."""
    assert len(found) == 1, found
    assert found[0][:3] == (file, line, column)
    assert reason in found[0][3]


def replace(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    write(path, text.replace(old, new, 1))


def test_sound_input_is_written_and_described(tmp_path):
    paths = project(tmp_path)
    report = validate(paths, WHOLE, paths.validated)
    assert json.loads((paths.validated / "report.json").read_text()) == report
    assert report["profiles"]["rows_by_tool"] == {"crop_yield": 6, "milk_test": 9}
    assert report["requests"]["rows_by_tool"] == {"crop_yield": 30, "milk_test": 30, "no_tool": 30}
    assert report["timelines"]["timelines_by_split"] == {"train": 4, "val": 4, "test": 4}
    # one row of each of the six (tool, size) groups is the best; none comes near it
    assert report["profiles"]["near_best_share"] == round(6 / 15, 4)
    assert report["profiles"]["inversion_share"]["cpu_core"] == 0


def test_what_is_written_reads_back_the_same(tmp_path):
    paths = project(tmp_path)
    validate(paths, WHOLE, paths.validated)
    catalogue, timelines = load_catalogue(paths.validated), load_timelines(paths.validated)
    assert [tuple(catalogue.row(row).values()) for row in range(len(catalogue))] == sorted(
        PROFILES, key=lambda row: (row[0], ["small", "medium", "large"].index(row[1]), row[2:])
    )
    raw = pd.read_csv(paths.timelines)
    for name, rows in raw.groupby("timeline"):
        expected = Timeline.from_rows(rows)
        assert np.array_equal(timelines[name].time_ms, expected.time_ms)
        assert np.array_equal(timelines[name].free, expected.free)
    assert timelines.dwells_ms().tolist() == [200.0] * 12
    requests = load_requests(paths.validated)
    assert set(requests["tool"]) == {"crop_yield", "milk_test", None}
    assert set(requests["split"]) == {"train", "val", "test"}


def test_only_a_newline_ends_a_request(tmp_path):
    paths = project(tmp_path)
    text = "weigh\u2028the\u0085milk"
    line = json.dumps({"text": text, "tool": "milk_test"}, ensure_ascii=False)
    write(paths.requests, paths.requests.read_text() + line + "\r\n")
    validate(paths, WHOLE, paths.validated)
    assert text in set(load_requests(paths.validated)["text"])


def test_validating_twice_gives_the_same_bytes(tmp_path):
    paths = project(tmp_path)
    once, twice = tmp_path / "once", tmp_path / "twice"
    validate(paths, WHOLE, once)
    validate(paths, WHOLE, twice)
    assert [f.read_bytes() for f in sorted(once.iterdir())] == [f.read_bytes() for f in sorted(twice.iterdir())]


def test_desc_instead_of_description_is_told_with_its_line(tmp_path):
    paths = project(tmp_path)
    replace(paths.tools, '"description": "Tells', '"desc": "Tells')
    found = problems_of(paths)
    line = (
        paths.tools.read_text().splitlines().index('    "desc": "Tells from a spectrum whether milk is fit to drink.",')
    )
    assert ("tools.json", line + 1, "desc", "unknown key. Did you mean description?") in found
    assert any(column == "description" and "missing" in reason for _, _, column, reason in found)


def test_a_doubled_tool_is_told(tmp_path):
    paths = project(tmp_path)
    write(paths.tools, json.dumps([*TOOLS, TOOLS[0]], indent=2))
    [(file, line, column, reason)] = problems_of(paths)
    assert (file, column) == ("tools.json", "name")
    assert "first is on line 2" in reason
    assert line > 2


def test_a_tool_without_rows_and_a_row_without_tool_are_told(tmp_path):
    paths = project(tmp_path)
    text = paths.profiles.read_text().replace("milk_test", "milk_tests")
    write(paths.profiles, text)
    found = problems_of(paths)
    assert len(found) == 9 + 1
    assert found[0] == ("profiling.csv", 8, "tool", "'milk_tests' is not in the registry. Did you mean milk_test?")
    assert found[-1][1:3] == (None, "tool")
    assert "no row for 'milk_test'" in found[-1][3]


@pytest.mark.parametrize(
    ("cells", "column", "reason"),
    [
        ("crop_yield,small,2,4,1200,2,9", "gpu_sm", "1200 is above 100; SMs are given in percent"),
        ("crop_yield,small,-2,4,20,2,9", "cpu_core", "-2 is below 0"),
        ("crop_yield,small,2,nan,20,2,9", "cpu_mem_gb", "'nan' is not a finite number"),
        ("crop_yield,small,2,4,20,inf,9", "gpu_mem_gb", "'inf' is not a finite number"),
        ("crop_yield,small,8,4,20,2,", "latency_ms", "empty where a number is needed"),
        ("crop_yield,small,8,4,20,2,fast", "latency_ms", "'fast' is not a finite number"),
        ("crop_yield,small,8,4,20,2,0", "latency_ms", "must be above 0"),
        ("crop_yield,tiny,2,4,20,2,9", "input_size", "unknown size 'tiny': it must be one of small, medium, large"),
        ("crop_yield,small,2,4,20,2", None, "6 cells where the header has 7"),
        ("crop_yield,small,2,4,20,2,77", None, "the same tool, size and resources as on line 2"),
    ],
)
def test_a_bad_row_of_profiles_is_told(tmp_path, cells, column, reason):
    paths = project(tmp_path)
    write(paths.profiles, paths.profiles.read_text() + cells + "\n")
    only(problems_of(paths), "profiling.csv", 17, column, reason)


def test_a_missing_column_is_told_with_the_one_that_was_perhaps_meant(tmp_path):
    paths = project(tmp_path)
    replace(paths.profiles, "cpu_core,", "cpu_cores,")
    only(problems_of(paths), "profiling.csv", 1, "cpu_core", "the column is missing. Did you mean cpu_cores?")


@pytest.mark.parametrize("kind", ["tools", "profiles", "requests", "timelines"])
def test_a_file_that_is_absent_empty_or_not_utf8_is_told(tmp_path, kind):
    paths = project(tmp_path)
    path = getattr(paths, kind)
    good = path.read_bytes()
    path.unlink()
    only(problems_of(paths), path.name, None, None, "cannot be read")
    path.write_bytes(b" \n")
    only(problems_of(paths), path.name, None, None, "empty")
    path.write_bytes(good.replace(b"\n", b"\n\xff", 1))
    only(problems_of(paths), path.name, 2, None, "not UTF-8")
    path.write_bytes(b"\xef\xbb\xbf" + good.replace(b"\n", b"\r\n"))  # as a spreadsheet saves it
    validate(paths, WHOLE, paths.validated)


def test_a_header_without_rows_is_told(tmp_path):
    paths = project(tmp_path)
    write(paths.profiles, csv_text(ROW_COLUMNS, []))
    only(problems_of(paths), "profiling.csv", 1, None, "no row")


@pytest.mark.parametrize(
    ("old", "new", "line", "column", "reason"),
    [
        ("train0,made,train,400,", "train0,made,train,200,", 4, "time_ms", "time must increase: 200 comes after 200"),
        ("train0,made,train,400,", "train0,made,training,400,", 4, "split", "unknown split 'training'"),
        ("train0,made,train,400,3,", "train0,made,train,400,-3,", 4, "cpu_cores", "-3 is below 0"),
        ("train3,made,train,3800,3,8,40,4", "train0,made,train,3800,3,8,40,4", 81, "timeline", "began on line 2"),
    ],
)
def test_a_bad_row_of_timelines_is_told(tmp_path, old, new, line, column, reason):
    paths = project(tmp_path)
    replace(paths.timelines, old, new)
    found = problems_of(paths)
    assert found[0][:3] == ("timelines.csv", line, column)
    assert reason in found[0][3]


@pytest.mark.parametrize(
    ("row", "column", "reason"),
    [
        ('{"tool": null}', "text", "the key is missing"),
        ('{"text": "  ", "tool": null}', "text", "the text is empty"),
        ('{"text": "hello"}', "tool", "the key is missing"),
        ('{"text": "hello", "tool": "milk_tst"}', "tool", "not in the registry. Did you mean milk_test?"),
        ('{"txt": "hello", "text": "hi", "tool": null}', "txt", "unknown key. Did you mean text?"),
        ('{"text": "hello", "tool": null, "input": {"samples": -1}}', "input.samples", "greater than or equal to 0"),
        ('{"text": "hello", "tool": null, "input_size": "huge"}', "input_size", "'small', 'medium' or 'large'"),
        ('{"text": "hello", "tool": null', None, "not JSON"),
        ('["hello"]', None, "a request is an object"),
    ],
)
def test_a_bad_request_is_told(tmp_path, row, column, reason):
    paths = project(tmp_path)
    write(paths.requests, paths.requests.read_text() + "\n" + row + "\n")
    only(problems_of(paths), "requests.jsonl", 92, column, reason)


def test_all_files_mistakes_come_in_one_message(tmp_path):
    paths = project(tmp_path)
    replace(paths.tools, '"description": "Tells', '"desc": "Tells')
    write(paths.profiles, paths.profiles.read_text() + "crop_yield,small,-2,4,1200,2,nan\n")
    write(paths.requests, paths.requests.read_text() + "{}\n")
    replace(paths.timelines, "train0,made,train,400,", "train0,made,train,0,")
    with pytest.raises(DataError) as error:
        validate(paths, WHOLE, paths.validated)
    lines = str(error.value).splitlines()
    assert len(lines) == 2 + 3 + 2 + 1
    assert "data/profiling/profiling.csv:17: gpu_sm: 1200 is above 100; SMs are given in percent" in lines


def test_endless_lists_of_mistakes_are_cut_and_counted(tmp_path):
    paths = project(tmp_path)
    write(paths.requests, "{}\n" * 200)
    with pytest.raises(DataError) as error:
        validate(paths, WHOLE, paths.validated)
    assert len(error.value.problems) == 400
    assert str(error.value).splitlines()[-1].endswith("... and 300 more problems of 400")


@pytest.mark.slow
def test_the_stage_ends_with_1_and_writes_nothing(tmp_path):
    paths = project(tmp_path)
    write(paths.params, "tracker: none\n")
    write(paths.profiles, paths.profiles.read_text() + "crop_yield,small,2,4,1200,2,9\n")
    ran = subprocess.run(
        [sys.executable, "-m", "stages.validate_data"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert "data/profiling/profiling.csv:17: gpu_sm: 1200 is above 100" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not paths.validated.exists()
