"""Benchmarks run, print one JSON object, and compare things that do the same work."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from ruamel.yaml.comments import CommentedMap

from benchmarks import ablations, catalogue_scale, function_calling, plan_latency, pretrain_throughput, train_throughput
from benchmarks.__main__ import NAMES, earlier
from benchmarks.__main__ import main as run_benchmarks
from benchmarks.common import parameters, ratio, take_turns
from benchmarks.inputs import read_inputs
from tests.data.small import project
from tests.pipeline.imports import ROOT
from tests.planner.small import open_store
from tomas.commands.train import setting
from tomas.config import Params, load_params, parse_params
from tomas.encoder.pretrain import pretraining_task
from tomas.kernel.yaml_files import put
from tomas.paths import Paths
from tomas.planner.tasks import JointTask
from tomas.tracking.queue import WAITING

QUICK = ["--backbone", "tiny", "--quick"]
OPTIONS = SimpleNamespace(backbone="tiny", quick=True)
SMALL = "encoder: {exemplars: 1}\ntemporal: {points: 8, dim: 8}\n"
FIGURES = {
    plan_latency: {"ms", "ratio", "per_s", "batch_throughput_ratio", "positions_median"},
    function_calling: {"ms", "ratio", "ratio_cached_prompt", "prompt_tokens_median", "answer_tokens_median"},
    catalogue_scale: {"decode_ms", "decode_ratio", "plan_ratio", "memory", "bytes_per_added_row"},
    train_throughput: {"examples_per_s", "ratios", "ms_per_text"},
    pretrain_throughput: {"rows_per_s", "ratio", "roofline"},
}


@pytest.fixture(autouse=True)
def small_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A small project to measure in; the thread count is as it was afterwards."""
    threads = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
    monkeypatch.chdir(project(tmp_path).root)
    (tmp_path / "params.yaml").write_text(SMALL)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("module", FIGURES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_it_prints_one_object_with_its_figures(module: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert module.main(QUICK) == 0
    found = json.loads(capsys.readouterr().out)
    assert found.keys() >= FIGURES[module] | {"benchmark", "backbone", "dtype", "threads", "rounds"}
    assert (found["benchmark"], found["backbone"], found["quick"]) == (module.__name__.rpartition(".")[2], "tiny", True)
    assert found["benchmark"] in NAMES
    assert all(number > 0 for number in numbers(found))


@pytest.mark.parametrize("module", [train_throughput, pretrain_throughput])
def test_our_training_meets_as_many_examples_as_are_counted(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the project's own settings draw a share of them."""
    Path("params.yaml").write_text(SMALL.replace("exemplars: 1", "exemplars: 1, epoch_share: 0.3"))
    assert load_params(Path("params.yaml")).training.epoch_share < 1
    met: list[tuple[str, int]] = []
    monkeypatch.setattr(module, "fit", lambda task, _: met.append((type(task).__name__, task.num_batches(0))))
    module.main(QUICK)
    steps = {name: batches for name, batches in met if name in ("JointTask", "PretrainingTask")}
    assert list(steps.values()) == [2]


def numbers(node: Any) -> Iterator[float]:
    """Every measured number."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name != "grown_mb":  # memory that was free before is used again
                yield from numbers(value)
    elif isinstance(node, int | float):
        yield float(node)


def test_ways_take_turns_and_so_does_who_begins() -> None:
    order: list[str] = []
    ways: dict[str, Callable[[], object]] = {name: lambda name=name: order.append(name) for name in ("a", "b")}
    seconds = take_turns(ways, 3)
    assert "".join(order) == "ab" + "ab" + "ba" + "ab"
    assert [len(seconds[name]) for name in "ab"] == [3, 3]
    assert ratio({"slow": [2.0, 9.0, 40.0], "fast": [1.0, 3.0, 10.0]}, "slow", "fast") == 3.0


def test_the_plain_loop_of_phase_0_has_the_loss_of_ours() -> None:
    params = parameters(OPTIONS)
    catalogue = pretrain_throughput.rows_of(read_inputs(params, 1).catalogue, 8)
    torch.manual_seed(0)
    task = pretraining_task(params, catalogue)
    assert task.prompt_1T is not None
    with torch.no_grad():
        task.encoder.fusion.alpha.fill_(0.5)
        batch, longest = task.batch(0, 0), max(map(len, task.tokens))
        plain = pretrain_throughput.plain_loss(task, batch, longest + 7)
        torch.testing.assert_close(plain, task.loss(batch)["loss"], rtol=1e-4, atol=1e-5)


def test_the_trainer_of_phase_3_has_the_loss_of_ours(tmp_path: Path) -> None:
    inputs = read_inputs(parameters(OPTIONS), 6)

    def task(cached: bool) -> JointTask:
        backbone, heads, batches = train_throughput.parts(inputs)
        texts = batches.examples.texts
        task = train_throughput.joint_task(
            inputs, backbone, heads, batches, heads.tail(inputs.params.lora) if cached else None
        )
        task.store = open_store(backbone, backbone.fingerprint, texts, tmp_path / "texts") if cached else None
        return task

    ours, theirs = task(True), train_throughput.WithHeads(task(False))
    rows = torch.arange(6)
    with torch.no_grad():
        expected = ours.loss(ours.batches.batch(rows.numpy()))["loss"]
        torch.testing.assert_close(theirs(rows)["loss"], expected, rtol=1e-4, atol=1e-5)


def test_the_trainer_of_phase_3_trains() -> None:
    inputs = read_inputs(parameters(OPTIONS), 6)
    backbone, heads, batches = train_throughput.parts(inputs)
    module = train_throughput.WithHeads(train_throughput.joint_task(inputs, backbone, heads, batches, None))
    before = {name: value.clone() for name, value in module.named_parameters()}
    train_throughput.train(module, range(6), lambda few: {"rows": torch.tensor(few)}, inputs.params)
    moved = {name for name, value in module.named_parameters() if not torch.equal(value, before[name])}
    assert {name.split(".")[1] for name in moved} == {"heads", "lora"}


def test_the_words_of_a_batch_are_padded_where_nothing_is_learnt() -> None:
    batch = train_throughput.padded_on_the_right([([5, 6, 7], [-100, 6, 7]), ([8], [8])])
    assert batch["input_ids"].tolist() == [[5, 6, 7], [8, 0, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch["labels"].tolist() == [[-100, 6, 7], [8, -100, -100]]


def test_a_function_call_is_as_long_as_the_plan_it_says() -> None:
    assert function_calling.shared_length([[1, 2, 3, 4], [1, 2, 9]]) == 2
    assert function_calling.shared_length([[1, 2, 3], [1, 2, 3]]) == 2  # something is left to pass through


def test_made_up_catalogues_have_243_rows_a_tool() -> None:
    catalogue = catalogue_scale.made_up(3, seed=0)
    assert len(catalogue) == 3 * 243
    assert [len(catalogue.ids(tool)) for tool in range(3)] == [243] * 3


def test_figures_of_another_machine_are_not_kept(tmp_path: Path) -> None:
    out = tmp_path / "results.json"
    assert earlier(out, {"cpu": "a"}) == {}
    out.write_text(json.dumps({"machine": {"cpu": "a"}, "results": {"plan_latency": {"ratio": 1.1}}}))
    assert earlier(out, {"cpu": "a"}) == {"plan_latency": {"ratio": 1.1}}
    assert earlier(out, {"cpu": "b"}) == {}


@pytest.mark.slow
def test_overhead_is_what_dvc_mlflow_and_starting_up_add(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    out = tmp_path / "results.json"
    assert run_benchmarks(["--only", "pipeline_overhead", *QUICK, "--out", str(out)]) == 0, capfd.readouterr().err
    written = json.loads(out.read_text())
    assert written["machine"]["packages"]["torch"]
    found = written["results"]["pipeline_overhead"]
    assert found["seconds"]["dvc_repro"] - found["seconds"]["bare"] == pytest.approx(found["overhead_s"], rel=0.01)
    assert found["overhead_s"] > 0
    assert set(found["cold_start_ms"]) == {"tomas --help", "tomas plan", "import torch, transformers"}
    assert {"date", "cpu_busy_before_percent", "metrics_share_at_most", "default_repro"} <= found.keys()
    assert os.environ.get("MLFLOW_TRACKING_URI") is None


def test_a_finished_ablation_is_kept_with_what_its_metrics_say(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An experiment on other data, or of no line of the table, is none of its; a figure nobody measured is a dash."""
    state = ablations.key(Paths(Path.cwd()), [])

    def run(line: str, seed: int, recall: float, state: str = state) -> Any:
        metrics = {"evaluate": {"tool_macro_recall": recall, "given_tool": {"masked": {"near_optimal_5": None}}}}
        return SimpleNamespace(name=ablations.experiment(line, seed, state), metrics=metrics)

    queued: list[tuple[str, list[str]]] = []
    finished = [run("as it is", 0, 0.9), run("no timeline", 0, 0.5), run("as it is", 2, 0.1, "another")]
    monkeypatch.setattr(ablations, "finished_experiments", lambda _: finished)
    monkeypatch.setattr(ablations, "queue_grid", lambda _, name, grid: queued.append((name, grid)))
    monkeypatch.setattr(ablations, "queue_status", lambda _: {ablations.experiment("no timeline", 1, state): WAITING})
    monkeypatch.setattr(ablations, "run_queue", lambda *_: finished.append(run("as it is", 1, 0.94)))
    monkeypatch.setattr(ablations, "sync", lambda _: None)
    ask = ["--only", "as it is", "no timeline", "--seeds", "0", "1"]
    assert ablations.main(ask) == 0
    assert queued == [(ablations.experiment("as it is", 1, state), ["seed=1"])]
    rows = {cells[0]: cells[1:] for cells in map(cells_of, capsys.readouterr().out.splitlines()[2:])}
    assert rows["as it is"][:4] == ["2", "0.920 ± 0.028", "-", "-"]
    assert rows["no timeline"][:2] == ["1", "0.500"]
    queued.clear()
    finished.clear()  # on another machine: what was measured stands in the file
    assert ablations.main([*ask, "--table"]) == 0
    assert not queued
    assert "0.920 ± 0.028" in capsys.readouterr().out


def cells_of(row: str) -> list[str]:
    """The cells of a line of a table."""
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_every_ablation_changes_a_parameter_that_exists_and_has_a_name_of_its_own() -> None:
    names = {ablations.experiment(line, seed, "state") for line in ablations.LINES for seed in (0, 1)}
    assert len(names) == 2 * len(ablations.LINES)
    for overrides in ablations.LINES.values():
        document = CommentedMap()
        for text in overrides:
            put(document, *setting(text))
        assert all(
            parse_params(document).model_dump()[section] != Params().model_dump()[section] for section in document
        )
