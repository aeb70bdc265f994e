"""Light noise on sentences: how people type, greet and thank. It never changes what is asked for."""

import re
from collections.abc import Sequence

import numpy as np

TYPO_SHARE = 0.10
CASE_SHARE = 0.14
POINT_SHARE = 0.20
FRAME_SHARE = 0.14
"""Share of sentences that get a greeting or a closing."""

GREETINGS = {
    "en": (
        "Hi,", "Hello,", "Hi there,", "Good morning,", "Good evening,", "hey,", "Hello team,", "Dear all,", "hiya,",
        "Hey folks,", "Good afternoon.", "Hi, hope you're well.", "yo,", "Greetings,", "Quick one:",
        "Sorry to bother you.",
    ),
    "zh": ("你好，", "您好，", "在吗？", "嗨，", "大家好，", "早上好，", "哈喽，", "打扰一下，", "老师好，", "亲，"),
}  # fmt: skip
CLOSINGS = {
    "en": (
        "Thanks!", "Thank you.", "Thanks in advance.", "Many thanks", "thx", "Cheers", "ta!", "Much appreciated.",
        "asap please", "No rush.", "It's a bit urgent.", "Thanks a lot, Priya", "Best, Jonas",
        "Kind regards, M. Okafor", "ty", "Any help is welcome.",
    ),
    "zh": ("谢谢！", "谢谢", "多谢～", "麻烦了", "感谢！", "辛苦了", "急，在线等", "不急", "拜托了", "谢啦", "先谢过"),
}  # fmt: skip
_GREETED = re.compile(
    r"^((hi|hey|hello|dear|good (morning|evening|afternoon)|greetings|sorry)\b|[你您]好|嗨|在吗|大家好)", re.I
)
_CLOSED = re.compile(r"(thank|thx|cheers|regards|appreciat|grateful|谢|麻烦了|拜托)", re.I)
_WORD = re.compile(r"(?<![\w./@'-])[a-z]{6,}(?![\w./@'-])")
_NEIGHBOURS = dict(zip("abcdefghijklmnopqrstuvwxyz", "svxfrdgjokxzkmbipelrtyicets", strict=False))
_SOUNDS = (
    ("的", "得"),
    ("在", "再"),
    ("做", "作"),
    ("帐", "账"),
    ("那么", "那末"),
    ("已经", "己经"),
    ("帮忙", "帮帮忙"),
)


def as_typed(rng: np.random.Generator, text: str, lang: str, keep: Sequence[str] = ()) -> str:
    """Give the sentence as somebody might have typed it, unchanged in about half of all cases; words to keep stay."""
    if rng.uniform() < TYPO_SHARE:
        text = _chinese_typo(rng, text) if lang == "zh" else _typo(rng, text, keep)
    if rng.uniform() < POINT_SHARE:
        text = _punctuation(rng, text, lang)
    if lang != "zh" and rng.uniform() < CASE_SHARE:
        text = _case(rng, text)
    if rng.uniform() < FRAME_SHARE:
        text = _polite(rng, text, lang)
    return text


def _typo(rng: np.random.Generator, text: str, keep: Sequence[str]) -> str:
    """Slip once or twice in long plain words; the first two letters stay, numbers and file names too."""
    for _ in range(int(rng.integers(1, 3))):
        words = [word for word in _WORD.finditer(text) if word[0] not in keep]
        if not words:
            return text
        word = words[int(rng.integers(len(words)))]
        place = word.start() + int(rng.integers(2, len(word[0]) - 1))
        before, letter, after = text[:place], text[place], text[place + 1 :]
        slip = int(rng.integers(4))
        text = (
            before + after,
            before + letter + letter + after,
            before + after[:1] + letter + after[1:],
            before + _NEIGHBOURS[letter] + after,
        )[slip]
    return text


def _chinese_typo(rng: np.random.Generator, text: str) -> str:
    """Swap one sign for another that sounds or looks alike."""
    there = [pair for pair in _SOUNDS if pair[0] in text]
    if not there:
        return text
    right, wrong = there[int(rng.integers(len(there)))]
    return text.replace(right, wrong, 1)


def _punctuation(rng: np.random.Generator, text: str, lang: str) -> str:
    """Leave out the last point, the commas or the apostrophes, or shout."""
    kind = int(rng.integers(4))
    if kind == 0:
        return text.rstrip(".。!！")
    if kind == 1:
        return re.sub(r"(?<!\d)，", " ", text) if lang == "zh" else re.sub(r",(?= )", "", text)
    if kind == 2:
        return text.replace("。", " ").strip() if lang == "zh" else text.replace("'", "")
    end = str(rng.choice(["!", "!!", "...", " :)"] if lang != "zh" else ["！", "！！", "……", "～"]))
    return text if text[-1:] in "?？" else text.rstrip(".。!！") + end


def _case(rng: np.random.Generator, text: str) -> str:
    """Write all in small letters, or now and then all in capitals; file names and addresses stay."""
    words = text.split(" ")
    shout = rng.uniform() < 0.08
    return " ".join(
        word if re.search(r"\w[./_@]\w|\d", word) else (word.upper() if shout else word.lower()) for word in words
    )


def _polite(rng: np.random.Generator, text: str, lang: str) -> str:
    """Put a greeting before or thanks after, where there is none yet."""
    before, after = GREETINGS.get(lang, GREETINGS["en"]), CLOSINGS.get(lang, CLOSINGS["en"])
    if rng.uniform() < 0.5:
        return text if _GREETED.search(text) else _joined(_one_of(rng, before), text, lang)
    if _CLOSED.search(text[-40:]):
        return text
    ended = text if text[-1:] in ".!?。！？…～)" else text + ("。" if lang == "zh" else ".")
    return _joined(ended, _one_of(rng, after), lang)


def _one_of(rng: np.random.Generator, choices: Sequence[str]) -> str:
    return choices[int(rng.integers(len(choices)))]


def _joined(first: str, second: str, lang: str) -> str:
    return first + ("" if lang == "zh" else " ") + second
