"""The loop trains, stops and goes on as if nothing had happened, alone or as several processes."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.toy import ToyTask, weights
from tomas.config import Anneal
from tomas.errors import UserError
from tomas.training.checkpoint import Checkpoint
from tomas.training.hooks import Hooks, PartFailed
from tomas.training.loop import LoopSettings, Run, fit
from tomas.training.schedules import Schedules

SETTINGS = LoopSettings(max_epochs=3, accumulate=2, log_every=1)


class Recorder:
    """A tracker that keeps what it is given."""

    def __init__(self) -> None:
        self.rows: list[tuple[int | None, dict[str, float]]] = []

    def metrics(self, values: dict[str, float], step: int | None = None) -> None:
        self.rows.append((step, values))


class StopAt:
    """Stops the run after an update, as a failing plug-in does."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, run: Run) -> None:
        if run.step == self.step:
            raise RuntimeError("stop")


def run_toy(out: Path, folder: Path, kill_at: int = -1, processes: int = 1, dropout: float = 0.1) -> int:
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    program = ["-m", "tests.training.run_toy", str(out), str(folder), str(kill_at), str(dropout)]
    command = [sys.executable, *(launcher if processes > 1 else []), *program]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240, check=False)
    assert done.returncode in {0, -9}, done.stderr
    assert done.returncode or f"{processes} processes" in done.stdout
    return done.returncode


def test_the_loss_falls_and_the_history_tells_it() -> None:
    recorder = Recorder()
    history = fit(ToyTask(dropout=0.0), LoopSettings(max_epochs=20, log_every=1), tracker=recorder)
    losses = [row["epoch_loss"] for row in history if "epoch_loss" in row]
    assert len(losses) == 20
    assert losses[-1] < 0.1 * losses[0]
    assert [row["step"] for row in history if "loss" in row] == list(range(1, 101))
    assert recorder.rows[-1] == (100, {name: value for name, value in history[-1].items() if name != "step"})


def test_only_what_is_trained_moves() -> None:
    task = ToyTask()
    before = weights(task)
    fit(task, SETTINGS)
    after = weights(task)
    assert torch.equal(before["frozen.weight"], after["frozen.weight"])
    assert not torch.equal(before["head.1.weight"], after["head.1.weight"])


def test_accumulated_batches_give_the_update_of_their_union() -> None:
    class Halves(ToyTask):
        def num_batches(self, epoch: int) -> int:
            return 2

        def batch(self, epoch: int, index: int) -> dict[str, torch.Tensor]:
            whole = super().batch(epoch, 0)
            whole["counts"] = torch.ones(self.rows)
            return {name: value[index * 3 : index * 3 + 3] for name, value in whole.items()}

    class Whole(Halves):
        def num_batches(self, epoch: int) -> int:
            return 1

        def batch(self, epoch: int, index: int) -> dict[str, torch.Tensor]:
            return {name: torch.cat([super(Whole, self).batch(epoch, i)[name] for i in (0, 1)]) for name in "xy"} | {
                "counts": torch.ones(self.rows)
            }

    halves, whole = Halves(dropout=0.0), Whole(dropout=0.0)
    fit(halves, LoopSettings(max_epochs=1, accumulate=2, warmup_share=0.0))
    fit(whole, LoopSettings(max_epochs=1, warmup_share=0.0))
    torch.testing.assert_close(weights(halves), weights(whole))


@pytest.mark.parametrize("step", [1, 2, 3, 4, 8])
def test_a_resumed_run_matches_an_uninterrupted_one(tmp_path: Path, step: int) -> None:
    straight = ToyTask()
    whole = fit(straight, SETTINGS)
    with pytest.raises(PartFailed):
        fit(ToyTask(), SETTINGS, checkpoint=Checkpoint(tmp_path), hooks=Hooks({"stop": StopAt(step)}))
    torch.manual_seed(999)  # another process has other random generators
    resumed = ToyTask(seed=0)
    history = fit(resumed, SETTINGS, checkpoint=Checkpoint(tmp_path))
    assert all(torch.equal(a, b) for a, b in zip(weights(straight).values(), weights(resumed).values(), strict=True))
    assert history == whole


def test_a_run_that_fails_at_the_end_of_an_epoch_tells_it_once(tmp_path: Path) -> None:
    class FailOnce:
        failed = False

        def on_epoch_end(self) -> None:
            if not FailOnce.failed:
                FailOnce.failed = True
                raise RuntimeError("once")

    whole = fit(ToyTask(), SETTINGS)
    with pytest.raises(PartFailed):
        fit(ToyTask(), SETTINGS, checkpoint=Checkpoint(tmp_path), hooks=Hooks({"once": FailOnce()}))
    assert fit(ToyTask(), SETTINGS, checkpoint=Checkpoint(tmp_path), hooks=Hooks({"once": FailOnce()})) == whole


@pytest.mark.slow
def test_a_killed_process_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    run_toy(tmp_path / "whole.pt", tmp_path / "a")
    assert run_toy(tmp_path / "killed.pt", tmp_path / "b", kill_at=4) == -9
    assert not (tmp_path / "killed.pt").exists()
    run_toy(tmp_path / "killed.pt", tmp_path / "b")
    whole, killed = (torch.load(tmp_path / name, weights_only=True) for name in ("whole.pt", "killed.pt"))
    assert all(torch.equal(whole["weights"][name], killed["weights"][name]) for name in whole["weights"])
    assert whole["history"] == killed["history"]


@pytest.mark.slow
def test_two_processes_train_like_one_with_the_whole_batch(tmp_path: Path) -> None:
    run_toy(tmp_path / "one.pt", tmp_path / "a", dropout=0.0)
    run_toy(tmp_path / "two.pt", tmp_path / "b", processes=2, dropout=0.0)
    one, two = (torch.load(tmp_path / name, weights_only=True) for name in ("one.pt", "two.pt"))
    torch.testing.assert_close(one["weights"], two["weights"], rtol=1e-5, atol=1e-6)
    assert [row.keys() for row in one["history"]] == [row.keys() for row in two["history"]]
    for mine, theirs in zip(one["history"], two["history"], strict=True):
        assert mine == pytest.approx(theirs, rel=1e-5)


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    fit(ToyTask(), SETTINGS, checkpoint=(first := Checkpoint(tmp_path)))
    del first
    task = ToyTask()
    fit(task, SETTINGS, checkpoint=Checkpoint(tmp_path), hooks=Hooks({"stop": StopAt(1)}))


def test_training_stops_at_the_stop_loss() -> None:
    history = fit(ToyTask(dropout=0.0), LoopSettings(max_epochs=50, stop_loss=0.5))
    last = history[-1]
    assert last["epoch_loss"] < 0.5
    assert last["epoch"] < 49


def test_a_loss_that_is_not_a_number_ends_the_run() -> None:
    class Broken(ToyTask):
        def loss(self, batch: Any) -> dict[str, torch.Tensor]:
            return {"loss": super().loss(batch)["loss"] * float("nan")}

    with pytest.raises(UserError, match="lower the learning rate"):
        fit(Broken(), SETTINGS)


def test_added_loss_terms_reach_the_weights_and_the_record() -> None:
    class Pull:
        def loss_terms(self, run: Run, outputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
            return {"pull": 0.5 * run.task.module["head"][1].weight.square().sum()}

    plain, pulled = ToyTask(dropout=0.0), ToyTask(dropout=0.0)
    fit(plain, SETTINGS)
    history = fit(pulled, SETTINGS, hooks=Hooks({"pull": Pull()}))
    assert pulled.head[1].weight.norm() < plain.head[1].weight.norm()
    assert history[0]["pull"] > 0


def test_a_plugin_starts_at_its_epoch_and_scheduled_values_are_recorded() -> None:
    seen: list[tuple[int, int]] = []

    class Late:
        def on_step_end(self, run: Run) -> None:
            seen.append((run.epoch, run.step))

    schedules = Schedules({"late": 1}, {"heat": Anneal(start=1.5, end=0.8)})
    history = fit(ToyTask(), SETTINGS, hooks=Hooks({"late": Late()}), schedules=schedules)
    assert min(epoch for epoch, _ in seen) == 1
    rows = [row for row in history if "loss" in row]
    assert [row["enabled_late"] for row in rows] == [0.0] * 3 + [1.0] * 6
    assert [row["heat"] for row in rows[::3]] == pytest.approx([1.5, 1.15, 0.8])


def test_layers_added_by_a_hook_are_trained_and_survive_a_stop(tmp_path: Path) -> None:
    class Grow:
        """Adds a layer at the second epoch, as sparse upcycling does."""

        def grow(self, module: Any) -> None:
            torch.manual_seed(5)
            module["head"].append(torch.nn.Linear(2, 2))

        def on_epoch_start(self, run: Run) -> None:
            if run.epoch == 1:
                self.grow(run.task.module)

        def on_checkpoint_save(self, module: Any, state: dict[str, Any]) -> None:
            state["grow"] = {"grown": len(module["head"]) == 3}

        def on_checkpoint_load(self, module: Any, state: dict[str, Any]) -> None:
            if state["grow"]["grown"]:
                self.grow(module)

    straight, resumed = ToyTask(), ToyTask()
    fit(straight, SETTINGS, hooks=Hooks({"grow": Grow()}))
    for stop in (2, 5, 7):
        hooks = Hooks({"grow": Grow(), "stop": StopAt(stop)})
        with pytest.raises(PartFailed):
            fit(ToyTask(), SETTINGS, checkpoint=Checkpoint(tmp_path), hooks=hooks)
    fit(resumed, SETTINGS, checkpoint=Checkpoint(tmp_path), hooks=Hooks({"grow": Grow()}))
    assert "head.2.weight" in weights(straight)
    assert all(torch.equal(a, b) for a, b in zip(weights(straight).values(), weights(resumed).values(), strict=True))
