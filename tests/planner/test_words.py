"""Words are the frozen model's own, bounded, and what they say of a plan begins with its facts."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.encoder.small import CATALOGUE
from tests.planner.small import untrained
from tests.planner.small_training import small_params
from tomas.backbone import greedy
from tomas.backbone.loading import load_backbone
from tomas.domain.plan import Plan, infeasible_plan, run_plan
from tomas.planner import Planner, words
from tomas.planner.words import ANSWER, Words, begun, facts, whole_sentences

QUESTIONS = ["what is the capital of France?", "tell me a joke", "为什么天是蓝的"]


@pytest.fixture(scope="module")
def frozen() -> Words:
    return Words(load_backbone(small_params().backbone), [], CATALOGUE.tools)


@pytest.mark.parametrize("scope", ["context", "all"])
def test_the_planners_adapters_are_silent_where_the_model_speaks(tmp_path: Path, frozen: Words, scope: str) -> None:
    planner = Planner.load(untrained(tmp_path / "planner", lora={"scope": scope}, gate_threshold=1.0))
    assert [planner.plan(question).text for question in QUESTIONS] == frozen.answers(QUESTIONS)


def test_an_answer_is_what_greedy_decoding_of_the_prompt_gives(frozen: Words) -> None:
    backbone = frozen.backbone
    prompt = f"{ANSWER}\n\n{QUESTIONS[0]}\n\n"
    tokens = torch.tensor([backbone.tokenizer(prompt, add_special_tokens=False)["input_ids"]])
    said: list[int] = []
    for _ in range(greedy.MAX_NEW_TOKENS):
        with torch.no_grad():
            logits = backbone.model(tokens).logits[0, -1]
        seen = tokens[0].unique()
        logits[seen] = torch.where(logits[seen] > 0, logits[seen] / 1.1, logits[seen] * 1.1)
        said.append(int(logits.argmax()))
        if said[-1] == backbone.tokenizer.eos_token_id:
            break
        tokens = torch.cat([tokens, torch.tensor([[said[-1]]])], dim=1)
    text = backbone.tokenizer.decode(said, skip_special_tokens=True)
    assert frozen.answers(QUESTIONS[:1]) == [whole_sentences(text)]


def test_many_answers_come_in_order_and_in_bounded_batches(frozen: Words, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "BATCH", 2)
    sizes: list[int] = []
    handle = frozen.backbone.body.register_forward_pre_hook(
        lambda _, __, given: sizes.append(len(given["packing"].lengths)), with_kwargs=True
    )
    together = frozen.answers(QUESTIONS)
    handle.remove()
    assert max(sizes) == 2
    assert together == [frozen.answers([question])[0] for question in QUESTIONS]
    assert frozen.answers([]) == []


def test_a_very_long_request_is_answered_from_a_bounded_prompt(frozen: Words, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(greedy, "MAX_NEW_TOKENS", 2)
    lengths: list[int] = []
    handle = frozen.backbone.body.register_forward_pre_hook(
        lambda _, __, given: lengths.append(given["inputs_embeds"].shape[1]), with_kwargs=True
    )
    frozen.answers(["please " * 2000])
    handle.remove()
    assert lengths[0] == words.MAX_PROMPT_TOKENS


def test_the_facts_of_every_status_are_said() -> None:
    row = CATALOGUE.row(7)
    ready = run_plan(CATALOGUE, 7, status="ready", start_ms=120.0, feasible=True)
    assert facts(ready) == (
        f"alpha runs with {row['cpu_core']} CPU cores, 0.3 GB memory, {row['gpu_sm']} % of the GPU's SMs and "
        f"{row['gpu_mem_gb']} GB GPU memory, starts as soon as planning is done at 120 ms and takes "
        f"{row['latency_ms']:g} ms."
    )
    wait = run_plan(CATALOGUE, 7, status="wait", start_ms=4000.0, feasible=True)
    assert "starts when enough is free at 4000 ms" in facts(wait)
    assert facts(infeasible_plan(CATALOGUE, 1, "small", reason="no GPU memory")) == "no GPU memory"
    assert facts(Plan(status="no_tool", text="Paris.")) == "No tool serves this request."


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (" for a sharper picture.", "Alpha was chosen because the request asks for a sharper picture."),
        (" for a picture. It is", "Alpha was chosen because the request asks for a picture."),
        (" for a picture that is", ""),
    ],
)
def test_a_reason_is_told_where_it_is_a_whole_sentence(
    frozen: Words, monkeypatch: pytest.MonkeyPatch, more: str, reason: str
) -> None:
    prompts: list[str] = []

    def said(asked: list[str]) -> list[str]:
        prompts.extend(asked)
        return [more]

    monkeypatch.setattr(frozen, "_generate", said)
    plan = run_plan(CATALOGUE, 7, status="ready", start_ms=120.0, feasible=True)
    assert frozen.explanations(["sharpen this"], [plan]) == [f"{facts(plan)} {reason}".strip()]
    (prompt,) = prompts
    assert f"Request: sharpen this\nTool: alpha. {CATALOGUE.tools['alpha'].description}" in prompt
    assert prompt.endswith(begun("alpha"))


def test_an_abbreviation_in_a_name_keeps_its_capitals() -> None:
    assert begun("OCR reader").startswith("OCR reader was")
    assert begun("text reader").startswith("Text reader was")


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("Paris is the capital. It lies on the", "Paris is the capital."),
        ("It costs 3.50 euros", "It costs 3.50 euros"),
        ("One! Two? Thr", "One! Two?"),
        ("巴黎。它位于", "巴黎。"),
        ("  a\n b  ", "a b"),
        ("", ""),
    ],
)
def test_an_answer_that_ran_out_of_tokens_ends_with_its_last_whole_sentence(said: str, kept: str) -> None:
    assert whole_sentences(said) == kept


@settings(deadline=None)
@given(st.text(alphabet="ab .!?。\n", max_size=40))
def test_whole_sentences_are_a_beginning_of_the_text_and_stay_as_they_are(text: str) -> None:
    kept = whole_sentences(text)
    assert " ".join(text.split()).startswith(kept)
    assert whole_sentences(kept) == kept
    assert bool(kept) == bool(text.split())
