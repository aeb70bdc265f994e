"""A planner's folder comes back as it was written, and is refused in one line where it cannot be used."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.encoder.small import CATALOGUE
from tests.planner.small import untrained, untrained_heads
from tests.planner.small_training import small_params
from tomas.backbone.loading import load_backbone
from tomas.errors import UserError
from tomas.planner import Planner
from tomas.planner.artifact import read_artifact

FILES = [
    "adapter_config.json", "adapter_model.safetensors", "config_lookup.json", "heads.safetensors",
    "lexicon.safetensors", "parts.json", "planner.json", "reading_adapter.safetensors",
]  # fmt: skip
KINDS: list[dict[str, Any]] = [
    {},
    {"decoder": {"kind": "flat"}, "lora": {"scope": "all"}},
    {"decoder": {"kind": "regressor"}, "temporal": {"kind": "none"}},
    {"backbone": {"attention": "tva"}, "temporal": {"kind": "attention"}},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained(tmp_path_factory.mktemp("planner") / "planner")


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "planner"))


@pytest.mark.parametrize("sections", KINDS, ids=["default", "flat", "regressor", "tva"])
def test_heads_and_settings_come_back(tmp_path: Path, sections: dict[str, Any]) -> None:
    folder = untrained(tmp_path / "planner", gate_threshold=0.25, **sections)
    backbone = load_backbone(small_params(**sections).backbone)
    _, heads = untrained_heads(backbone, **sections)
    artifact = read_artifact(folder)
    loaded = artifact.heads(backbone)
    assert artifact.spec.gate_threshold == 0.25
    assert artifact.catalogue.to_lookup() == CATALOGUE.to_lookup()
    assert loaded.state_dict().keys() == heads.state_dict().keys()
    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in heads.state_dict().items())
    assert not loaded.training
    assert not any(p.requires_grad for p in loaded.parameters())


def test_the_weights_are_in_formats_that_run_nothing(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == FILES
    assert len(load_file(folder / "heads.safetensors")) > 10


def test_a_planner_on_other_weights_is_refused(copy: Path, tmp_path: Path) -> None:
    other = load_backbone(small_params().backbone)
    with torch.no_grad():
        other.model.model.layers[0].mlp.up_proj.weight.add_(0.01)
    other.model.save_pretrained(tmp_path / "model")
    other.tokenizer.save_pretrained(tmp_path / "model")
    spec = json.loads((copy / "planner.json").read_text())
    spec["backbone"]["name"] = str(tmp_path / "model")
    (copy / "planner.json").write_text(json.dumps(spec))
    with pytest.raises(UserError, match=r"trained on other weights of .*; train again with `dvc repro`$"):
        Planner.load(copy)


def test_where_there_is_no_planner_the_command_that_makes_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no trained planner here; run `make repro`"):
        Planner.load(tmp_path / "absent")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", [None, "{", '{"format": 1}'])
def test_a_folder_that_is_damaged_is_one_line(copy: Path, name: str, content: str | None) -> None:
    (copy / name).unlink()
    if content is not None:
        (copy / name).write_text(content)
    with pytest.raises(UserError) as caught:
        Planner.load(copy)
    assert "\n" not in str(caught.value)
    assert "dvc repro" in str(caught.value)


def test_a_planner_of_another_version_is_refused(copy: Path) -> None:
    spec = json.loads((copy / "planner.json").read_text())
    (copy / "planner.json").write_text(json.dumps(spec | {"format": 99}))
    with pytest.raises(UserError, match="written by another version of TOMAS"):
        Planner.load(copy)
