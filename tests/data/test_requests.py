"""Requests are spelled out from frames: none twice, split by frame, their sizes true, the same for the same seed."""

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.small import project, write
from tomas.data.amounts import draw_amount, in_text, structured
from tomas.data.frames import Frame, read_frames
from tomas.data.problems import DataError
from tomas.data.readers import load_tools
from tomas.data.requests import make_requests, normalised, split_frames
from tomas.data.wording import as_typed
from tomas.domain.resources import SIZES
from tomas.domain.size import resolve_size

ROOT = Path(__file__).parents[2]
REGISTRY = load_tools(ROOT / "data/tool_registry/tools.json")
LINES = (ROOT / "data/requests/requests.jsonl").read_text(encoding="utf-8").splitlines()
REQUESTS = [json.loads(line) for line in LINES]
FRAMES = read_frames(ROOT / "data/requests/frames", REGISTRY.names)
FOR_TRAINING = {frame.id for frame in FRAMES if frame.for_training}
DIVIDED = [request for request in REQUESTS if request["frame"] not in FOR_TRAINING]
seeds = st.integers(0, 2**32)


def some_frame(text: str, **slots: list[str]) -> Frame:
    return Frame("f.en.000", "image_classification", "en", "goal", text, slots)


def test_the_shipped_requests_are_the_generators_own():
    made = make_requests(0, REGISTRY, FRAMES, 12_000)
    assert made.splitlines() == LINES


def test_another_seed_gives_other_requests():
    few = FRAMES[:40]
    assert make_requests(0, REGISTRY, few, 100) == make_requests(0, REGISTRY, few, 100)
    assert make_requests(0, REGISTRY, few, 100) != make_requests(1, REGISTRY, few, 100)


def test_there_are_many_requests_in_the_shares_asked_for():
    assert len(DIVIDED) == pytest.approx(12_000, rel=0.05)
    assert len(REQUESTS) == len(DIVIDED) + len(FOR_TRAINING)
    tools = Counter(request["tool"] for request in DIVIDED)
    assert 0.20 <= tools.pop(None) / len(DIVIDED) <= 0.25
    assert set(tools) == set(REGISTRY.names)
    assert max(tools.values()) <= 1.1 * min(tools.values())
    assert np.mean([request["lang"] == "zh" for request in REQUESTS]) >= 0.20
    served = [request for request in REQUESTS if request["tool"] is not None]
    assert 0.4 <= np.mean(["input" in request for request in served]) <= 0.6


def test_no_request_is_there_twice():
    assert len({normalised(request["text"]) for request in REQUESTS}) == len(REQUESTS)
    assert len({request["id"] for request in REQUESTS}) == len(REQUESTS)


def test_no_frame_is_in_two_splits_and_every_tool_and_language_is_in_all_three():
    splits: dict[str, set[str]] = {}
    groups: dict[tuple[str | None, str], Counter[str]] = {}
    for request in DIVIDED:
        splits.setdefault(request["frame"], set()).add(request["split"])
        groups.setdefault((request["tool"], request["lang"]), Counter())[request["split"]] += 1
    assert all(len(split) == 1 for split in splits.values())
    for counts in groups.values():
        assert set(counts) == {"train", "val", "test"}
        assert 0.10 <= counts["test"] / counts.total() <= 0.30


def test_frames_are_split_in_their_shares():
    divided = [frame for frame in FRAMES if not frame.for_training]
    shares = Counter(split_frames(0, divided).values())
    assert shares["train"] / len(divided) == pytest.approx(0.70, abs=0.02)
    assert shares["test"] / len(divided) == pytest.approx(0.20, abs=0.02)


def test_frames_for_training_make_one_request_each_and_change_no_other():
    assert FOR_TRAINING
    own = Counter(request["frame"] for request in REQUESTS if request["frame"] in FOR_TRAINING)
    assert set(own) == FOR_TRAINING
    assert set(own.values()) == {1}
    assert {request["split"] for request in REQUESTS if request["frame"] in FOR_TRAINING} == {"train"}
    without = make_requests(0, REGISTRY, [frame for frame in FRAMES if not frame.for_training], 12_000)
    assert [json.loads(line) for line in without.splitlines()] == DIVIDED


def test_no_frame_dominates():
    assert max(Counter(request["frame"] for request in REQUESTS).values()) <= 0.03 * len(REQUESTS)


def test_the_stated_size_is_the_one_the_input_measures():
    checked = 0
    for request in REQUESTS:
        if request["tool"] is None:
            assert "input" not in request
            continue
        spec = REGISTRY[request["tool"]].input
        if spec.field in request.get("input", {}):
            assert spec.size_of(request["input"][spec.field]) == request["input_size"]
            checked += 1
    assert checked > 3000


def test_sizes_told_in_words_are_nearly_always_read_right():
    told = [row for row in REQUESTS if row["tool"] and "input_size" in row and "input" not in row]
    assert len(told) > 500
    right = [resolve_size(REGISTRY[row["tool"]], row["text"]).size == row["input_size"] for row in told]
    assert np.mean(right) > 0.95


@given(seeds)
def test_a_slot_that_stands_twice_has_two_values(seed):
    text = some_frame("from {lang} into {lang}", lang=["Thai", "Lao", "Khmer"]).spell_out(np.random.default_rng(seed))
    words = text.split()
    assert words[1] != words[3]
    assert {words[1], words[3]} <= {"Thai", "Lao", "Khmer"}


@given(seeds)
def test_slots_inside_alternatives_are_filled(seed):
    frame = some_frame("look [[here|at {thing}]] please {n}", thing=["it", "them"])
    assert frame.spell_out(np.random.default_rng(seed)) in {
        "look here please {n}",
        "look at it please {n}",
        "look at them please {n}",
    }


@settings(max_examples=300)
@given(seeds, st.sampled_from(REGISTRY.tools), st.sampled_from(SIZES), st.floats(0, 3))
def test_an_amount_has_the_size_it_was_drawn_for(seed, tool, size, least):
    rng = np.random.default_rng(seed)
    amount = draw_amount(rng, tool.input, size, least)
    if amount is not None:
        assert amount >= least
        assert tool.input.size_of(amount) == size
        assert structured(rng, tool.input, amount)[tool.input.field] == amount


@given(seeds, st.integers(2, 9000))
def test_a_number_put_into_words_reads_back_as_itself(seed, amount):
    rng = np.random.default_rng(seed)
    english, chinese = REGISTRY["image_classification"], REGISTRY["text_summarization"]
    amount = float(f"{amount:.2g}")
    assert resolve_size(english, in_text(rng, "sort a {n} photos pile", amount, "en")).how in ("words", "default")
    for tool, text, lang in (
        (english, "sort my {n} photos", "en"),
        (english, "把这 {n} 张照片分类", "zh"),
        (chinese, "把这{n} 字的报告缩短", "zh"),
        (chinese, "shorten these {n} words", "en"),
    ):
        assert resolve_size(tool, in_text(rng, text, amount, lang)).size == tool.input.size_of(amount)


def test_the_article_goes_with_the_number():
    texts = {in_text(np.random.default_rng(seed), "a {n}-word letter", 800, "en") for seed in range(20)}
    assert texts == {"an 800-word letter"}
    texts = {in_text(np.random.default_rng(seed), "a {n}-minute talk", 11, "en") for seed in range(20)}
    assert texts == {"an 11-minute talk", "an eleven-minute talk"}


@settings(max_examples=300)
@given(seeds, st.sampled_from(REQUESTS))
def test_noise_keeps_numbers_file_names_and_most_letters(seed, request_):
    text = request_["text"]
    typed = as_typed(np.random.default_rng(seed), text, request_["lang"])
    for word in re.findall(r"[A-Za-z0-9._/@-]*\d[A-Za-z0-9._/@-]*", text):
        assert word.strip(".") in typed
    kept = Counter(normalised(text)) & Counter(normalised(typed))
    assert kept.total() >= 0.9 * len(normalised(text)) - 4


def test_noise_changes_some_sentences_and_leaves_most_alone():
    changed = [
        as_typed(np.random.default_rng(place), request["text"], request["lang"]) != request["text"]
        for place, request in enumerate(REQUESTS[:2000])
    ]
    assert 0.3 <= np.mean(changed) <= 0.6


def test_every_fault_of_the_frames_is_told_at_once(tmp_path):
    tools = load_tools(project(tmp_path).tools).names
    write(
        tmp_path / "frames" / "milk_test.en.yaml",
        "slots: {farm: [hill, dale]}\nframes:\n"
        '  - {style: goal, text: "the milk of {frm}, {n} of {n}"}\n'
        '  - {style: goal, text: "[[one|two"}\n'
        '  - {style: goal, text: "[[one|two"}\n'
        '  - {text: "no style"}\n'
        "training_frames:\n"
        '  - {style: goal, text: "[[one|two"}\n',
    )
    write(tmp_path / "frames" / "milk_test.zh.yaml", "frames: []\ntraining_frames: {}\n")
    write(tmp_path / "frames" / "milk.en.yaml", "frames: []\n")
    with pytest.raises(DataError) as error:
        read_frames(tmp_path / "frames", tools)
    assert len(error.value.problems) == 1 + 2 + 1 + 2 + 1 + 2 + 1
    assert "training_frames[0]: the same text as frames[1]" in str(error.value)
    assert "the slot 'frm' is not defined" in str(error.value)
    assert "Did you mean milk_test?" in str(error.value)


def test_frames_of_other_tools_make_requests_for_them(tmp_path):
    registry = load_tools(project(tmp_path).tools)
    write(
        tmp_path / "frames" / "milk_test.en.yaml",
        'slots: {farm: [hill, dale, moor, fen]}\nframes:\n  - {style: goal, text: "{n} samples from the {farm}"}\n'
        '  - {style: goal, text: "is the {farm} milk off?"}\n',
    )
    made = make_requests(0, registry, read_frames(tmp_path / "frames", registry.names), 12)
    assert {json.loads(line)["tool"] for line in made.splitlines()} == {"milk_test"}
