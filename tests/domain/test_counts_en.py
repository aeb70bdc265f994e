"""English counts before unit words: what is counted, what only limits, what only looks like a count."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomas.domain.counts_en import english_counts

PHOTOS = ("photo", "photos", "image", "images")
MINUTES = ("minute", "minutes", "min", "hour", "hours", "second", "seconds")
WORDS = ("word", "words", "line", "lines")


@pytest.mark.parametrize(
    ("text", "units", "count"),
    [
        ("make these three holiday photos sharper", PHOTOS, 3),
        ("12 images", PHOTOS, 12),
        ("1,200 images", PHOTOS, 1200),
        ("3k images", PHOTOS, 3000),
        ("1.5 thousand images", PHOTOS, 1500),
        ("twenty-five old photos", PHOTOS, 25),
        ("a hundred and twenty photos", PHOTOS, 120),
        ("two thousand five hundred images", PHOTOS, 2500),
        ("a dozen photos", PHOTOS, 12),
        ("half a dozen photos", PHOTOS, 6),
        ("two dozen of my photos", PHOTOS, 24),
        ("dozens of grainy photos", PHOTOS, 36),
        ("hundreds of images", PHOTOS, 300),
        ("Thousands of images", PHOTOS, 3000),
        ("a couple of photos", PHOTOS, 2),
        ("a few photos", PHOTOS, 3),
        ("a few hundred photos", PHOTOS, 300),
        ("several photos", PHOTOS, 5),
        ("both photos", PHOTOS, 2),
        ("a single image", PHOTOS, 1),
        ("10 to 20 photos", PHOTOS, 20),
        ("two or three photos", PHOTOS, 3),
        ("up to 500 images", PHOTOS, 500),
        ("find cats in 300 images", PHOTOS, 300),
        ("this photo", PHOTOS, 1),
        ("sharpen this very blurry photo, please", PHOTOS, 1),
        ("an image of a cat", PHOTOS, 1),
        ("2000 images", PHOTOS, 2000),
        ("a 45min recording", MINUTES, 45),
        ("a ninety-minute lecture", MINUTES, 90),
        ("half an hour of talk", MINUTES, 0.5),
        ("an hour and a half of audio", MINUTES, 1.5),
        ("two and a half hours", MINUTES, 2.5),
        ("1.5 hours", MINUTES, 1.5),
        ("an hour-long call", MINUTES, 1),
        ("a 3000-word essay", WORDS, 3000),
        ("some 8k words of notes", WORDS, 8000),
        ("more than 500 words", WORDS, 500),
        ("a 2.5 mega-pixel shot", ("mega-pixel",), 2.5),
        ("THREE PHOTOS", PHOTOS, 3),
    ],
)
def test_a_count_is_read(text: str, units: tuple[str, ...], count: float) -> None:
    assert [value for value, _ in english_counts(text, units)] == [count]


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("photos", PHOTOS),
        ("two people in the photos", PHOTOS),
        ("2 dogs and photos", PHOTOS),
        ("a large batch of photos", PHOTOS),
        ("this photo archive", PHOTOS),
        ("an image classifier", PHOTOS),
        ("4K photos", PHOTOS),
        ("20MP photos", PHOTOS),
        ("300 dpi images", PHOTOS),
        ("2019 holiday photos", PHOTOS),
        ("split it into 3 images", PHOTOS),
        ("every 5 images", PHOTOS),
        ("sum it up in 100 words", WORDS),
        ("no more than 60 words", WORDS),
        ("fewer than 60 words", WORDS),
        ("60 words or less", WORDS),
        ("up to 60 words", WORDS),
        ("cut to 60 words", WORDS),
        ("a 100-word summary", WORDS),
        ("wait a minute", MINUTES),
        ("within 5 minutes", MINUTES),
        ("at 3 min", MINUTES),
        ("the second photo", MINUTES),
        ("", PHOTOS),
        ("three photos", ()),
    ],
)
def test_what_is_no_count_of_the_input_is_not_read(text: str, units: tuple[str, ...]) -> None:
    assert english_counts(text, units) == []


def test_every_count_is_given_with_its_unit() -> None:
    assert english_counts("a 2 hour call and 3 clips of 40 seconds", MINUTES) == [(2.0, "hour"), (40.0, "seconds")]


@given(st.integers(0, 10**12), st.sampled_from(PHOTOS))
def test_digits_mean_themselves_with_and_without_commas(number: int, unit: str) -> None:
    assert english_counts(f"{number} {unit}", PHOTOS) == [(number, unit)]
    assert english_counts(f"{number:,} {unit}", PHOTOS) == [(number, unit)]


def in_words(number: int) -> str:
    """Number words as people write them, worked out the other way round."""
    ones = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
    ones += [f"{stem}teen" for stem in ("thir", "four", "fif", "six", "seven", "eigh", "nine")]
    tens = [f"{stem}ty" for stem in ("", "", "twen", "thir", "for", "fif", "six", "seven", "eigh", "nine")]
    if number < 20:
        return ones[number]
    if number < 100:
        return tens[number // 10] + (f"-{ones[number % 10]}" if number % 10 else "")
    unit, name = (100, "hundred") if number < 1000 else (1000, "thousand")
    joint = " and " if unit == 100 or number % 1000 < 100 else " "
    return f"{in_words(number // unit)} {name}" + (f"{joint}{in_words(number % unit)}" if number % unit else "")


@given(st.integers(1, 99_999))
def test_number_words_mean_what_they_spell(number: int) -> None:
    assert english_counts(f"sort {in_words(number)} images", PHOTOS) == [(number, "images")]


scraps = st.lists(st.sampled_from(["a", "an", "and", "half", "two", "3", "k", "hundred", "to", "in", "photos", "²"]))


@given(st.text(max_size=300) | scraps.map(" ".join))
def test_any_text_can_be_read(text: str) -> None:
    assert all(value >= 0 for value, _ in english_counts(text, PHOTOS))
