"""One way to a frozen language model, whatever it is called: embedded, a folder, a hub name, or tiny."""

import hashlib
import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from tomas import registry
from tomas.backbone.embedded import EMBEDDED, embedded_folder
from tomas.config import Backbone as BackboneParams
from tomas.errors import UserError
from tomas.kernel.fallback import Resolution, resolve


@dataclass(frozen=True)
class Backbone:
    """A frozen causal language model with its tokenizer."""

    name: str
    model: Any
    """The transformers model with its LM head, in eval mode, no parameter trainable."""
    tokenizer: Any
    attention: Resolution
    """The attention kernel asked for and the one in use."""

    @property
    def hidden_size(self) -> int:
        """Width of the hidden states, read from the model."""
        return int(self.model.get_input_embeddings().weight.shape[1])

    @property
    def dtype(self) -> torch.dtype:
        """Number format of the weights."""
        return self.model.get_input_embeddings().weight.dtype  # type: ignore[no-any-return]

    @property
    def num_layers(self) -> int:
        """Depth of the model, read from its configuration."""
        return int(self.model.config.get_text_config().num_hidden_layers)

    @property
    def body(self) -> Any:
        """The layers without the LM head."""
        return self.model.model

    @cached_property
    def fingerprint(self) -> str:
        """A hash that tells these weights from others: the configuration and a sample of the numbers."""
        config = {**self.model.config.to_diff_dict(), "transformers_version": None, "_name_or_path": None}
        digest = hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode())
        for parameter in self.model.parameters():
            digest.update(parameter.detach().flatten()[:256].float().cpu().numpy().tobytes())
        return digest.hexdigest()[:16]

    def prepare_for_training(self) -> None:
        """Take the attention kernel that is fastest there, where the choice is ours.

        On a CPU the fused kernel's backward is the slowest part of a step; plain products take half as long, and no
        longer than it without a backward pass.
        """
        if self.attention.requested == "auto" and self.model.device.type == "cpu":
            from tomas.backbone.grouped import NAME

            self.model.set_attn_implementation(NAME)

    def embed(self, tokens: torch.Tensor) -> torch.Tensor:
        """Token embeddings as the body expects them, the model's own scaling included."""
        return self.model.get_input_embeddings()(tokens)  # type: ignore[no-any-return]

    @property
    def embedding_norm(self) -> float:
        """Median norm of a token embedding: the length a vector needs to be heard."""
        weight = self.model.get_input_embeddings().weight[:4096].float()
        scale = float(getattr(self.model.get_input_embeddings(), "scalar_embed_scale", 1.0))
        return float(weight.norm(dim=1).median()) * scale

    def tokenize(self, texts: list[str], max_tokens: int) -> list[list[int]]:
        """Token IDs of each text, with the tokenizer's own start token where it has one, cut at `max_tokens`."""
        encoded = self.tokenizer(texts, truncation=True, max_length=max_tokens)["input_ids"]
        return [list(ids) for ids in encoded]


def load_backbone(params: BackboneParams) -> Backbone:
    """The backbone params.yaml names, frozen, ready to compute; one of another package is made by its own factory."""
    factory = registry.load("backbone", params.name)
    if factory is not load_backbone:
        made: Backbone = factory(params)
        return made
    attention = resolve("attention", params.attention, dtype=params.dtype)
    kernel = registry.load("attention", attention.used).transformers
    if kernel is None:
        raise UserError(f"backbone.attention: {attention.used!r} computes another function than the pretrained model's")
    dtype = getattr(torch, params.dtype)
    if params.name == "tiny":
        from tomas.backbone.tiny import tiny_model, tiny_tokenizer

        model, tokenizer = tiny_model(kernel, dtype), tiny_tokenizer()
    else:
        model, tokenizer = _load_pretrained(params.name, kernel, dtype)
    model.eval().requires_grad_(False)
    if torch.cuda.is_available():
        model.to(f"cuda:{os.environ.get('LOCAL_RANK', '0')}")  # of several processes each has a GPU
    return Backbone(params.name, model, tokenizer, attention)


def _load_pretrained(name: str, attention: str, dtype: torch.dtype) -> tuple[Any, Any]:
    from safetensors import SafetensorError

    source: str | Path = embedded_folder(name) if name in EMBEDDED else name
    if not isinstance(source, Path) and _is_folder(name):
        source = _checked_folder(Path(name))
    try:
        try:
            return _from_pretrained(source, attention, dtype, local_files_only=True)
        except OSError:  # not on this machine; asking the hub first would take a minute of retries without network
            if isinstance(source, Path):
                raise
            return _from_pretrained(source, attention, dtype, local_files_only=False)
    except (OSError, ValueError, SafetensorError) as error:
        where = "folder" if isinstance(source, Path) else "model hub entry"
        raise UserError(
            f"backbone.name: {where} {name!r} could not be loaded; use an embedded name ({', '.join(EMBEDDED)}), "
            f"a folder with config.json and safetensors, or a hub name with network or a filled cache "
            f"[{' '.join(str(error).split())[:160]}]"
        ) from error


def _from_pretrained(
    source: str | Path, attention: str, dtype: torch.dtype, *, local_files_only: bool
) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=local_files_only)
    model = AutoModelForCausalLM.from_pretrained(
        source, dtype=dtype, attn_implementation=attention, local_files_only=local_files_only
    )
    return model, tokenizer


def _is_folder(name: str) -> bool:
    return name.startswith((".", "/", "~")) or (os.sep in name and Path(name).expanduser().is_dir())


def _checked_folder(folder: Path) -> Path:
    folder = folder.expanduser()
    if not folder.is_dir():
        raise UserError(f"backbone.name: no folder {folder}")
    if not (folder / "config.json").is_file() or not list(folder.glob("*.safetensors")):
        raise UserError(f"backbone.name: {folder} holds no model: it needs config.json and *.safetensors")
    return folder
