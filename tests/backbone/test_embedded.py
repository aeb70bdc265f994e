"""An embedded model is found without importing its package, checked against its hash, and converted whole or not."""

import hashlib
import sys
from pathlib import Path

import pytest
import torch

from tomas.backbone import embedded
from tomas.backbone.embedded import EMBEDDED, Embedded, embedded_folder
from tomas.backbone.loading import load_backbone
from tomas.config import Backbone as BackboneParams
from tomas.errors import UserError

PIECES = {"toy_part1": b"first half, ", "toy_part2": b"second half"}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TOMAS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "backbones"


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Embedded:
    """A model in two packages that break when they are imported."""
    for package, content in PIECES.items():
        folder = tmp_path / "site" / package
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("raise RuntimeError('imported')")
        (folder / "part.gguf").write_bytes(content)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    digest = hashlib.sha256(b"".join(PIECES.values())).hexdigest()
    source = Embedded(tuple((package, "part.gguf") for package in PIECES), digest, "requirements/toy.txt")
    monkeypatch.setitem(EMBEDDED, "toy", source)
    return source


def test_a_package_that_is_not_installed_is_named_with_the_command(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        EMBEDDED, "toy", Embedded((("package_that_is_not_there", "x"),), "0" * 64, "requirements/toy.txt")
    )
    with pytest.raises(UserError, match=r"'toy' is not installed; run: pip install .* -r requirements/toy.txt$"):
        embedded_folder("toy")
    assert not cache.exists()


def test_a_file_with_another_hash_is_refused_and_leaves_nothing_behind(toy: Embedded, cache: Path) -> None:
    (Path(sys.path[0]) / "toy_part2" / "part.gguf").write_bytes(b"second hal?")
    with pytest.raises(UserError, match=f"expected {toy.sha256}; reinstall it"):
        embedded_folder("toy")
    assert [path for path in cache.iterdir() if path.is_dir()] == []


def test_the_pieces_are_joined_in_order(toy: Embedded, tmp_path: Path) -> None:
    pieces = [Path(sys.path[0]) / package / "part.gguf" for package in PIECES]
    embedded._join(pieces, tmp_path / "whole", toy.sha256, "toy")
    assert (tmp_path / "whole").read_bytes() == b"first half, second half"


def test_a_converted_model_needs_its_package_no_more(toy: Embedded, cache: Path) -> None:
    folder = cache / f"toy-{toy.sha256[:16]}"
    folder.mkdir(parents=True)
    for package in PIECES:
        (Path(sys.path[0]) / package / "part.gguf").unlink()
    assert embedded_folder("toy") == folder


@pytest.mark.slow
def test_the_default_backbone_is_converted_and_speaks(cache: Path) -> None:
    backbone = load_backbone(BackboneParams())
    (folder,) = (path for path in cache.iterdir() if path.is_dir())
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {path.name for path in folder.iterdir()}
    tokens = torch.tensor(backbone.tokenize(["The capital of France is"], 20))
    with torch.no_grad():
        said = int(backbone.model(tokens).logits[0, -1].argmax())
    assert backbone.tokenizer.decode([said]).strip() == "Paris"
