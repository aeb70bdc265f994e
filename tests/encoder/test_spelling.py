"""Before the frozen model is asked: rows are spelled in shorthand whose columns stand still."""

import torch

from tests.encoder.small import CATALOGUE, task
from tomas.encoder.spelling import SpellingTask
from tomas.training.loop import LoopSettings, fit


def test_a_row_in_shorthand_says_its_tool_and_values_at_the_same_places_in_every_row() -> None:
    made = task()
    tokens, decode = made.shorthand.tokens_NS, made.backbone.tokenizer.decode
    assert len(tokens) == len(CATALOGUE)
    for row in (0, 40, 80):
        numbers = CATALOGUE.vector6()[row]
        words = decode(tokens[row]).split()
        assert words[0] == CATALOGUE.tools[int(CATALOGUE.tool_id[row])].name
        assert [float(word) for word in words[2:6]] == numbers[1:5].tolist()
        assert decode(made.shorthand.line(row)) == decode(tokens[row]) + " =>\n"
    same = (CATALOGUE.tool_id == CATALOGUE.tool_id[0]) & (CATALOGUE.vector6()[:, 0] == CATALOGUE.vector6()[0, 0])
    assert (tokens[same] == tokens[0]).all(dim=0).sum() >= len(
        decode(tokens[0]).split()[0].split()
    )  # the tool's column


def test_the_exemplars_show_each_line_before_its_sentence() -> None:
    made = task(exemplars=2)
    text = made.backbone.tokenizer.decode(made.prompt_1T[0])
    assert text.count(" =>\nTool ") == 2
    assert task(exemplars=0).prompt_1T is None


def test_spelling_is_learnt_and_leaves_the_frozen_model_alone() -> None:
    made = task(alpha=None)
    spelling = SpellingTask(made)
    frozen = {name: value.clone() for name, value in made.backbone.model.state_dict().items()}
    history = [row for row in fit(spelling, LoopSettings(max_epochs=60, log_every=1)) if "accuracy" in row]
    assert history[-1]["accuracy"] > history[0]["accuracy"] + 0.3
    assert history[-1]["loss"] < history[0]["loss"] - 0.3
    assert made.encoder.alpha != 0
    assert all(torch.equal(value, frozen[name]) for name, value in made.backbone.model.state_dict().items())


def test_each_place_is_compared_with_the_embedding_of_its_own_token() -> None:
    made = task()
    spelling = SpellingTask(made)
    for row in (0, 33):
        expected = made.backbone.embed(made.shorthand.tokens_NS[row]).float()
        found = spelling.embeddings_VH[spelling.place_NS[row]]
        torch.testing.assert_close(found, torch.nn.functional.normalize(expected, dim=1))
