"""What is trained when: every example once an epoch, each part's loss a mean over the examples it applies to."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tests.planner.small import open_store, untrained_heads
from tests.planner.small_training import prepare, small_params, train
from tomas.backbone.loading import load_backbone
from tomas.config import Training
from tomas.data.validated import load_catalogue, load_timelines
from tomas.domain.catalogue import Catalogue
from tomas.domain.oracle import decide
from tomas.domain.resources import SIZES
from tomas.paths import Paths
from tomas.planner.adapters import Adapters
from tomas.planner.artifact import make_rows
from tomas.planner.examples import Batches, Examples, read_examples
from tomas.planner.losses import tool_and_gate
from tomas.planner.tasks import JointTask, WarmupTask, joint_order
from tomas.planner.text_batches import in_parts
from tomas.planner.train import JOINT
from tomas.planner.windows import WindowReader
from tomas.training.loop import LoopSettings, fit

CAPACITY = np.array([16.0, 64.0, 100.0, 24.0])


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    return prepare(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def catalogue(paths: Paths) -> Catalogue:
    return load_catalogue(paths.validated)


@pytest.fixture(scope="module")
def frame(paths: Paths) -> pd.DataFrame:
    return pd.read_parquet(paths.labelled / "train.parquet")


def reader() -> WindowReader:
    return WindowReader.make(small_params().temporal, CAPACITY, "previous", [])


@pytest.fixture(scope="module")
def examples(paths: Paths, frame: pd.DataFrame, catalogue: Catalogue) -> Examples:
    backbone, timelines = load_backbone(small_params().backbone), load_timelines(paths.validated)
    return read_examples(frame, backbone, timelines, reader(), catalogue)


def joint(examples: Examples, catalogue: Catalogue, folder: Path | None = None, **training: Any) -> JointTask:
    params = small_params(training={"batch_size": 6, **training})
    backbone = load_backbone(params.backbone)
    spec, heads = untrained_heads(backbone, catalogue)
    store = None if folder is None else open_store(backbone, "print", examples.texts, folder)
    adapters = Adapters(backbone, spec.lora, spec.tva, heads.tail(spec.lora))
    anchor = make_rows(catalogue, torch.zeros(len(catalogue), 64))
    order = joint_order(Batches(examples, catalogue), params.training, seed=3)
    return JointTask(backbone, heads, adapters.trained, order, anchor, params.training, store)


def test_what_is_drawn_are_the_texts_of_every_batch(examples: Examples, catalogue: Catalogue) -> None:
    task = joint(examples, catalogue, epoch_share=0.3)
    met = [
        {text for index in range(task.num_batches(epoch)) for text in task.batch(epoch, index).text_B.tolist()}
        for epoch in range(2)
    ]
    assert task.order.drawn(1) == sorted(met[0])
    assert task.order.drawn(2) == sorted(met[0] | met[1])
    assert len(met[0]) < len(examples.texts)


def test_examples_are_the_labelled_lines(
    examples: Examples, frame: pd.DataFrame, paths: Paths, catalogue: Catalogue
) -> None:
    backbone, timelines = load_backbone(small_params().backbone), load_timelines(paths.validated)
    assert len(examples) == len(frame) == 60
    assert len(examples.texts) == frame.text.nunique() < 60
    for row, line in enumerate(frame.itertuples()):
        assert backbone.tokenizer.decode(examples.texts[examples.text_E[row]]) == line.text
        timeline = timelines[line.timeline]
        assert np.array_equal(examples.now_ECP[row], reader().read(timeline, line.t_inf_ms))
        if line.config_id >= 0:
            ids = catalogue.ids(line.tool_id, line.input_size)
            found = decide(timeline, line.t_inf_ms, catalogue, ids, CAPACITY)
            assert found.best == examples.config_E[row] == line.config_id
            assert np.array_equal(examples.start_ECP[row], reader().read(timeline, found.start_ms))
            assert SIZES[examples.size_E[row]] == line.input_size
            excess = catalogue.latency_ms[ids] / found.best_latency - 1
            fitting = excess[found.feasible] - excess[found.feasible].min()
            assert examples.excess_EN[row][: len(ids)][found.feasible] == pytest.approx(
                np.minimum(fitting, 1), abs=0.03
            )
            assert (examples.excess_EN[row][: len(ids)][~found.feasible] == -1).all()
    assert (examples.tool_E == -1).any()
    assert (frame.start_ms > frame.t_inf_ms).any()  # some wait: their second window is another one


def test_an_epoch_sees_every_example_once_and_texts_of_a_batch_are_of_similar_length(
    examples: Examples, catalogue: Catalogue
) -> None:
    task = joint(examples, catalogue)
    for epoch in (0, 1):
        rows = np.concatenate(task.order.order(epoch))
        assert sorted(rows.tolist()) == list(range(60))
        assert len(task.order.order(epoch)) == task.num_batches(epoch)
    assert not np.array_equal(np.concatenate(task.order.order(0)), np.concatenate(task.order.order(1)))
    length = np.array([len(ids) for ids in examples.texts])[examples.text_E]
    padding = sum(length[rows].max() * len(rows) - length[rows].sum() for rows in task.order.order(0))
    shuffled = np.random.default_rng(0).permutation(60).reshape(-1, 6)
    assert padding < 0.5 * sum(length[rows].max() * len(rows) - length[rows].sum() for rows in shuffled)


def test_an_epoch_may_go_through_a_share_of_the_examples_each_time_another(
    examples: Examples, catalogue: Catalogue
) -> None:
    task = joint(examples, catalogue, epoch_share=0.35)
    drawn = [np.concatenate(task.order.order(epoch)).tolist() for epoch in (0, 1)]
    assert [len(set(rows)) for rows in drawn] == [21, 21]
    assert set(drawn[0]) != set(drawn[1])
    assert task.num_batches(0) == len(task.order.order(0)) == 4


@pytest.mark.parametrize("size", [1, 7, 16, 31, 59, 60, 61, 1000])
def test_no_batch_is_so_small_that_a_process_would_have_nothing_to_do(
    examples: Examples, catalogue: Catalogue, size: int
) -> None:
    batches = joint(examples, catalogue, batch_size=size).order.order(0)
    assert sorted(np.concatenate(batches).tolist()) == list(range(60))
    assert all(min(size, 60) / 2 <= len(rows) <= 1.5 * size for rows in batches)


@pytest.mark.parametrize("kind", ["warm-up", "joint"])
def test_a_batch_is_a_pure_function_of_seed_epoch_and_index(
    examples: Examples, catalogue: Catalogue, kind: str
) -> None:
    def make() -> WarmupTask | JointTask:
        task = joint(examples, catalogue)
        return WarmupTask(task.heads, task.batches, task.params, 3) if kind == "warm-up" else task

    first, second = make(), make()
    second.batch(1, 0)
    for epoch, index in ((0, 0), (1, 0), (0, 0)):
        a, b = first.batch(epoch, index), second.batch(epoch, index)
        assert all(torch.equal(vars(a)[name], vars(b)[name]) for name in vars(a))


def test_a_text_with_characters_of_their_own_also_counts_by_either_word_alone(
    examples: Examples, catalogue: Catalogue
) -> None:
    task = joint(examples, catalogue)
    batch = task.batches.batch(np.arange(12))
    batch.has_grams_B[:] = torch.arange(12) % 2 == 0
    decision = task.decide(batch)
    read_BH = decision.told.read_BH
    decision = task.heads.judge(decision.told._replace(known_BH=torch.randn_like(read_BH)), decision.window_BD)
    nothing_BH, served = torch.zeros_like(read_BH), batch.tool_B >= 0

    def cost(**left_out: torch.Tensor) -> torch.Tensor:
        tools_BK = task.heads.judge(decision.told._replace(**left_out), decision.window_BD).tools_BK
        return torch.nn.functional.cross_entropy(tools_BK, batch.tool_B.clamp(min=0), reduction="none")

    both_B, without_reader_B, without_characters_B = cost(), cost(read_BH=nothing_BH), cost(known_BH=nothing_BH)
    expected_B = torch.where(
        batch.has_grams_B, 0.4 * both_B + 0.4 * without_reader_B + 0.6 * without_characters_B, both_B
    )
    found = tool_and_gate(task.heads, decision, batch, task.params)
    expected = expected_B[served].mean().item()
    assert found["loss_tool"].item() == pytest.approx(expected, rel=1e-4)
    found["loss"].backward()
    assert task.heads.reader.out.weight.grad.any()


def test_the_warm_up_sees_planned_examples_only_and_moves_nothing_the_backbone_reads(
    examples: Examples, catalogue: Catalogue
) -> None:
    whole = joint(examples, catalogue, head_lr=3e-4)
    task = WarmupTask(whole.heads, whole.batches, whole.params, 3)
    batch = task.batch(0, 0)
    assert (batch.config_B >= 0).all()
    assert len(batch.config_B) == (examples.config_E >= 0).sum() < 60
    before = {name: value.clone() for name, value in task.heads.state_dict().items()}
    history = fit(task, LoopSettings(max_epochs=40, log_every=1))
    losses = [row["epoch_loss"] for row in history if "epoch_loss" in row]
    assert losses[-1] < losses[0] - 0.3
    moved = {name for name, value in task.heads.state_dict().items() if not torch.equal(value, before[name])}
    assert moved
    assert {name.split(".")[0] for name in moved} == {"temporal", "decoder"}
    assert not any(name.startswith("decoder.tool_head") for name in moved)


@pytest.mark.parametrize("loss", ["within_tool", "global"])
@torch.no_grad()
def test_each_loss_is_a_mean_over_the_examples_it_applies_to(
    examples: Examples, catalogue: Catalogue, loss: str
) -> None:
    task = joint(examples, catalogue, config_weight=2.0, gate_weight=0.5, regret_weight=0.25, config_loss=loss)
    batch = task.batches.batch(np.arange(12))
    assert 3 < (batch.tool_B >= 0).sum() < 12
    batch.config_B[batch.tool_B.argmax()] = -1  # nothing fits: it teaches the tool and the gate
    found, decision = task.loss(batch), task.decide(batch)
    tools, gates, configs, right = [], [], [], []
    for row in range(len(batch.tool_B)):
        tool, config = int(batch.tool_B[row]), int(batch.config_B[row])
        gate = torch.sigmoid(decision.gate_B[row])
        gates.append(-torch.log(gate if tool >= 0 else 1 - gate))
        if tool >= 0:
            logits = decision.tools_BK[row]
            tools.append(-torch.log_softmax(logits, 0)[tool])
            right.append(float(int(logits.argmax()) == tool))
        if config >= 0:
            query = task.heads.decoder.ask(
                decision.state_BH[row : row + 1], task.heads.temporal(batch.start_BCP[row : row + 1]),
                batch.tool_B[row : row + 1], batch.size_B[row : row + 1],
            )  # fmt: skip
            scores = task.heads.decoder.config_head(query)[0]
            ids = range(len(catalogue)) if loss == "global" else catalogue.ids(tool, SIZES[int(batch.size_B[row])])
            own, excess = catalogue.ids(tool, SIZES[int(batch.size_B[row])]), batch.excess_BN[row]
            fits = excess[: len(own)] >= 0
            drawn = scores[own][fits].softmax(0)
            lost = (drawn * excess[: len(own)][fits]).sum()
            configs.append(torch.logsumexp(scores[list(ids)], 0) - scores[config] + 0.25 * lost)
    tool, config, gate = (float(torch.stack(values).mean()) for values in (tools, configs, gates))
    assert {name: float(found[name]) for name in ("loss_tool", "loss_config", "loss_gate", "tool_accuracy")} == {
        "loss_tool": pytest.approx(tool, rel=1e-4),
        "loss_config": pytest.approx(config, rel=1e-4),
        "loss_gate": pytest.approx(gate, rel=1e-4),
        "tool_accuracy": pytest.approx(np.mean(right)),
    }
    assert float(found["loss"]) == pytest.approx(tool + 2 * config + 0.5 * gate, rel=1e-4)


def test_a_batch_that_no_tool_serves_trains_the_gate_alone(examples: Examples, catalogue: Catalogue) -> None:
    task = joint(examples, catalogue)
    found = task.loss(task.batches.batch(np.flatnonzero(examples.tool_E < 0)[:3]))
    assert found["loss_tool"].item() == found["loss_config"].item() == 0.0
    found["loss"].backward()
    assert task.heads.gate.weight.grad.any()
    assert task.heads.decoder.tool_head.weight.grad is None or not task.heads.decoder.tool_head.weight.grad.any()


def test_cached_texts_and_whole_texts_train_alike(examples: Examples, catalogue: Catalogue, tmp_path: Path) -> None:
    cached, whole = joint(examples, catalogue, tmp_path), joint(examples, catalogue)
    with torch.no_grad():  # LoRA as it starts: on the text too it changes nothing
        for index in range(3):
            a, b = cached.loss(cached.batch(0, index)), whole.loss(whole.batch(0, index))
            assert float(a["loss"]) == pytest.approx(float(b["loss"]), rel=1e-4)


def test_every_trained_weight_is_in_one_group_and_the_backbone_in_none(
    examples: Examples, catalogue: Catalogue
) -> None:
    task = joint(examples, catalogue, lr=0.003, head_lr=0.002)
    inputs, slow, rest, characters = task.param_groups()
    names = {id(p): name for name, p in task.module.named_parameters()}
    grouped = [id(p) for group in (inputs, slow, rest, characters) for p in group["params"]]
    assert sorted(grouped) == sorted(names)
    assert {names[id(p)].rsplit(".", 1)[0] for p in inputs["params"]} == {"lora", "heads.projector", "heads"}
    assert {names[id(p)].split(".")[1] for p in characters["params"]} == {"characters"}
    chooses = {name.removeprefix("heads.") for p in slow["params"] for name in [names[id(p)]]}
    assert {name.split(".")[0] for name in chooses} == {"temporal", "decoder"}
    assert not any("tool_head" in name for name in chooses)
    assert [group["lr"] for group in (inputs, slow, rest, characters)] == pytest.approx([0.003, 0.0002, 0.002, 0.02])
    cold = joint(examples, catalogue, warmup_epochs=0).param_groups()
    assert not cold[1]["params"]
    assert sum(len(group["params"]) for group in cold) == len(grouped)
    assert not {id(p) for p in task.backbone.model.parameters() if not p.requires_grad} & set(grouped)


def test_the_warm_up_leaves_no_tensor_behind(examples: Examples, catalogue: Catalogue) -> None:
    """On the meta device a tensor that stays elsewhere is an error, as it would be on a GPU."""
    whole = joint(examples, catalogue)
    task = WarmupTask(whole.heads.to("meta"), whole.batches, whole.params, 3)
    batch = task.batch(0, 0)
    moved = type(batch)(**{name: value.to("meta") for name, value in vars(batch).items()})
    assert task.loss(moved)["loss"].device.type == "meta"


@pytest.mark.parametrize(("batch_size", "size", "parts"), [(16, 16, 1), (96, 32, 3), (59, 30, 2)])
def test_whole_texts_come_in_parts_that_fit_in_memory(batch_size: int, size: int, parts: int) -> None:
    params = in_parts(Training(batch_size=batch_size, accumulate=2))
    assert (params.batch_size, params.accumulate) == (size, 2 * parts)


def test_an_update_over_whole_texts_takes_as_many_examples(paths: Paths, tmp_path: Path) -> None:
    steps = {}
    for scope in ("context", "all"):
        params = small_params(lora={"scope": scope}, training={"batch_size": 40})
        curve = train(paths, params, tmp_path / scope)
        steps[scope] = curve.loc[curve["phase"] == JOINT, "step"].max()
    assert steps["all"] == steps["context"]
