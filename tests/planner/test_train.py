"""Phase 3 as one call: killed anywhere it ends with the same bytes, and two processes train what one does."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from torch.nn.modules.module import register_module_forward_pre_hook

from tests.planner.small_training import prepare, small_params, train
from tomas.domain.request import Request
from tomas.paths import Paths
from tomas.planner import Planner
from tomas.planner.reader import TextReader
from tomas.planner.temporal import TemporalMixer

SETTINGS: dict[str, Any] = {"training": {"warmup_epochs": 3, "max_epochs": 2, "batch_size": 16}}


class Killed(BaseException):
    """No code may catch it, as none catches a kill."""


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    return prepare(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def finished(paths: Paths) -> Path:
    """A planner whose training was not disturbed."""
    train(paths, small_params(**SETTINGS), paths.root / "finished")
    return paths.root / "finished"


def killed_at_pass(kind: type[torch.nn.Module], number: int) -> Any:
    """Ends the process, as it were, when a module of this kind is used for the so-many-th time."""
    left = [number]

    def count(module: torch.nn.Module, _: Any) -> None:
        left[0] -= isinstance(module, kind)
        if left[0] < 0:
            raise Killed

    return register_module_forward_pre_hook(count)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# 2 updates to read, 3 passes warm up; then 8 updates with two windows each, one text reading each; then validation
@pytest.mark.parametrize(
    ("kind", "number"),
    [
        (TemporalMixer, 1),
        (TemporalMixer, 3),
        (TemporalMixer, 4),
        (TextReader, 0),
        (TextReader, 1),
        (TextReader, 3),
        (TextReader, 6),
        (TextReader, 8),
    ],
)
@pytest.mark.parametrize("every_s", ["0", "1000"])
def test_a_killed_training_ends_with_the_bytes_of_one_that_was_not(
    paths: Paths, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Any, number: int, every_s: str
) -> None:
    monkeypatch.setenv("TOMAS_CHECKPOINT_S", every_s)
    target = tmp_path / "planner"
    handle = killed_at_pass(kind, number)
    try:
        with pytest.raises(Killed):
            train(paths, small_params(**SETTINGS), target)
    finally:
        handle.remove()
    assert not target.exists()
    torch.manual_seed(999)  # another process has other random generators
    train(paths, small_params(**SETTINGS), target)
    assert contents(target) == contents(finished)
    assert target.with_suffix(".csv").read_bytes() == finished.with_suffix(".csv").read_bytes()


def test_a_finished_training_is_not_trained_again(paths: Paths, finished: Path) -> None:
    before = contents(finished)
    handle = killed_at_pass(TextReader, 30 // 32 + 1)  # validation alone reads texts
    try:
        train(paths, small_params(**SETTINGS), finished)
    finally:
        handle.remove()
    assert contents(finished) == before


def test_the_curve_tells_the_three_phases(finished: Path) -> None:
    curve = pd.read_csv(finished.with_suffix(".csv"))
    assert curve["phase"].tolist() == sorted(curve["phase"])
    assert curve.groupby("phase")["epoch"].nunique().tolist() == [1, 3, 2]
    joint = curve[curve["phase"] == 2]
    total = joint["loss_tool"] + joint["loss_config"] + joint["loss_gate"]
    assert joint["loss"].to_numpy() == pytest.approx(total.to_numpy(), rel=1e-5)


def test_what_is_written_says_how_it_was_trained_and_plans(finished: Path) -> None:
    spec = json.loads((finished / "planner.json").read_text())
    assert spec["backbone"]["name"] == "tiny"
    assert spec["lora"] == small_params().lora.model_dump(mode="json")
    assert 0.05 <= spec["tool_weights"][0] <= 20
    assert 0 <= spec["tool_weights"][1] <= 20
    assert 0 <= spec["gate_threshold"] <= 1
    planner = Planner.load(finished)
    assert planner.gate_threshold == spec["gate_threshold"]
    plans = planner.plan_batch([Request(text=f"is this milk all right, {n} samples") for n in range(3)])
    assert all(plan.status in {"ready", "wait", "infeasible", "no_tool"} for plan in plans)
    assert planner.catalogue.tools.names == ("crop_yield", "milk_test")


def test_training_teaches_which_tool_serves_if_any(paths: Paths, tmp_path: Path) -> None:
    """The small project's words give the tool away, so a few passes tell the tools apart."""
    params = small_params(
        training={"warmup_epochs": 9, "max_epochs": 4, "batch_size": 8, "lr": 0.003, "head_lr": 0.003}
    )
    curve = train(paths, params, tmp_path / "planner")
    losses = curve.groupby(["phase", "epoch"])[["loss_tool", "loss_gate"]].mean().sum(axis=1)
    assert losses[2].iloc[-1] < 0.3 * losses[0].iloc[0]
    planner = Planner.load(tmp_path / "planner")
    served = pd.read_parquet(paths.labelled / "test.parquet")
    said = planner.predict([Request(text=text) for text in served["text"]])
    is_tool = (served["tool_id"] >= 0).to_numpy()
    tools = np.array([one.tool_id for one in said])
    assert (tools == served["tool_id"])[is_tool].all()
    gate = np.array([one.serviceable for one in said])
    assert gate[is_tool].min() > gate[~is_tool].max()
    assert [plan.status == "no_tool" for plan in planner.plan_batch([Request(text=t) for t in served["text"]])] == (
        ~is_tool
    ).tolist()


@pytest.mark.parametrize("init", ["random", "text"])
def test_the_config_head_may_start_from_something_else(paths: Paths, tmp_path: Path, init: str) -> None:
    params = small_params(decoder={"init": init, "train_vectors": False}, training={"warmup_epochs": 0})
    train(paths, params, tmp_path / "planner")
    rows = load_file(tmp_path / "planner" / "heads.safetensors")["decoder.config_head.weight"]
    planner = Planner.load(tmp_path / "planner")
    norms = rows.norm(dim=1)
    assert norms.tolist() == pytest.approx([planner.predictor.backbone.embedding_norm] * len(rows), rel=1e-5)


# 60 examples: in batches of 16 the last is smaller, with 59 one row is left over; those no tool serves fall unevenly
@pytest.mark.slow
@pytest.mark.parametrize(("scope", "batch_size"), [("context", 16), ("all", 16), ("context", 59)])
def test_two_processes_train_what_one_does(paths: Paths, tmp_path: Path, scope: str, batch_size: int) -> None:
    for processes in (1, 2):
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
        program = ["-m", "tests.planner.run_training", str(paths.root), str(tmp_path / str(processes))]
        command = [sys.executable, *launcher, *program, scope, str(batch_size)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240, check=False)
        assert done.returncode == 0, done.stderr
        assert f"{processes} processes" in done.stdout
    assert not list(tmp_path.glob("2-rank1*"))  # it computes, the first one writes
    one, two = (pd.read_csv(tmp_path / f"{processes}-rank0.csv") for processes in (1, 2))
    pd.testing.assert_frame_equal(one, two, rtol=1e-3, atol=1e-4)
    for name in ("heads.safetensors", "adapter_model.safetensors"):
        first, second = (load_file(tmp_path / f"{processes}-rank0" / name) for processes in (1, 2))
        for key in first:
            torch.testing.assert_close(first[key], second[key], rtol=1e-2, atol=2e-3)
