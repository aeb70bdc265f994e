"""Text read from the cache and text read in full lead to the same decision, and padding to none of its own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.planner.small import open_store, untrained_heads
from tests.planner.small_training import small_params
from tomas.backbone.loading import Backbone, load_backbone
from tomas.backbone.lora import TailLora
from tomas.backbone.packed import NAME as PACKED
from tomas.backbone.tva_residual import TvaResidual
from tomas.planner.adapters import Adapters, apply_adapters
from tomas.planner.characters import Grams, grams
from tomas.planner.model import Decision, Heads, cached_pass, packed_pass, padded, whole_pass
from tomas.planner.reader import TextReader
from tomas.planner.windows import CHANNELS

TEXTS = ["sharpen these twelve photos", "hi", "把这三张照片变清晰", "please read out the letter I got from my aunt"]
WINDOW_BCP = torch.rand(len(TEXTS), CHANNELS, 8, generator=torch.Generator().manual_seed(0))


def backbone(dtype: str = "float32") -> Backbone:
    return load_backbone(small_params(backbone={"dtype": dtype}).backbone)


def compare(found: Decision, expected: Decision, **tolerance: Any) -> None:
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, **tolerance)


def compare_in_company(decide: Callable[[slice], Decision], **tolerance: Any) -> None:
    """Each text alone against itself among all."""
    together = decide(slice(None))
    for row in range(len(TEXTS)):
        one = slice(row, row + 1)
        *values, told = together
        compare(decide(one), Decision(*(value[one] for value in values), told.rows(one)), **tolerance)


def planned(folder: Path, dtype: str, scope: str) -> tuple[Backbone, Heads, list[TailLora | TvaResidual]]:
    """A backbone with adapters that say something, as it plans."""
    planning = backbone(dtype)
    spec, heads = untrained_heads(planning, lora={"scope": scope})
    adapters = Adapters(backbone(), spec.lora, spec.tva, None)
    for parameter in adapters.trained:
        parameter.data.normal_(std=0.2)
    adapters.save(folder)
    return planning, heads, apply_adapters(planning, folder, spec.tva, heads.tail(spec.lora))


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [("float32", {"rtol": 1e-4, "atol": 1e-5}), ("bfloat16", {"rtol": 0.0, "atol": 0.08})],
)
@torch.no_grad()
def test_training_over_cached_texts_and_planning_in_one_pass_compute_the_same(
    tmp_path: Path, dtype: str, tolerance: dict[str, float]
) -> None:
    """Trained: peft's LoRA on the context alone, over keys and values of the frozen text. Planned: one pass."""
    trained = backbone(dtype)
    tokens = trained.tokenize(TEXTS, 50)
    store = open_store(trained, "print", tokens, tmp_path)
    spec, heads = untrained_heads(trained)
    adapters = Adapters(trained, spec.lora, spec.tva, heads.tail(spec.lora))
    torch.manual_seed(1)
    for parameter in adapters.trained:
        parameter.normal_(std=0.2)
    adapters.save(tmp_path)
    cached = cached_pass(trained, heads, *store.batch(range(len(TEXTS))), WINDOW_BCP)

    planning = backbone(dtype)
    plain = whole_pass(planning, heads, *padded(tokens), WINDOW_BCP)
    apply_adapters(planning, tmp_path, spec.tva, heads.tail(spec.lora))
    whole = whole_pass(planning, heads, *padded(tokens), WINDOW_BCP)
    compare(cached, whole, **tolerance)
    assert (whole.state_BH - plain.state_BH).abs().max() > 0.2  # the adapters do something


@pytest.mark.parametrize("scope", ["context", "all"])
@torch.no_grad()
def test_a_text_alone_and_the_same_text_among_longer_ones_are_decided_alike(tmp_path: Path, scope: str) -> None:
    planning, heads, _ = planned(tmp_path, "float32", scope)
    tokens = planning.tokenize(TEXTS, 50)

    def decide(few: slice) -> Decision:
        return whole_pass(planning, heads, *padded(tokens[few]), WINDOW_BCP[few])

    compare_in_company(decide, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scope", ["context", "all"])
@torch.no_grad()
def test_texts_end_to_end_are_decided_as_padded_ones(tmp_path: Path, scope: str) -> None:
    planning, heads, adapters = planned(tmp_path, "float32", scope)
    tokens = planning.tokenize(TEXTS, 50)
    expected = whole_pass(planning, heads, *padded(tokens), WINDOW_BCP)
    planning.model.set_attn_implementation(PACKED)
    compare(packed_pass(planning, heads, tokens, WINDOW_BCP, None, adapters), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scope", ["context", "all"])
@torch.no_grad()
def test_company_changes_nothing_of_a_decision_but_the_last_digits_of_float32(tmp_path: Path, scope: str) -> None:
    """The backbone computes in bfloat16, whose noise would show; the heads on top in float32."""
    planning, heads, adapters = planned(tmp_path, "bfloat16", scope)
    planning.model.set_attn_implementation(PACKED)
    tokens = planning.tokenize(TEXTS, 50)

    def decide(few: slice) -> Decision:
        return packed_pass(planning, heads, tokens[few], WINDOW_BCP[few], None, adapters)

    compare_in_company(decide, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_what_stands_in_the_padding_changes_nothing() -> None:
    planning = backbone()
    _, heads = untrained_heads(planning)
    tokens_BT, mask_BT = padded(planning.tokenize(TEXTS, 50))
    other_BT = torch.where(mask_BT == 1, tokens_BT, 77)
    assert not torch.equal(tokens_BT, other_BT)
    before = whole_pass(planning, heads, tokens_BT, mask_BT, WINDOW_BCP)
    compare(whole_pass(planning, heads, other_BT, mask_BT, WINDOW_BCP), before, rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_the_decision_reads_the_text_and_the_window() -> None:
    planning = backbone()
    _, heads = untrained_heads(planning)
    tokens = planning.tokenize(TEXTS[:2], 50)
    window = WINDOW_BCP[:1].expand(2, -1, -1)
    same = whole_pass(planning, heads, *padded([tokens[0]] * 2), window).state_BH
    assert torch.equal(same[0], same[1])
    assert not torch.allclose(*whole_pass(planning, heads, *padded(tokens), window).state_BH)
    assert not torch.allclose(*whole_pass(planning, heads, *padded([tokens[0]] * 2), WINDOW_BCP[:2]).state_BH)


@pytest.mark.parametrize("soft", [0, 3])
def test_the_context_is_as_loud_as_token_embeddings(soft: int) -> None:
    made = backbone()
    _, heads = untrained_heads(made, temporal={"prefix_tokens": soft})
    context = heads.context(heads.temporal(WINDOW_BCP))
    assert context.shape == (len(TEXTS), soft + 1, 64)
    torch.testing.assert_close(context.norm(dim=2), torch.full((len(TEXTS), soft + 1), made.embedding_norm))


def test_every_trained_weight_gets_a_gradient() -> None:
    made = backbone()
    _, heads = untrained_heads(made)
    known = Grams.of([grams(text) for text in TEXTS])
    decision = whole_pass(made, heads, *padded(made.tokenize(TEXTS, 50)), WINDOW_BCP, known)
    query = heads.decoder.ask(
        decision.state_BH, heads.temporal(WINDOW_BCP), torch.tensor([0, 1, 2, 0]), torch.tensor([0, 1, 2, 2])
    )
    scores = heads.decoder.score(query, torch.arange(81).expand(4, -1))
    (decision.tools_BK.square().sum() + decision.gate_B.square().sum() + scores.square().sum()).backward()
    assert [name for name, p in heads.named_parameters() if p.grad is None or not p.grad.any()] == []
    assert all(p.grad is None for p in made.model.parameters())


@torch.no_grad()
def test_the_reader_pools_real_tokens_by_attention() -> None:
    torch.manual_seed(0)
    reader, (batch, depths, length, hidden) = TextReader(64), (2, 2, 5, 64)
    torch.nn.init.normal_(reader.questions)
    states, mask = torch.randn(batch, depths, length, hidden), torch.tensor([[1] * 5, [0, 0, 1, 1, 1]])
    expected = []
    for b in range(batch):
        answers = []
        for d in range(depths):
            real = states[b, d][mask[b] == 1]
            real = (real - real.mean(dim=1, keepdim=True)) / (real.var(dim=1, keepdim=True, correction=0) + 1e-5).sqrt()
            for head in range(8):
                weights = torch.softmax(real @ reader.questions[d, head] / hidden**0.5, dim=0)
                answers.append((weights @ reader.values[d](real))[head * 8 : head * 8 + 8])
        expected.append(reader.out(torch.cat(answers)))
    torch.testing.assert_close(reader(states, mask), torch.stack(expected), rtol=1e-4, atol=1e-5)
