"""Chinese counts before unit words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomas.domain.counts_zh import chinese_counts

PHOTOS = ("张照片", "张", "幅", "照片")
HOURS = ("小时", "个小时", "分钟")
WORDS = ("字", "个字")


@pytest.mark.parametrize(
    ("text", "units", "count"),
    [
        ("帮我把三张照片变清晰", PHOTOS, 3),
        ("三张模糊的照片", PHOTOS, 3),
        ("12张", PHOTOS, 12),
        ("12 张照片", PHOTOS, 12),
        ("十二张", PHOTOS, 12),
        ("十张", PHOTOS, 10),
        ("二十五幅", PHOTOS, 25),
        ("一百二十张", PHOTOS, 120),
        ("一百零五张", PHOTOS, 105),
        ("两百张", PHOTOS, 200),
        ("几张照片", PHOTOS, 3),
        ("几百张照片", PHOTOS, 300),
        ("十几张", PHOTOS, 13),
        ("数十张", PHOTOS, 30),
        ("二十多张照片", PHOTOS, 20),
        ("上百张", PHOTOS, 100),
        ("成百上千张照片", PHOTOS, 1000),
        ("三千五百张", PHOTOS, 3500),
        ("3万张", PHOTOS, 30000),
        ("一万两千张", PHOTOS, 12000),
        ("1,200张", PHOTOS, 1200),
        ("这张照片", PHOTOS, 1),
        ("半小时", HOURS, 0.5),
        ("半个小时", HOURS, 0.5),
        ("一个半小时", HOURS, 1.5),
        ("三个半小时的会议", HOURS, 3.5),
        ("1.5小时", HOURS, 1.5),
        ("5千字的文章", WORDS, 5000),
    ],
)
def test_a_count_is_read(text: str, units: tuple[str, ...], count: float) -> None:
    assert [value for value, _ in chinese_counts(text, units)] == [count]


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("照片", PHOTOS),
        ("第三张", PHOTOS),
        ("每三张", PHOTOS),
        ("用200字概括", WORDS),
        ("缩短到三百字", WORDS),
        ("300字以内", WORDS),
        ("300字摘要", WORDS),
        ("三张", ()),
        ("3 photos", ("photos",)),
    ],
)
def test_what_is_no_count_of_the_input_is_not_read(text: str, units: tuple[str, ...]) -> None:
    assert chinese_counts(text, units) == []


def in_han(number: int) -> str:
    """Chinese numerals below a hundred million, worked out the other way round."""
    digits = "零一二三四五六七八九"
    if number >= 10_000:
        rest = number % 10_000
        return in_han(number // 10_000) + "万" + (("零" if rest < 1000 else "") + in_han(rest) if rest else "")
    text, gap = "", False
    for power, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = number // power % 10
        if digit:
            text += ("零" if gap and text else "") + digits[digit] + name
        gap = not digit
    return text


@given(st.integers(1, 99_999_999))
def test_numerals_mean_what_they_spell(number: int) -> None:
    numeral = in_han(number)
    if len(numeral) <= 12:
        assert chinese_counts(f"整理{numeral}张", PHOTOS) == [(number, "张")]


@given(st.text(alphabet="零一二两三十百千万亿几数上半这那该0123456789.,多 个张照片字第用到以内", max_size=60))
def test_any_text_can_be_read(text: str) -> None:
    assert all(value >= 0 for value, _ in chinese_counts(text, PHOTOS))
