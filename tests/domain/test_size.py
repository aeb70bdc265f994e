"""The size of an input comes from what is surest: stated, measured, counted, described, assumed."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomas.domain.resources import Size
from tomas.domain.size import SizeReading, resolve_size
from tomas.domain.tools import InputSpec, Tool

UNITS = ("photo", "photos", "image", "images", "张", "照片")
PHOTOS = Tool(
    name="sorter",
    description="sorts",
    input=InputSpec(field="images", small_max=3, medium_max=16, default="medium", units=UNITS),
)
AUDIO = Tool(
    name="scribe",
    description="writes down",
    input=InputSpec(
        field="minutes",
        small_max=1,
        medium_max=5,
        default="small",
        units=("minutes", "hours", "hour", "seconds", "小时"),
        scale={"hours": 60, "hour": 60, "小时": 60, "seconds": 1 / 60},
    ),
)


def test_what_is_stated_wins_and_a_contradiction_is_told() -> None:
    assert resolve_size(PHOTOS, "300 photos", None, "small") == SizeReading("small", "stated", None)
    assert resolve_size(PHOTOS, "", {"images": 2}, "small").warning is None
    reading = resolve_size(PHOTOS, "", {"images": 40}, "small")
    assert (reading.size, reading.how) == ("small", "stated")
    assert reading.warning == "input_size says small, although images=40 is large"


@pytest.mark.parametrize(("amount", "size"), [(3, "small"), (3.5, "medium"), (16, "medium"), (17, "large")])
def test_the_input_is_measured_by_the_tools_own_thresholds(amount: float, size: Size) -> None:
    assert resolve_size(PHOTOS, "one photo", {"images": amount, "pages": 4}) == SizeReading(size, "input", None)


@pytest.mark.parametrize(
    ("tool", "text", "size"),
    [
        (PHOTOS, "make these three holiday photos sharper", "small"),
        (PHOTOS, "把十二张照片分类", "medium"),
        (PHOTOS, "几百张照片", "large"),
        (PHOTOS, "a photo of the box, and the 20 photos in it", "large"),
        (AUDIO, "a call of 40 seconds", "small"),
        (AUDIO, "half an hour of talk", "large"),
        (AUDIO, "一个半小时的会议", "large"),
        (PHOTOS, "9" * 400 + " photos", "large"),
    ],
)
def test_counts_in_words_are_measured_like_an_input(tool: Tool, text: str, size: Size) -> None:
    assert resolve_size(tool, text) == SizeReading(size, "words", None)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("sort my whole archive", "large"),
        ("a HUGE photo library", "large"),
        ("tons of stuff", "large"),
        ("transcribe this long meeting", "large"),
        ("a short voice memo", "small"),
        ("a tiny picture", "small"),
        ("a medium-sized report", "medium"),
        ("a short summary of a long report", "large"),
        ("一大批东西", "large"),
        ("给大量的旧照片分类", "large"),
        ("总结这篇长文", "large"),
        ("整个文件夹", "large"),
        ("一小段录音", "small"),
        ("中等长度", "medium"),
    ],
)
def test_adjectives_of_what_is_handed_in_tell_the_size(text: str, size: Size) -> None:
    assert resolve_size(AUDIO, text) == SizeReading(size, "words", None)


@pytest.mark.parametrize(
    "text",
    ["big dogs", "a short summary", "a long time ago", "the whole truth", "小猫", "很多人", ""],
)
def test_adjectives_of_other_things_do_not(text: str) -> None:
    assert resolve_size(PHOTOS, text).how == "default"


def test_a_default_is_told_with_what_would_help() -> None:
    assert resolve_size(AUDIO, "write this down") == SizeReading(
        "small", "default", "nothing tells the size of the input for scribe: small is assumed, say minutes to be exact"
    )


def test_an_input_that_lacks_the_field_is_told() -> None:
    reading = resolve_size(PHOTOS, "write this down", {"pages": 3})
    assert (reading.size, reading.how) == ("medium", "default")
    assert reading.warning == (
        "input has no images, by which sorter is measured: medium is assumed, say images to be exact"
    )
    reading = resolve_size(PHOTOS, "two photos", {"pages": 3})
    assert (reading.size, reading.how) == ("small", "words")
    assert reading.warning == "input has no images, by which sorter is measured: small is read from the words"


def test_units_of_any_spelling_are_words_and_not_patterns() -> None:
    spec = InputSpec(field="n", small_max=1, medium_max=2, units=("c++", "张(大)"))
    strange = Tool(name="strange", description="strange", input=spec)
    assert resolve_size(strange, "3张(大)").size == "large"
    assert resolve_size(strange, "3 c++").size == "large"


@given(st.text(max_size=200))
def test_any_text_has_a_size(text: str) -> None:
    assert resolve_size(PHOTOS, text).size in ("small", "medium", "large")


PIECES = ["one ", "1 ", "photos ", "一", "huge ", "huge" + " " * 60, "大量", "three photo ", "1,111", "1,", "整个的"]


@pytest.mark.parametrize("piece", PIECES)
def test_a_text_made_to_be_slow_is_read_in_a_blink(piece: str) -> None:
    text = (piece * 20_000)[:19_990] + " photos"
    begin = time.process_time()
    resolve_size(PHOTOS, text)
    assert time.process_time() - begin < 1.0
