"""docs/your-own-tools.md works as it stands; other catalogues work too, up to a hundred tools."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.data.small import csv_text, write
from tomas.cli import main
from tomas.config import Labelling, Machine
from tomas.data.labelling import label
from tomas.data.timelines import capacity, make_timelines
from tomas.data.validate import validate
from tomas.data.validated import load_catalogue, load_requests, load_timelines
from tomas.domain.catalogue import ROW_COLUMNS
from tomas.domain.resources import SIZES
from tomas.paths import Paths

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = BLOCK.findall((ROOT / "docs/your-own-tools.md").read_text(encoding="utf-8"))


def run(command: str) -> None:
    """Run one line of the page as its reader would."""
    program, *words = shlex.split(command)
    if program == "tomas":
        assert main(words) == 0
        return
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    ran = subprocess.run([sys.executable, *words], env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.slow
def test_the_page_can_be_followed_from_top_to_bottom(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for kind, name, text in BLOCKS:
        if kind == "console":
            for line in text.splitlines():
                run(line.removeprefix("$ "))
        elif name:
            write(tmp_path / name, text)
    report = json.loads((tmp_path / "data/validated/report.json").read_text())
    assert report["profiles"]["rows_by_tool"] == {
        "read_alignment": 8,
        "variant_calling": 10,
        "structure_prediction": 5,
    }
    train = pd.read_parquet(tmp_path / "data/labelled/train.parquet")
    assert len(train) == 400
    assert {"ready", "wait", "no_tool"} <= set(train["status"])
    assert set(train["tool"].dropna()) == set(report["profiles"]["rows_by_tool"])


def test_the_pages_messages_are_the_real_ones(tmp_path, monkeypatch):
    """The shown mistakes, made on purpose, are told in the shown words."""
    monkeypatch.chdir(tmp_path)
    files = {name: text for _, name, text in BLOCKS if name}
    files["data/tool_registry/tools.json"] = files["data/tool_registry/tools.json"].replace(
        '"description": "Lists', '"desc": "Lists'
    )
    rows = files["data/profiling/profiling.csv"].splitlines(keepends=True)
    rows[6] = rows[6].replace("24,48,0,0", "24,48,1200,0").replace("16,32,0,0", "16,32,1200,0")
    files["data/profiling/profiling.csv"] = "".join(rows)
    shown = next(text for kind, _, text in BLOCKS if kind == "text").splitlines()
    for name, text in files.items():
        write(tmp_path / name, text)
    from tomas.data.problems import Problem
    from tomas.data.readers import read_profiles, read_tools

    problems: list[Problem] = []
    paths = Paths(tmp_path)
    read_tools(paths.tools, problems, "data/tool_registry/tools.json")
    read_profiles(paths.profiles, None, problems, "data/profiling/profiling.csv")
    told = list(map(str, problems))
    assert shown[0] in told
    assert shown[1] in told


def test_a_hundred_tools_of_unequal_tables_are_validated_and_labelled(tmp_path):
    paths = Paths(tmp_path)
    tools = [
        {
            "name": f"tool_{number:03d}",
            "description": f"Does job {number} and no other.",
            "input": {"field": "items", "small_max": 3, "medium_max": 30, "units": ["item", "items"]},
        }
        for number in range(100)
    ]
    rows = [
        (tool["name"], size, cores, 2, gpu, gpu / 25, 400 * (place + 1) / cores + number)
        for number, tool in enumerate(tools)
        for place, size in enumerate(SIZES)
        for cores in (1, 2, 4, 8)[: 1 + number % 4]
        for gpu in ((0,) if number % 3 else (0, 25, 50))
    ]
    requests = [
        {"text": f"please do job {number}, {count} items", "tool": tool["name"], "split": split}
        for number, tool in enumerate(tools)
        for count, split in ((2, "train"), (9, "val"), (90, "test"))
    ]
    write(paths.tools, json.dumps(tools))
    write(paths.profiles, csv_text(ROW_COLUMNS, rows))
    write(paths.requests, "".join(json.dumps(request) + "\n" for request in requests))
    whole = capacity(Machine())
    from tomas.data.readers import load_catalogue as read_catalogue

    write(paths.timelines, make_timelines(0, read_catalogue(paths.tools, paths.profiles), whole, 200))
    validate(paths, whole, paths.validated)
    catalogue = load_catalogue(paths.validated)
    assert len(catalogue) == len(rows)
    settings = Labelling(train_examples=200, eval_examples=100)
    examples = label(0, load_requests(paths.validated), load_timelines(paths.validated), catalogue, whole, settings)
    train = examples["train"]
    assert train["tool"].nunique() == 100
    placed = train[train["config_id"] >= 0]
    assert len(placed) > 100
    assert (catalogue.tool_id[placed["config_id"]] == placed["tool_id"]).all()
