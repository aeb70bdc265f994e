"""What is stored of a text is what the backbone computes; it is computed once, and makes room for other texts."""

import copy
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.planner.small import open_store
from tests.planner.small_training import small_params
from tomas.backbone.loading import Backbone, load_backbone
from tomas.backbone.prefix import prefill
from tomas.planner.model import padded, text_states
from tomas.planner.store import StoredTexts, TextStore, open_above, open_below

TEXTS = [[5, 9, 3], [8, 7, 6, 5, 4, 90], [33], [5, 9, 3, 200]]


def backbone(dtype: str = "float32") -> Backbone:
    return load_backbone(small_params(backbone={"dtype": dtype}).backbone)


def deep(dtype: str) -> Backbone:
    """With layers under those that learn to read; the tiny one has none."""
    made = backbone(dtype)
    config = copy.deepcopy(made.model.config)
    config.num_hidden_layers, config.layer_types = 6, ["full_attention"] * 6
    torch.manual_seed(0)
    model = type(made.model)(config).to(getattr(torch, dtype)).eval().requires_grad_(False)
    return dataclasses.replace(made, model=model)


def shifted() -> Backbone:
    made = backbone()
    with torch.no_grad():
        made.model.get_input_embeddings().weight.add_(0.1)
    return made


def folders(stored: StoredTexts) -> set[Path]:
    return {stored.below.folder, stored.above.folder}


def watched(made: Backbone) -> list[int]:
    """A list that grows by the batch of every pass through the backbone."""
    passes: list[int] = []
    made.body.layers[-1].register_forward_pre_hook(lambda _, given: passes.append(len(given[0])))
    return passes


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("rows", [[1, 2], [3], [2, 0, 1, 3, 1]])
@pytest.mark.parametrize("kind", [backbone, deep])
@torch.no_grad()
def test_a_batch_is_what_the_backbone_computes_of_each_text_alone(
    tmp_path: Path, dtype: str, rows: list[int], kind: Callable[[str], Backbone]
) -> None:
    made = kind(dtype)
    prefix, states, mask = open_store(made, "print", TEXTS, tmp_path).batch(rows)
    longest = max(len(TEXTS[row]) for row in rows)
    assert torch.equal(mask, padded([TEXTS[row] for row in rows])[1])
    tolerance = {"rtol": 1e-4, "atol": 1e-5} if dtype == "float32" else {"rtol": 0.02, "atol": 0.02}
    for place, row in enumerate(rows):
        alone, start = torch.tensor([TEXTS[row]]), longest - len(TEXTS[row])
        for (keys, values), (own_keys, own_values) in zip(prefix, prefill(made, alone), strict=True):
            torch.testing.assert_close(keys[place, :, start:], own_keys[0], **tolerance)
            torch.testing.assert_close(values[place, :, start:], own_values[0], **tolerance)
            assert not keys[place, :, :start].any()
        hidden = made.body(input_ids=alone, output_hidden_states=True).hidden_states
        torch.testing.assert_close(states[place, :, start:], text_states(hidden, len(TEXTS[row]))[0], **tolerance)
        assert states.dtype == prefix[0][0].dtype == made.dtype


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_store_is_computed_once_and_read_back_to_the_bit(tmp_path: Path, dtype: str) -> None:
    made = backbone(dtype)
    passes = watched(made)
    first = open_store(made, "print", TEXTS, tmp_path).batch([0, 1, 2, 3])
    assert sum(passes) == len(TEXTS)
    again = open_store(made, "print", TEXTS, tmp_path).batch([0, 1, 2, 3])
    assert sum(passes) == len(TEXTS)
    for old, new in zip(first[0], again[0], strict=True):
        assert torch.equal(old[0], new[0])
        assert torch.equal(old[1], new[1])
    assert torch.equal(first[1], again[1])


@pytest.mark.parametrize("other", ["texts", "weights", "number format"])
def test_other_texts_or_another_backbone_take_its_place(tmp_path: Path, other: str) -> None:
    old = folders(open_store(backbone(), "print", TEXTS, tmp_path))
    changed: dict[str, Any] = {
        "texts": (backbone(), "print", [*TEXTS, [1, 2]]),
        "weights": (shifted(), "print", TEXTS),
        "number format": (backbone("bfloat16"), "print", TEXTS),
    }
    new = folders(open_store(*changed[other], tmp_path))
    assert {path for path in tmp_path.iterdir() if path.is_dir()} == new
    assert not new & old


def test_other_adapters_compute_the_layers_above_anew_and_leave_those_below(tmp_path: Path) -> None:
    first = open_store(backbone(), "print", TEXTS, tmp_path)
    below, above = first.below.folder, first.above.folder
    del first  # nobody reads it any more
    other = open_store(backbone(), "another print", TEXTS, tmp_path)
    assert other.below.folder == below
    assert other.above.folder != above
    assert not above.exists()


def test_keys_below_are_kept_of_the_texts_that_are_named(tmp_path: Path) -> None:
    made = deep("float32")
    every, some = open_below(made, TEXTS, tmp_path), open_below(made, TEXTS, tmp_path, [3, 0])
    assert torch.equal(some.keys_values([3, 0]), every.keys_values([3, 0]))
    assert torch.equal(some.states([1, 2])[0], every.states([1, 2])[0])
    assert some.content == every.content
    assert some.folder != every.folder
    with pytest.raises(ValueError, match="shape"):
        some.keys_values([1])
    tokens = len(TEXTS[3]) + len(TEXTS[0])
    sizes = [(store.folder / "kv.bin").stat().st_size for store in (some, every)]
    assert sizes[0] * sum(map(len, TEXTS)) == sizes[1] * tokens


def test_texts_that_are_not_asked_for_are_left_out_above(tmp_path: Path) -> None:
    made = backbone()
    below = open_below(made, TEXTS, tmp_path)
    every, some = (open_above(made, "print", below, tmp_path, rows) for rows in (None, [2, 0, 2]))
    torch.testing.assert_close(some.keys_values([0, 2]), every.keys_values([0, 2]), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(some.states([2])[0], every.states([2])[0], rtol=1e-4, atol=1e-5)
    tokens = len(TEXTS[0]) + len(TEXTS[2])
    sizes = [(store.folder / "kv.bin").stat().st_size for store in (every, some)]
    assert sizes[1] * sum(map(len, TEXTS)) == sizes[0] * tokens
    assert open_above(made, "print", below, tmp_path, [0, 2]).folder == some.folder


def test_a_store_that_is_being_read_stays(tmp_path: Path) -> None:
    made = backbone()
    read = open_store(made, "print", TEXTS, tmp_path)
    other = open_store(made, "print", [[1, 2]], tmp_path)
    assert {path for path in tmp_path.iterdir() if path.is_dir()} == folders(read) | folders(other)
    assert read.batch([0])[2].sum() == len(TEXTS[0])


def test_a_store_that_was_being_written_when_the_process_died_is_written_again(tmp_path: Path) -> None:
    made = backbone()
    handle = made.body.register_forward_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        open_store(made, "print", TEXTS, tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.is_dir() and not (path / "index.json").exists()]
    handle.remove()
    made_whole = open_store(made, "print", TEXTS, tmp_path)
    place, both = made_whole.above.folder, folders(made_whole)
    place.rename(place.with_name(f".partial-{place.name}"))  # what a kill leaves behind
    (place.with_name(f".partial-{place.name}") / "index.json").unlink()
    store = open_store(made, "print", TEXTS, tmp_path)
    assert store.batch([1])[2].tolist() == [[1] * 6]
    assert {path for path in tmp_path.iterdir() if path.is_dir()} == both


def test_batches_share_nothing_with_the_files(tmp_path: Path) -> None:
    store = open_store(backbone(), "print", TEXTS, tmp_path)
    prefix, states, _ = store.batch([0])
    before = states.clone()
    prefix[0][0].zero_()
    states.zero_()
    assert torch.equal(TextStore(store.above.folder, torch.float32).states([0])[0], before)


def test_a_batch_goes_where_the_training_is(tmp_path: Path) -> None:
    prefix, states, mask = open_store(backbone(), "print", TEXTS, tmp_path).batch([0, 1], "meta")
    assert {tensor.device.type for tensor in (states, mask, *prefix[0], *prefix[1])} == {"meta"}


def test_what_was_read_ahead_is_what_would_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = open_store(backbone(), "print", TEXTS, tmp_path)
    expected = stored.batch([2, 0])
    stored.read_ahead([2, 0])
    stored.read_ahead([1])
    prefix, states, mask = stored.batch([2, 0])
    assert torch.equal(states, expected[1])
    assert torch.equal(mask, expected[2])
    assert all(torch.equal(a, b) for a, b in zip(prefix[0], expected[0][0], strict=True))
    stored.batch([1])
    monkeypatch.setattr(stored, "_fetch", None)
    with pytest.raises(TypeError):  # fetched ahead once, given once
        stored.batch([1])


def test_a_full_disk_stops_the_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tomas.planner.store._write", full)
    with pytest.raises(OSError, match="No space left"):
        open_store(backbone(), "print", TEXTS, tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]
