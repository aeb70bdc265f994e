"""dvc.yaml against the code: what a stage may read, what it imports and what it writes."""

import ast
import importlib
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.pipeline.imports import ROOT, reached, source
from tomas.config import Params
from tomas.runtime.stage import Stage

PIPELINE: dict[str, Any] = YAML(typ="safe").load(ROOT / "dvc.yaml")
STAGES: dict[str, dict[str, Any]] = PIPELINE["stages"]
WRITES = {
    "validate-data": ["data/validated"],
    "pretrain-encoder": ["assets/pretrained_encoder.pt", "plots/pretrain.csv"],
    "export-config-weights": ["assets/config_weights.pt"],
    "build-lookup-tables": ["assets/config_lookup.json", "assets/tool_mask_map.json"],
    "label-requests": ["data/labelled"],
    "train-lora-decoder": ["assets/planner", "plots/train.csv"],
    "evaluate": ["plots/confusion.csv", "plots/regret.csv", "plots/reliability.csv", "reports/evaluation.html"],
}
every_stage = pytest.mark.parametrize("name", list(STAGES))


def stage_main(name: str) -> Stage:
    main = importlib.import_module(module_of(name)).main
    assert isinstance(main, Stage)
    return main


def module_of(name: str) -> str:
    return f"stages.{name.replace('-', '_')}"


def code_deps(name: str) -> set[str]:
    return {dep for dep in STAGES[name]["deps"] if dep.startswith(("tomas/", "stages/"))}


def covers(dep: str, file: Path) -> bool:
    path = ROOT / dep
    return file == path or path in file.parents


def says_something(module: str) -> bool:
    """Whether a module holds more than a docstring."""
    return len(ast.parse(source(module).read_text(encoding="utf-8")).body) > 1


def test_the_pipeline_is_the_specified_one() -> None:
    assert {name: sorted(entry["outs"]) for name, entry in STAGES.items()} == WRITES


@every_stage
def test_a_stage_runs_as_a_module_so_that_an_experiments_copy_runs_its_own_code(name: str) -> None:
    assert STAGES[name]["cmd"] == f"python -u -m {module_of(name)}"
    assert stage_main(name).name == name


@every_stage
def test_the_declared_parameters_are_those_the_code_may_read(name: str) -> None:
    declared = STAGES[name].get("params", [])
    assert sorted(declared) == sorted(stage_main(name).sections)
    assert set(declared) <= Params.model_fields.keys()


@every_stage
def test_metrics_are_kept_in_git(name: str) -> None:
    metrics = stage_main(name).metrics
    expected = [{f"metrics/{metrics}.json": {"cache": False}}] if metrics else []
    assert STAGES[name].get("metrics", []) == expected


@every_stage
def test_dependencies_are_the_code_that_is_imported(name: str) -> None:
    files = {source(module) for module in reached(module_of(name)) if says_something(module)}
    files.add(source(module_of(name)))
    deps = code_deps(name)
    missing = [str(file.relative_to(ROOT)) for file in sorted(files) if not any(covers(dep, file) for dep in deps)]
    assert not missing, f"add to deps of {name}: {missing}"
    needless = [dep for dep in sorted(deps) if not any(covers(dep, file) for file in files)]
    assert not needless, f"take from deps of {name}: {needless}"


@every_stage
def test_data_comes_from_git_or_from_an_earlier_stage(name: str) -> None:
    made = [out for entry in STAGES.values() for out in entry["outs"]]
    for dep in set(STAGES[name]["deps"]) - code_deps(name):
        from_stage = any(dep == out or dep.startswith(f"{out}/") for out in made)
        assert from_stage or (ROOT / dep).exists(), dep


def test_plots_show_tables_that_stages_write() -> None:
    made = {out for entry in STAGES.values() for out in entry["outs"]}
    for plot in PIPELINE["plots"]:
        for definition in plot.values():
            assert set(definition["y"]) <= made


def test_metrics_files_are_not_ignored_by_git() -> None:
    ignored = (ROOT / ".gitignore").read_text().split()
    assert "/metrics/" not in ignored
    assert {"/assets/", "/plots/", "/reports/", "/.tomas/"} <= set(ignored)
