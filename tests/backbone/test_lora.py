"""LoRA applied for planning is LoRA as peft computes it, saved as peft saves it."""

import json
from pathlib import Path
from typing import Any

import peft
import pytest
import torch

from tests.backbone.small import TOKENS_BT, tiny
from tomas.backbone.loading import Backbone
from tomas.backbone.lora import add_lora, apply_lora, save_lora, without_adapters
from tomas.config import Lora

LORA = Lora(rank=3, alpha=7.0)


def trained(backbone: Backbone, params: Lora = LORA) -> Any:
    """The backbone wrapped by peft, as if the adapter had been trained."""
    torch.manual_seed(3)
    wrapped = add_lora(backbone, params)
    with torch.no_grad():
        for name, parameter in wrapped.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=0.3)
    return wrapped


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    save_lora(trained(tiny()), "tiny", tmp_path)
    return tmp_path


@torch.no_grad()
def logits(model: Any, **more: Any) -> torch.Tensor:
    return model(input_ids=TOKENS_BT, **more).logits  # type: ignore[no-any-return]


def test_a_fresh_adapter_changes_nothing_and_is_all_that_is_trained() -> None:
    wrapped = add_lora(tiny(), LORA)
    assert torch.equal(logits(wrapped), logits(tiny().model))
    names = {name.split(".self_attn.")[1] for name, p in wrapped.named_parameters() if p.requires_grad}
    assert names == {f"{layer}.lora_{part}.default.weight" for layer in ("q_proj", "v_proj") for part in "AB"}


def test_on_all_positions_it_is_pefts_own_layer(adapter: Path) -> None:
    applied = tiny()
    apply_lora(applied, adapter, tail=None)
    torch.testing.assert_close(logits(applied.model), logits(trained(tiny())))


@pytest.mark.parametrize("tail", [1, 3, TOKENS_BT.shape[1]])
def test_on_the_tail_it_is_pefts_activated_lora(adapter: Path, tail: int) -> None:
    plain = trained(tiny())
    config = peft.LoraConfig(
        r=LORA.rank, lora_alpha=LORA.alpha, target_modules=list(LORA.targets), task_type="CAUSAL_LM",
        alora_invocation_tokens=[1],
    )  # fmt: skip
    activated = peft.get_peft_model(tiny().model, config)
    activated.load_state_dict(plain.state_dict())
    applied = tiny()
    apply_lora(applied, adapter, tail)
    expected = logits(activated, alora_offsets=[tail] * len(TOKENS_BT))
    torch.testing.assert_close(logits(applied.model), expected)
    assert (tail == TOKENS_BT.shape[1]) == torch.allclose(expected, logits(plain))


def test_the_tail_leaves_the_positions_before_it_as_they_were(adapter: Path) -> None:
    applied = tiny()
    apply_lora(applied, adapter, tail=2)
    frozen, tuned = logits(tiny().model), logits(applied.model)
    torch.testing.assert_close(tuned[:, :-2], frozen[:, :-2])
    assert not torch.allclose(tuned[:, -2:], frozen[:, -2:])


@pytest.mark.parametrize("tail", [None, 2])
def test_without_adapters_the_model_is_the_frozen_one_and_then_itself_again(adapter: Path, tail: int | None) -> None:
    applied = tiny()
    layers = apply_lora(applied, adapter, tail)
    tuned = logits(applied.model)
    with without_adapters(layers):
        assert torch.equal(logits(applied.model), logits(tiny().model))
    assert torch.equal(logits(applied.model), tuned)
    with pytest.raises(ZeroDivisionError), without_adapters(layers):
        raise ZeroDivisionError
    assert torch.equal(logits(applied.model), tuned)


def test_peft_itself_loads_what_was_saved(adapter: Path) -> None:
    loaded = peft.PeftModel.from_pretrained(tiny().model, adapter)
    assert torch.equal(logits(loaded), logits(trained(tiny())))


def test_the_saved_files_tell_nothing_of_this_machine_and_are_the_same_in_every_process(tmp_path: Path) -> None:
    # peft keeps the targets in a set; with seven of them it is not sorted by chance
    targets = ("v_proj", "q_proj", "k_proj", "o_proj", "up_proj", "gate_proj", "down_proj")
    save_lora(trained(tiny(), Lora(targets=targets)), "smollm2-135m", tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "smollm2-135m"
    assert config["target_modules"] == sorted(targets)
