"""Every shipped profile trains and plans: its own settings on a random model of its backbone's family, cut short."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    PretrainedConfig,
    Qwen2Config,
)

from tests.planner.small_training import BASE, prepare, train
from tomas.backbone.tiny import tiny_tokenizer
from tomas.config import parse_params
from tomas.kernel.profiles import profile_names, read_profile
from tomas.kernel.yaml_files import lay_over, plain, read_yaml
from tomas.paths import Paths
from tomas.planner import Planner

ROOT = Path(__file__).parents[2]
SMALL = {
    "vocab_size": 259, "hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 2048, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
FAMILIES: dict[str, PretrainedConfig] = {
    "smollm2-135m": LlamaConfig(**SMALL, tie_word_embeddings=True),
    "gemma3-270m": Gemma3TextConfig(**SMALL, head_dim=16, sliding_window=16),
    "Qwen/Qwen2.5-0.5B-Instruct": Qwen2Config(**SMALL, tie_word_embeddings=True),
    "Qwen/Qwen2.5-7B-Instruct": Qwen2Config(**SMALL, tie_word_embeddings=False),
}


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    return prepare(tmp_path_factory.mktemp("project"))


def random_model(name: str, folder: Path) -> Path:
    """A folder with random weights of the family of a backbone."""
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(FAMILIES[name], dtype=torch.bfloat16).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def settings(name: str, folder: Path) -> dict[str, Any]:
    """params.yaml with the profile, on a random model; data and numbers of steps are cut short."""
    document = read_yaml(ROOT / "params.yaml")
    lay_over(document, read_profile(ROOT / "profiles" / f"{name}.yaml").overlay)
    values: dict[str, Any] = plain(document)
    if values["backbone"]["name"] != "tiny":
        values["backbone"]["name"] = str(random_model(values["backbone"]["name"], folder / "model"))
    values["labelling"] |= BASE["labelling"]
    values["training"] |= {"warmup_epochs": 1, "batch_size": 32, "max_epochs": max(values["training"]["max_epochs"], 2)}
    values["decoder"]["init"] = "random"
    return values


@pytest.mark.slow
@pytest.mark.parametrize("name", profile_names(ROOT / "profiles"))
def test_the_profile_trains_and_plans(paths: Paths, tmp_path: Path, name: str) -> None:
    values = settings(name, tmp_path)
    curve = train(paths, parse_params(values), tmp_path / "planner")
    assert curve.loss.notna().all()
    assert curve.query("phase == 2").step.max() >= 2
    plan = Planner.load(tmp_path / "planner", parse_params(values)).plan("is this milk all right, 7 samples")
    assert plan.status in {"ready", "wait", "infeasible", "no_tool"}
    if name == "moe_reasoning":
        first = {column: curve.epoch[curve[column].notna()].min() for column in ("moe_balance", "align_anchor")}
        assert first == {"moe_balance": 2, "align_anchor": 3}
        assert curve.route_temp.dropna().iloc[[0, -1]].tolist() == [1.5, 0.8]


def test_without_flash_attention_the_7b_profile_falls_back_and_says_so(
    paths: Paths, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train(paths, parse_params(settings("qwen2.5-7b", tmp_path)), tmp_path / "planner")
    assert "'sdpa' is used instead" in caplog.text
    parts = Planner.load(tmp_path / "planner").parts
    assert parts["attention"]["requested"] == "flash"
    assert parts["attention"]["used"] == "sdpa"
    assert "flash_attn is not installed" in parts["attention"]["reason"]
