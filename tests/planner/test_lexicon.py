"""The lexicon learns which words came with which tool, in scripts with and without spaces, and says how sure it is."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tomas.planner.lexicon import BUCKETS, LONGEST, Lexicon, count, grams, learn_lexicon, load_lexicon

TEXTS = [
    "translate this letter into French", "please translate two pages", "翻译这封信", "把文章翻译成英文",
    "sharpen these holiday photos", "make my photos sharper", "把照片变清晰", "让这些照片更清楚",
    "tell me a joke", "what is the capital of Peru", "讲个笑话", "今天天气怎么样",
]  # fmt: skip
TOOLS = np.array([0] * 4 + [1] * 4 + [-1] * 4)


def test_a_word_is_known_by_itself_by_its_letters_and_by_its_neighbour() -> None:
    assert set(grams("Up it")) == {"up it", "=up", "=it", "_u", "up", "p_", "_up", "up_", "_up_", "_i", "it", "t_"} | {
        "_it", "it_", "_it_",
    }  # fmt: skip


def test_characters_of_scripts_without_spaces_are_known_in_runs_of_up_to_three() -> None:
    assert set(grams("变清晰了")) == {
        "=变", "=清", "=晰", "=了", "=变清", "=清晰", "=晰了", "=变清晰", "=清晰了",
    }  # fmt: skip
    assert {"=译", "=pdf", "译 pdf"} <= set(grams("译PDF"))  # where the script changes, a word ends


def test_counts_have_the_length_of_one_whatever_the_text() -> None:
    for text in ("a", "photo " * 50, TEXTS[3]):
        buckets, shares = count(text)
        assert len(set(buckets.tolist())) == len(buckets)
        assert ((buckets >= 0) & (buckets < BUCKETS)).all()
        assert np.linalg.norm(shares) == pytest.approx(1, abs=1e-5)
    assert [part.tolist() for part in count("!?")] == [[], []]
    assert len(count("x1 " * LONGEST)[0]) == len(count("x1 " * 3 * LONGEST)[0])


def test_words_of_a_tool_speak_for_it_and_unknown_ones_for_nothing() -> None:
    lexicon = learn_lexicon(TEXTS, TOOLS, 2, seed=0)
    said = lexicon.opinions(["translate the photos page", "翻译", "清晰的照片", "a joke", "", "zzz qqq"])
    assert np.exp(said).sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert said.argmax(axis=1)[:4].tolist() == [0, 0, 1, 2]
    sure = np.exp(said).max(axis=1)
    assert sure[4] < min(sure[1:3])
    assert said[5] == pytest.approx(said[4], abs=0.2)


def test_the_same_seed_learns_the_same_and_a_text_is_read_alike_in_company(tmp_path: Path) -> None:
    first, second = (learn_lexicon(TEXTS, TOOLS, 2, seed=3) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    first.save(tmp_path)
    loaded = load_lexicon(tmp_path, 2)
    together = loaded.opinions(TEXTS)
    for place, text in enumerate(TEXTS):
        assert loaded.opinions([text])[0].tolist() == together[place].tolist()


def test_one_that_learnt_nothing_finds_all_alike() -> None:
    assert Lexicon(3).opinions(["anything"]) == pytest.approx(np.full((1, 4), np.log(1 / 4)))
