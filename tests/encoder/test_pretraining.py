"""Phase 0: the loss is that of saying the sentence after exemplar and vector, and the exemplar is read once."""

from typing import Any

import pytest
import torch

from tests.encoder.small import CATALOGUE, PARAMS, task
from tomas.encoder.pretraining import IGNORED
from tomas.encoder.template import sentence
from tomas.training.loop import LoopSettings, fit


def said_in_words(row: int) -> Any:
    vector = CATALOGUE.vector6()[row]
    return sentence(CATALOGUE.tools[int(CATALOGUE.tool_id[row])].name, int(vector[0]), vector[1:].tolist())


@torch.no_grad()
def loss_from_scratch(made: Any, row: int, vector_6: torch.Tensor, exemplar: str) -> list[float]:
    """Cross-entropy of each token of the row's sentence: everything in one pass, one row, nothing cached."""
    backbone = made.backbone
    tokens = torch.tensor(backbone.tokenizer([said_in_words(row).text], add_special_tokens=False)["input_ids"])
    soft = made.speaker(made.encoder(made.tool_N[row : row + 1], vector_6[None]))
    parts = [soft, backbone.embed(made.shorthand.end_E)[None], backbone.embed(tokens)]
    if exemplar:
        parts.insert(0, backbone.embed(torch.tensor(backbone.tokenize([exemplar], 2048))))
    logits = backbone.model(inputs_embeds=torch.cat(parts, dim=1)).logits[0, -tokens.shape[1] - 1 : -1]
    return torch.nn.functional.cross_entropy(logits, tokens[0], reduction="none").tolist()


@pytest.mark.parametrize("exemplars", [0, 2])
def test_the_loss_is_that_of_each_sentence_alone_in_one_pass(exemplars: int) -> None:
    made = task(exemplars=exemplars)
    lines = {row: made.backbone.tokenizer.decode(made.shorthand.line(row)) for row in (27, 53)}
    prompt = "".join(lines[row] + said_in_words(row).text + "\n" for row in (27, 53)) if exemplars else ""
    rows = [2, 40, 71]
    batch = made.rows(rows, made.vectors_N6[rows] * 1.01)
    expected = [
        value
        for row, vector in zip(rows, batch.vectors_B6, strict=True)
        for value in loss_from_scratch(made, row, vector, prompt)
    ]
    assert len({len(made.tokens[row]) for row in rows}) > 1  # some are padded
    with torch.no_grad():
        cross_entropy, _ = made.say(batch)
        mean = made.loss(batch)["loss"]
    assert cross_entropy.tolist() == pytest.approx(expected, rel=1e-4)
    assert float(mean) == pytest.approx(sum(expected) / len(expected), rel=1e-4)


def test_the_exemplar_is_read_once_and_never_again() -> None:
    made = task()
    exemplar = made.exemplar[0][0].shape[2]
    lengths = []
    made.backbone.body.register_forward_pre_hook(
        lambda _, __, given: lengths.append(given["inputs_embeds"].shape[1]), with_kwargs=True
    )
    before = [(keys.clone(), values.clone()) for keys, values in made.exemplar]
    for index in range(3):
        made.loss(made.batch(0, index))["loss"].backward()
    spoken = made.spoken(made.batch(0, 0)).shape[1]
    assert lengths == [spoken - 1 + made.batch(0, index).tokens_BT.shape[1] for index in range(3)]
    assert exemplar > max(lengths)
    for old, new in zip(before, made.exemplar, strict=True):
        assert torch.equal(old[0], new[0])
        assert torch.equal(old[1], new[1])


def test_value_tokens_are_those_of_the_values() -> None:
    made = task()
    batch = made.batch(0, 0)
    for place, row in enumerate(made._order(0)[0]):
        words = said_in_words(row)
        chosen = batch.tokens_BT[place][batch.is_value_BT[place]].tolist()
        assert made.backbone.tokenizer.decode(chosen) == "".join(words.text[a:b] for a, b in words.values)
        assert "0.3" in words.text  # not 0.30000001192092896


def test_value_accuracy_counts_value_tokens_only() -> None:
    made = task()
    batch = made.batch(0, 1)
    scalars = made.loss(batch)
    _, right = made.say(batch)
    flags = batch.is_value_BT[batch.labels_BT != IGNORED]
    assert float(scalars["accuracy"]) == pytest.approx(float(right.float().mean()))
    assert float(scalars["value_accuracy"]) == pytest.approx(float(right[flags].float().mean()))
    assert float(scalars["alpha"]) == 0.5


def test_an_epoch_sees_every_row_once_and_every_epoch_another_order() -> None:
    made = task()
    assert made.num_batches(0) == len(made._order(0))
    for epoch in (0, 1):
        assert sorted(row for rows in made._order(epoch) for row in rows) == list(range(len(CATALOGUE)))
    assert made._order(0) != made._order(1)


def test_an_epoch_may_go_through_a_share_of_the_rows_each_time_another() -> None:
    made = task(epoch_share=0.4)
    drawn = [{row for rows in made._order(epoch) for row in rows} for epoch in (0, 1)]
    assert [len(rows) for rows in drawn] == [33, 33]  # of 81
    assert drawn[0] != drawn[1]
    assert made.num_batches(0) == len(made._order(0)) == 7


def test_a_batch_is_a_pure_function_of_seed_epoch_and_index() -> None:
    first, second = task(), task()
    second.batch(0, 0)
    for epoch, index in ((1, 2), (0, 4)):
        a, b = first.batch(epoch, index), second.batch(epoch, index)
        assert all(torch.equal(vars(a)[name], vars(b)[name]) for name in vars(a))


def test_jitter_stays_within_its_share() -> None:
    made = task(jitter=0.05)
    batch = made.batch(0, 0)
    clean = made.vectors_N6[made._order(0)[0]]
    share = (batch.vectors_B6 / clean.clamp(min=1e-9) - 1)[clean > 0]
    assert share.abs().max() <= 0.05 + 1e-6
    assert share.abs().max() > 0.02
    assert torch.equal(batch.vectors_B6[clean == 0], clean[clean == 0])


def test_resource_stream_fusion_and_speaker_are_trained_and_each_weight_is_in_one_group() -> None:
    made = task()
    rest, gate = made.param_groups()
    grouped = [*rest["params"], *gate["params"]]
    assert gate["params"] == [made.encoder.fusion.alpha]
    trained = [*made.encoder.parameters(), *made.speaker.parameters()]
    assert {id(p) for p in grouped} == {id(p) for p in trained}
    assert len(grouped) == len(trained)
    assert gate["lr"] == 10 * rest["lr"] == 10 * PARAMS.lr


def test_training_teaches_it_to_say_rows_and_opens_the_gate() -> None:
    made = task(alpha=None, batch_size=16, exemplars=0, lr=0.01)
    frozen = {name: value.clone() for name, value in made.backbone.model.state_dict().items()}
    history = fit(made, LoopSettings(max_epochs=8, log_every=1))
    losses = [row["epoch_loss"] for row in history if "epoch_loss" in row]
    assert losses[-1] < losses[0] - 0.01
    assert made.encoder.alpha != 0
    assert all(torch.equal(value, frozen[name]) for name, value in made.backbone.model.state_dict().items())
