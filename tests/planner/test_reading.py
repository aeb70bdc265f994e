"""Learning to read: each text once an epoch, what reads it and nothing else moves, and planning reads the same way."""

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tests.planner.small import untrained_heads
from tests.planner.small_training import prepare, small_params, train
from tomas.backbone.loading import load_backbone
from tomas.backbone.reading import add_reading
from tomas.data.validated import load_catalogue, load_timelines
from tomas.paths import Paths
from tomas.planner.examples import Batch, Batches, read_examples
from tomas.planner.kept_reading import KEPT, kept_reading
from tomas.planner.model import Decision, padded, whole_pass
from tomas.planner.reader import read_layers, tuned_layers
from tomas.planner.store import open_below
from tomas.planner.tasks import ReadingTask
from tomas.planner.windows import WindowReader
from tomas.training.loop import LoopSettings, fit

CAPACITY = np.array([16.0, 64.0, 100.0, 24.0])


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    return prepare(tmp_path_factory.mktemp("project"))


def task_on(paths: Paths, **sections: Any) -> ReadingTask:
    torch.manual_seed(3)
    params = small_params(**{"training": {"batch_size": 6}, **sections})
    backbone, catalogue = load_backbone(params.backbone), load_catalogue(paths.validated)
    window = WindowReader.make(params.temporal, CAPACITY, "previous", [])
    frame = pd.read_parquet(paths.labelled / "train.parquet")
    examples = read_examples(frame, backbone, load_timelines(paths.validated), window, catalogue)
    _, heads = untrained_heads(backbone, catalogue)
    adapters = add_reading(backbone, params.reading, tuned_layers(backbone.num_layers))
    batches = Batches(examples, catalogue)
    below = open_below(backbone, examples.texts, paths.root / "texts")
    return ReadingTask(backbone, heads, adapters, batches, below, params.reading, params.training, seed=3)


def whole(task: ReadingTask, batch: Batch) -> Decision:
    tokens_BT, mask_BT = padded([task.examples.texts[row] for row in batch.text_B.tolist()])
    return whole_pass(task.backbone, task.heads, tokens_BT, mask_BT, batch.now_BCP, task.grams(batch))


@pytest.mark.parametrize("num_layers", [1, 2, 3, 18, 24, 30])
def test_the_tuned_layers_end_where_the_text_is_read(num_layers: int) -> None:
    layers = tuned_layers(num_layers)
    assert layers
    assert 0 <= layers[0] <= read_layers(num_layers)[0]
    assert layers[-1] + 1 == read_layers(num_layers)[-1] <= num_layers


def test_an_epoch_reads_every_distinct_text_once(paths: Paths) -> None:
    task = task_on(paths)
    read = [text for index in range(task.num_batches(0)) for text in task.batch(0, index).text_B.tolist()]
    assert sorted(read) == list(range(len(task.examples.texts)))


def test_only_what_reads_moves_and_the_texts_are_learnt(paths: Paths) -> None:
    task = task_on(paths)
    heads, frozen = task.heads, [p.clone() for p in task.backbone.model.parameters() if not p.requires_grad]
    before = {name: value.clone() for name, value in heads.state_dict().items()}
    history = fit(task, LoopSettings(max_epochs=12, log_every=1))
    losses = [row["epoch_loss"] for row in history if "epoch_loss" in row]
    assert losses[-1] < 0.5 * losses[0]
    moved = {name for name, value in heads.state_dict().items() if not torch.equal(value, before[name])}
    assert {name.split(".")[0] for name in moved} <= {"reader", "characters", "norm", "gate", "decoder"}
    assert {name for name in moved if name.startswith("decoder")} == {
        "decoder.tool_head.weight",
        "decoder.tool_head.bias",
    }
    assert all(up.abs().sum() > 0 for up in task.adapters.ups)  # type: ignore[union-attr]
    still = [p for p in task.backbone.model.parameters() if not p.requires_grad]
    assert all(torch.equal(a, b) for a, b in zip(frozen, still, strict=True))


@torch.no_grad()
def test_the_text_alone_says_what_the_whole_says_without_the_decision_position(paths: Paths) -> None:
    task = task_on(paths)
    task.heads.mix.zero_()
    batch = task.batch(0, 0)
    alone, both = task.decide(batch), whole(task, batch)
    torch.testing.assert_close(alone.tools_BK, both.tools_BK, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(alone.gate_B, both.gate_B, rtol=1e-4, atol=1e-4)
    task.heads.mix.fill_(1.0)
    assert not torch.allclose(whole(task, batch).tools_BK, both.tools_BK)


def test_the_groups_hold_what_is_trained_once(paths: Paths, tmp_path: Path) -> None:
    task = task_on(paths)
    adapters, read, characters = task.param_groups()
    grouped = [id(p) for group in (adapters, read, characters) for p in group["params"]]
    assert len(grouped) == len(set(grouped))
    assert {id(p) for p in task.adapters.parameters()} == {id(p) for p in adapters["params"]}
    assert (adapters["lr"], characters["lr"]) == (small_params().reading.lr, 10 * read["lr"])
    task.adapters.save(tmp_path)  # type: ignore[operator]
    assert (tmp_path / "reading_adapter.safetensors").stat().st_size > 1000


def test_what_was_learnt_is_there_for_the_next_training(paths: Paths, tmp_path: Path) -> None:
    settings = LoopSettings(max_epochs=2)
    first, second = task_on(paths), task_on(paths)
    history = fit(first, settings, checkpoint=kept_reading(tmp_path, first))
    second.loss = None  # type: ignore[assignment]
    assert fit(second, settings, checkpoint=kept_reading(tmp_path, second)) == history
    for name, value in first.module.state_dict().items():
        assert torch.equal(value, second.module.state_dict()[name])


@pytest.mark.parametrize(
    ("sections", "same"),
    [
        ({"training": {"batch_size": 12, "lr": 0.5, "config_weight": 2.0}}, True),  # of what comes after
        ({"lora": {"rank": 3}}, True),
        ({"training": {"head_lr": 0.5}}, False),
        ({"training": {"gate_weight": 0.5}}, False),
        ({"reading": {"lr": 0.5}}, False),
        ({"reading": {"rank": 3}}, False),
    ],
)
def test_only_what_reading_depends_on_tells_readings_apart(
    paths: Paths, tmp_path: Path, sections: dict[str, Any], same: bool
) -> None:
    one, other = (kept_reading(tmp_path, task_on(paths, **own)).file for own in ({}, sections))
    assert (one == other) == same


def test_other_weights_tools_or_code_are_another_reading(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = task_on(paths)
    seen = [kept_reading(tmp_path, task).file]
    with torch.no_grad():
        task.heads.gate.bias.add_(1)
    seen.append(kept_reading(tmp_path, task).file)
    task.examples = replace(task.examples, tool_E=task.examples.tool_E[::-1])
    seen.append(kept_reading(tmp_path, task).file)
    monkeypatch.setattr("tomas.planner.kept_reading._code", lambda: "other")
    seen.append(kept_reading(tmp_path, task).file)
    with torch.no_grad():
        task.heads.decoder.config_head.weight.add_(1)  # type: ignore[union-attr, operator]
    seen.append(kept_reading(tmp_path, task).file)
    assert len(set(seen)) == 4
    assert seen[4] == seen[3], "the configurations have no say in how texts are read"


def test_the_oldest_readings_make_room(paths: Paths, tmp_path: Path) -> None:
    task = task_on(paths)
    files = []
    for number in range(KEPT + 2):
        with torch.no_grad():
            task.heads.gate.bias.fill_(number)
        files.append(kept_reading(tmp_path, task).file)
        os.utime(files[-1].parent, (number, number))
    assert sorted(tmp_path.iterdir()) == sorted(file.parent for file in files[2:])


def test_another_temporal_encoder_decoder_or_first_vector_shares_what_was_learnt(tmp_path: Path) -> None:
    """Each part's first weights come from a stream of their own."""
    project = prepare(tmp_path)
    target = project.root / "planner"

    def readings(**sections: Any) -> int:
        train(project, small_params(**sections), target)
        shutil.rmtree(target.with_suffix(".checkpoints"))
        return len(list((target.with_suffix(".cache") / "reading").iterdir()))

    assert readings() == 1
    assert readings(temporal={"kind": "attention"}, decoder={"kind": "regressor", "init": "random"}) == 1
    assert readings(decoder={"kind": "flat"}) == 2, "which chooses a tool by its configurations"
