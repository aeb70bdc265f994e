"""Characters of scripts without spaces are known by their runs; other texts have none."""

import pytest
import torch

from tomas.planner.characters import BUCKETS, Characters, Grams, grams


@pytest.mark.parametrize("text", ["sharpen these photos", "été à Kraków, 3 × 4", "", "Привет"])
def test_a_text_in_a_script_with_spaces_has_no_grams(text: str) -> None:
    assert grams(text) == []


def test_grams_are_runs_of_up_to_three_characters_within_one_run() -> None:
    assert set(grams("译文")) == {*grams("译"), *grams("文"), *(set(grams("译文")) - {*grams("译"), *grams("文")})}
    assert len(grams("译文")) == 3
    assert set(grams("译 文")) == {*grams("译"), *grams("文")}  # a gap is no pair
    assert set(grams("把照片")) < set(grams("把照片变清晰"))
    assert all(0 <= gram < BUCKETS for gram in grams("把这三张照片变清晰"))


def test_each_text_is_the_scaled_sum_of_its_own_grams() -> None:
    torch.manual_seed(0)
    characters = Characters(8)
    texts = ["把照片", "hi", "译"]
    together = characters(Grams.of([grams(text) for text in texts]))
    for row, text in enumerate(texts):
        ids = torch.tensor(grams(text), dtype=torch.long)
        total = characters.vectors.weight[ids].sum(dim=0) / max(1, len(ids)) ** 0.5
        torch.testing.assert_close(together[row], characters.out(total))
    assert not together[1].any()
