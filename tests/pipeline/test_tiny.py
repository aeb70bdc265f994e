"""The whole pipeline at tiny size, with the real dvc, in a copy of this repository."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import psutil
import pytest
import torch
from ruamel.yaml import YAML

from tests.pipeline.imports import ROOT
from tests.pipeline.project import Project
from tests.processes import runs, wait_for
from tomas.data.validated import load_catalogue
from tomas.domain.plan import Plan
from tomas.kernel import profiles
from tomas.kernel.yaml_files import yaml_text
from tomas.tracking import RunInfo
from tomas.tracking.mlflow import open_mlflow
from tomas.tracking.mlflow.model import ALIAS, NAME
from tomas.tracking.mlflow.store import open_store, store_uri
from tomas.tracking.provenance import gather

pytestmark = pytest.mark.slow
WORKSPACE_ONLY = ("metrics/", "dvc.lock")


def copy_of_this_repository(root: Path) -> Project:
    """What a clone would hold if the working tree were committed, with the tiny profile in use."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in listed.stdout.decode().split("\0"):
        if name and not name.startswith(WORKSPACE_ONLY) and (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)
    project = Project(root)
    project.run("git", "init", "-q", "-b", "main")
    project.run("tomas", "profile", "use", "tiny")
    project.set_params("tracker: mlflow", "tracker: jsonl")
    project.run("git", "config", "user.name", "t")
    project.run("git", "config", "user.email", "t@example.org")
    project.commit("start")
    return project


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy in which the pipeline has run once and its results are committed."""
    project = copy_of_this_repository(tmp_path_factory.mktemp("tiny") / "project")
    project.run("dvc", "repro")
    project.commit("results")
    return project


def outputs(project: Project) -> dict[str, str]:
    """The hash of everything the stages before `evaluate` wrote; that one measures times too."""
    lock = YAML(typ="safe").load(project.root / "dvc.lock")["stages"]
    assert len(lock) == 7
    return {out["path"]: out["md5"] for name in lock if name != "evaluate" for out in lock[name]["outs"]}


def wait_for_checkpoint(project: Project, stage: str, dvc: "subprocess.Popen[str]") -> None:
    """Poll until the stage has saved its state."""
    while not list((project.root / ".tomas" / "checkpoints").glob(f"{stage}-*/**/checkpoint.pt")):
        assert dvc.poll() is None, "dvc has ended"
        time.sleep(0.02)


def stage_process(dvc: "subprocess.Popen[str]", module: str) -> Iterator[psutil.Process]:
    for child in psutil.Process(dvc.pid).children(recursive=True):
        if module in child.cmdline():  # a shell that started it has the whole command as one word
            yield child


def test_every_output_is_there_and_agrees(finished: Project) -> None:
    assets = finished.root / "assets"
    catalogue = load_catalogue(finished.root / "data" / "validated")
    weights = torch.load(assets / "config_weights.pt", weights_only=True)
    assert weights.shape == (len(catalogue), 64)
    lookup = json.loads((assets / "config_lookup.json").read_text())
    assert type(catalogue).from_lookup(lookup).to_lookup() == catalogue.to_lookup()
    masks = json.loads((assets / "tool_mask_map.json").read_text())
    assert masks == catalogue.to_mask_map()


def test_a_second_repro_runs_nothing_and_leaves_git_clean(finished: Project) -> None:
    assert "up to date" in finished.run("dvc", "repro").stdout
    assert "up to date" in finished.run("dvc", "status").stdout
    assert finished.run("git", "status", "--porcelain").stdout == ""


def test_a_clone_takes_the_results_from_a_remote_and_runs_nothing(finished: Project, tmp_path: Path) -> None:
    finished.run("git", "clone", "-q", ".", str(tmp_path / "clone"))
    clone = Project(tmp_path / "clone")
    for project in (finished, clone):
        project.run("dvc", "remote", "add", "--local", "--default", "--force", "store", str(tmp_path / "store"))
        project.run("dvc", "remote", "modify", "--local", "store", "verify", "true")
    finished.run("dvc", "push")
    assert "Running stage" not in clone.run("dvc", "repro", "--pull").stdout
    assert outputs(clone) == outputs(finished)
    assert (clone.root / "assets" / "planner" / "planner.json").exists()
    assert clone.run("git", "status", "--porcelain").stdout == ""


def test_a_killed_pipeline_goes_on_and_ends_with_the_same_bits(finished: Project, tmp_path: Path) -> None:
    finished.run("git", "clone", "-q", ".", str(tmp_path / "project"))  # without DVC's cache
    project = Project(tmp_path / "project")
    often = {"TOMAS_CHECKPOINT_S": "0.1"}

    dvc = project.start("dvc", "repro", **often)
    wait_for_checkpoint(project, "pretrain-encoder", dvc)
    for process in stage_process(dvc, "stages.pretrain_encoder"):
        process.send_signal(signal.SIGKILL)
    assert dvc.wait(60) != 0
    assert not (project.root / "assets" / "pretrained_encoder.pt").exists()

    dvc = project.start("dvc", "repro", **often)
    wait_for_checkpoint(project, "train-lora-decoder", dvc)
    (trainer,) = set(stage_process(dvc, "stages.train_lora_decoder"))
    os.kill(dvc.pid, signal.SIGKILL)
    dvc.wait(10)
    wait_for(lambda: not runs(trainer))  # it does not outlive dvc
    assert not (project.root / "assets" / "planner").exists()

    project.run("dvc", "repro")
    assert outputs(project) == outputs(finished)
    changed = project.run("git", "diff", "--name-only").stdout.split()
    assert set(changed) <= {"dvc.lock", "metrics/evaluate.json"}, "evaluate measures times; all else is the same"
    assert not list((project.root / ".tomas" / "checkpoints").iterdir())


@pytest.mark.parametrize("name", ["base", "moe_reasoning", "tiny_debug"])
def test_a_profile_goes_through_the_whole_pipeline(finished: Project, tmp_path: Path, name: str) -> None:
    finished.run("git", "clone", "-q", ".", str(tmp_path / "project"))
    project = Project(tmp_path / "project")
    project.run("dvc", "cache", "dir", "--local", str(finished.root / ".dvc" / "cache"))
    small = profiles.read_profile(ROOT / "profiles" / "tiny.yaml").overlay | {"moe": {"experts": 4}}
    own = profiles.read_profile(ROOT / "profiles" / f"{name}.yaml").overlay
    for key in ("plugins", "schedules"):
        small[key] = own[key]
    small["training"]["max_epochs"] = own["training"]["max_epochs"]
    (project.root / "profiles" / "small.yaml").write_text(yaml_text(small))
    project.run("tomas", "train", "-p", "small", "--name", "small")
    project.run("dvc", "exp", "apply", "small")
    curve = pd.read_csv(project.root / "plots" / "train.csv").query("phase == 2")
    parts = json.loads((project.root / "assets" / "planner" / "parts.json").read_text())
    metrics = json.loads((project.root / "metrics" / "evaluate.json").read_text())
    assert {"router", "align"} & parts.keys() == ({"router", "align"} if own["plugins"] else set())
    assert 0 <= metrics["config_accuracy"] <= 1
    assert (project.root / "reports" / "evaluation.html").exists()
    if name == "moe_reasoning":
        first = {column: curve.epoch[curve[column].notna()].min() for column in ("moe_balance", "align_anchor")}
        assert first == {"moe_balance": 2, "align_anchor": 3}


def test_the_trained_planner_is_an_mlflow_model_that_answers_alone(
    finished: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with open_mlflow(RunInfo("train-lora-decoder", tmp_path, {}, gather(tmp_path))) as tracker:
        tracker.planner(finished.root / "assets" / "planner")
    client, _ = open_store(tmp_path)
    version = client.get_model_version_by_alias(NAME, ALIAS)
    assert "MLFLOW_TRACKING_URI" not in os.environ
    stored = list(tmp_path.glob("mlartifacts/**/*"))
    assert not [path for path in stored if path.suffix in (".pkl", ".pickle")]

    rows = [{"text": "say it in French"}, {"text": "sharper", "input": json.dumps({"images": 3}), "t_inf_ms": 200.0}]
    code = (
        "import json, sys, mlflow, pandas as pd\n"
        "model = mlflow.pyfunc.load_model(sys.argv[1])\n"
        "assert model.metadata.signature.inputs.required_input_names() == ['text']\n"
        "print(json.dumps(model.predict(pd.DataFrame(json.loads(sys.argv[2])))))\n"
    )
    done = finished.run(
        "python", "-c", code, f"models:/{NAME}/{version.version}", json.dumps(rows),
        MLFLOW_TRACKING_URI=store_uri(tmp_path),
    )  # fmt: skip
    plans = [Plan.model_validate(plan) for plan in json.loads(done.stdout.splitlines()[-1])]
    assert len(plans) == 2
    assert all(plan.status in ("ready", "wait", "infeasible", "no_tool") for plan in plans)
