"""Plug-ins in a real planner: they come on when they should, are kept with it, and help or stay out when it plans."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from tests.planner.small_training import prepare, small_params, train
from tomas.domain.request import Request
from tomas.errors import UserError
from tomas.kernel.spec import PartSpec
from tomas.parts.moe import expert_sites
from tomas.paths import Paths
from tomas.planner import Planner
from tomas.registry import default_registry
from tomas.training.hooks import PartFailed
from tomas.training.loop import Run

REASONING: dict[str, Any] = {
    "seed": 3,  # of its epochs' last batches, the ones that are logged, each holds a request that a tool serves
    "plugins": ["moe", "align"],
    "moe": {"experts": 4},
    "training": {"max_epochs": 5, "batch_size": 16},
    "schedules": {
        "enable_moe_at_epoch": 2,
        "enable_align_at_epoch": 3,
        "route_temp": {"start": 1.5, "end": 0.8, "by": "epoch"},
    },
}
TEXTS = [
    "what will the 4 hectares behind the barn bear?",
    "is this milk all right, 7 samples",
    "please test 80 samples",
]


class Stop:
    """Ends a training as a failing plug-in does."""

    at = 0

    def __init__(self, _options: None) -> None: ...

    def on_step_end(self, run: Run) -> None:
        if run.step == self.at:
            raise RuntimeError("stop")


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    return prepare(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def reasoning(paths: Paths) -> tuple[Path, pd.DataFrame]:
    target = paths.root / "reasoning"
    return target, train(paths, small_params(**REASONING), target)


@pytest.fixture
def stopper() -> Iterator[type[Stop]]:
    tables = default_registry._tables["observer"]
    default_registry.add(PartSpec("observer", "stop", f"{__name__}:Stop", "stops"))
    yield Stop
    del tables["stop"]


def test_each_plugin_comes_on_at_its_epoch_and_the_temperature_falls(reasoning: tuple[Path, pd.DataFrame]) -> None:
    joint = reasoning[1].query("phase == 2")
    assert joint.groupby("epoch").moe_balance.count().gt(0).tolist() == [False, False, True, True, True]
    assert joint.groupby("epoch").align_anchor.count().gt(0).tolist() == [False, False, False, True, True]
    assert joint.groupby("epoch").enabled_moe.max().tolist() == [0, 0, 1, 1, 1]
    assert joint.groupby("epoch").enabled_bistate.max().tolist() == [0, 0, 0, 1, 1]
    assert joint.groupby("epoch").route_temp.max().tolist() == pytest.approx([1.5, 1.325, 1.15, 0.975, 0.8])


@pytest.mark.parametrize("step", [6, 9, 11, 14])
def test_a_run_stopped_between_the_switches_ends_with_the_same_planner(
    paths: Paths, reasoning: tuple[Path, pd.DataFrame], stopper: type[Stop], tmp_path: Path, step: int
) -> None:
    stopper.at = step
    target = tmp_path / "again"
    with pytest.raises(PartFailed):
        train(paths, small_params(**{**REASONING, "plugins": ["moe", "align", "stop"]}), target)
    stopper.at = -1
    curve = train(paths, small_params(**REASONING), target)
    first, again = (load_file(folder / "heads.safetensors") for folder in (reasoning[0], target))
    assert first.keys() == again.keys()
    assert all(torch.equal(first[name], again[name]) for name in first)
    pd.testing.assert_frame_equal(curve, reasoning[1])


def test_a_planner_with_experts_is_loaded_with_them(reasoning: tuple[Path, pd.DataFrame]) -> None:
    planner = Planner.load(reasoning[0])
    mixing = [f"temporal.blocks.{block}.{layers}.0" for block in (0, 1) for layers in ("points", "channels")]
    assert [path for path, _ in expert_sites(planner.predictor.heads)] == [*mixing, "decoder.query.out.1"]
    assert all(plan.status in {"ready", "wait", "infeasible", "no_tool"} for plan in map(planner.plan, TEXTS))
    assert {"router", "align", "temporal", "decoder", "latency", "attention"} == planner.parts.keys()


def test_a_planner_whose_package_is_gone_says_what_to_install(
    reasoning: tuple[Path, pd.DataFrame], tmp_path: Path
) -> None:
    for file in reasoning[0].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    parts = json.loads((tmp_path / "parts.json").read_text())
    parts["router"] |= {"used": "far", "distribution": "far-away", "version": "3.1"}
    (tmp_path / "parts.json").write_text(json.dumps(parts))
    with pytest.raises(UserError, match=r"pip install far-away==3\.1"):
        Planner.load(tmp_path)


@pytest.mark.parametrize("scope", ["context", "all"])
def test_low_rank_attention_is_trained_kept_and_silent_where_the_model_speaks(paths: Paths, scope: str) -> None:
    target = paths.root / f"tva-{scope}"
    params = small_params(backbone={"attention": "tva"}, lora={"scope": scope}, training={"max_epochs": 2})
    train(paths, params, target)
    residuals = load_file(target / "attention_residual.safetensors")
    assert all(gate.abs().sum() > 0 for name, gate in residuals.items() if name.endswith("gate_H"))
    planner = Planner.load(target)
    request = [Request(text=TEXTS[0])]
    trained = planner.predict(request)[0].tool_probabilities
    answer = planner._words.answers(TEXTS[:1])
    with torch.no_grad():
        for layer in planner.predictor.adapters:
            if hasattr(layer, "gate_H"):
                layer.gate_H.zero_()
    assert (planner.predict(request)[0].tool_probabilities != trained).any()
    assert planner._words.answers(TEXTS[:1]) == answer


@pytest.mark.parametrize("kind", ["cnn", "attention", "attention-tva", "attention-linear", "none"])
def test_every_temporal_encoder_trains_and_plans(paths: Paths, kind: str) -> None:
    target = paths.root / f"temporal-{kind}"
    curve = train(paths, small_params(temporal={"kind": kind}), target)
    assert curve.loss.notna().all()
    assert Planner.load(target).parts["temporal"]["used"] == kind


def test_linear_attention_may_not_stand_in_a_pretrained_model(paths: Paths) -> None:
    with pytest.raises(UserError, match="another function"):
        train(paths, small_params(backbone={"attention": "linear"}), paths.root / "never")


def test_alignment_needs_a_decoder_with_vectors(paths: Paths) -> None:
    with pytest.raises(PartFailed, match="decoder"):
        train(paths, small_params(plugins=["align"], decoder={"kind": "regressor"}), paths.root / "never")


def test_planning_plugins_are_used_when_params_name_them(reasoning: tuple[Path, pd.DataFrame]) -> None:
    plain = Planner.load(reasoning[0])
    params = small_params(
        plugins=["tfidf", "voter"], retriever={"min_tools": 1, "shortlist": 1}, voter={"threshold": 0.0}
    )
    helped = Planner.load(reasoning[0], params)
    [listed] = helped.predict([Request(text="is this milk fit to drink")])
    assert sorted(listed.tool_probabilities) == [0.0, 1.0]
    assert helped.catalogue.tools[listed.tool_id].name == "milk_test"
    [whole] = plain.predict([Request(text="is this milk fit to drink")])
    assert (whole.tool_probabilities > 0).all()
    for plan in helped.plan_batch([Request(text=text) for text in TEXTS]):
        assert plan.feasible or plan.status in {"no_tool", "infeasible"}


def test_a_failing_shortlist_is_told_in_the_plan(
    reasoning: tuple[Path, pd.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    params = small_params(plugins=["tfidf"], retriever={"min_tools": 1, "shortlist": 1})
    planner = Planner.load(reasoning[0], params)
    monkeypatch.setattr("tomas.parts.retriever.TfidfIndex.scores", lambda *_: 1 / 0)
    planner.gate_threshold = 0.0
    plan = planner.plan(TEXTS[1])
    assert any(warning.startswith("degraded") for warning in plan.warnings)
