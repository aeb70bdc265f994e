"""A backbone comes frozen from wherever its name points, and a name that points nowhere is one clear line."""

from dataclasses import replace
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch

from tests.backbone.small import TOKENS_BT, tiny
from tomas.backbone.loading import Backbone, load_backbone
from tomas.config import Backbone as BackboneParams
from tomas.errors import UserError
from tomas.kernel.spec import PartSpec
from tomas.registry import default_registry
from tomas.testing import check_part


def from_folder(folder: Path) -> BackboneParams:
    return BackboneParams(name=str(folder), dtype="float32", attention="sdpa")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The tiny model as a folder that transformers wrote."""
    backbone = tiny()
    backbone.model.save_pretrained(tmp_path / "model")
    backbone.tokenizer.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_a_backbone_is_frozen_and_does_not_drop_out() -> None:
    backbone = tiny()
    assert not backbone.model.training
    assert not any(parameter.requires_grad for parameter in backbone.model.parameters())


def test_a_local_folder_holds_the_same_model(folder: Path) -> None:
    loaded, made = load_backbone(from_folder(folder)), tiny()
    with torch.no_grad():
        assert torch.equal(loaded.model(TOKENS_BT).logits, made.model(TOKENS_BT).logits)
    assert loaded.tokenize(["thanks, 谢谢"], 50) == made.tokenize(["thanks, 谢谢"], 50)
    assert loaded.hidden_size == made.hidden_size == 64


def test_the_attention_kernels_agree() -> None:
    with torch.no_grad():
        torch.testing.assert_close(tiny("eager").model(TOKENS_BT).logits, tiny("sdpa").model(TOKENS_BT).logits)


def test_the_fingerprint_tells_weights_apart_and_nothing_else(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, loaded = tiny(), load_backbone(from_folder(folder))
    loaded.model.config.dtype = made.model.config.dtype
    loaded.model.config.architectures = made.model.config.architectures
    assert made.fingerprint == tiny().fingerprint == loaded.fingerprint
    other = tiny()
    monkeypatch.setattr("transformers.configuration_utils.__version__", "99.0")
    assert tiny().fingerprint == made.fingerprint
    other.model.model.layers[1].mlp.up_proj.weight[0, 0] += 1e-3
    assert other.fingerprint != made.fingerprint


def test_embeddings_have_the_norm_a_vector_needs_to_be_heard() -> None:
    backbone = tiny()
    every_token = backbone.embed(torch.arange(259))
    assert backbone.embedding_norm == pytest.approx(float(every_token.norm(dim=1).median()))


def test_texts_are_cut_where_they_are_too_long() -> None:
    short, long = tiny().tokenize(["abc", "a" * 100], 10)
    assert (len(short), len(long)) == (3, 10)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^backbone.name: no folder .*absent$"):
        load_backbone(from_folder(tmp_path / "absent"))


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_a_folder_without_a_model_says_what_it_lacks(folder: Path, missing: str) -> None:
    (folder / missing).unlink()
    with pytest.raises(UserError, match=r"holds no model: it needs config.json and \*.safetensors$"):
        load_backbone(from_folder(folder))


@pytest.mark.parametrize("broken", ["config.json", "model.safetensors"])
def test_a_broken_folder_is_one_line(folder: Path, broken: str) -> None:
    (folder / broken).write_text("not what it should be")
    with pytest.raises(UserError, match="could not be loaded") as caught:
        load_backbone(from_folder(folder))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["someone/a-model-not-cached-here", "gpt-that-is-not-there"])
def test_a_hub_name_without_network_is_one_line_that_names_the_ways_out(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError) as caught:
        load_backbone(BackboneParams(name=name))
    line = str(caught.value)
    assert line.startswith(f"backbone.name: model hub entry '{name}' could not be loaded; ")
    assert "smollm2-135m" in line
    assert "\n" not in line


def another(params: BackboneParams) -> Backbone:
    """A factory as another package would bring it."""
    return replace(load_backbone(params.model_copy(update={"name": "tiny"})), name="another")


def test_a_backbone_of_another_package_is_made_by_its_own_factory() -> None:
    tables = default_registry._tables["backbone"]
    part = PartSpec("backbone", "another", f"{__name__}:another", "a tiny one", distribution="far-away")
    default_registry.add(part)
    try:
        assert load_backbone(BackboneParams(name="another", dtype="float32")).name == "another"
        check_part(part)
    finally:
        del tables["another"]
