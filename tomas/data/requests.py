"""Spells out the frames into data/requests/requests.jsonl: varied wordings, split by frame."""

import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tomas.data.amounts import draw_amount, draw_size, in_text, structured
from tomas.data.frames import Frame
from tomas.data.splits import share_out
from tomas.data.wording import as_typed
from tomas.domain.size import resolve_size
from tomas.domain.tools import Tool, ToolRegistry

SHARES = {"val": 0.10, "test": 0.20}
"""Frames kept back of those that are divided; the rest is for training."""
NO_TOOL_SHARE = 0.22
CHINESE_SHARE = 0.3
INPUT_SHARE = 0.5
FOREIGN_INPUT_SHARE = 0.05
"""Share of structured inputs that lack the field the tool is measured by."""
TRIES = 12


def make_requests(seed: int, registry: ToolRegistry, frames: Sequence[Frame], count: int) -> str:
    """Give about `count` requests as JSON lines, and one more from each frame that is for training alone.

    The same seed, tools and frames give the same bytes; frames for training change nothing about the other requests.
    """
    splits = split_frames(seed, frames)
    divided = [frame for frame in frames if not frame.for_training]
    seen: set[str] = set()
    requests: list[dict[str, Any]] = []
    for (tool, lang), wanted in _quotas(divided, count).items():
        members = [frame for frame in divided if (frame.tool, frame.lang) == (tool, lang)]
        requests += _spell_out(_Writer(seed, _known(registry, tool), seen), members, wanted, splits)
    for frame in frames:
        if frame.for_training:
            requests += _spell_out(_Writer(seed, _known(registry, frame.tool), seen), [frame], 1, splits)
    requests.sort(key=lambda request: zlib.crc32(request["id"].encode()))
    return "".join(json.dumps(request, ensure_ascii=False) + "\n" for request in requests)


def split_frames(seed: int, frames: Sequence[Frame]) -> dict[str, str]:
    """Give each frame's split, in the shares of SHARES within each tool and language."""
    groups: dict[tuple[str | None, str], dict[str, Frame]] = {}
    for frame in frames:
        if not frame.for_training:
            groups.setdefault((frame.tool, frame.lang), {})[frame.text] = frame
    return {frame.id: "train" for frame in frames if frame.for_training} | {
        members[text].id: split
        for members in groups.values()
        for text, split in share_out(seed, list(members), SHARES).items()
    }


def normalised(text: str) -> str:
    """Give the bare letters and digits of a text, for telling whether two are the same."""
    return re.sub(r"[\W_]+", " ", text.casefold()).strip()


def _known(registry: ToolRegistry, name: str | None) -> Tool | None:
    return None if name is None else registry[name]


def _quotas(frames: Sequence[Frame], count: int) -> dict[tuple[str | None, str], int]:
    """How many requests each tool and language gets: tools alike, Chinese and no_tool in their shares."""
    groups = sorted({(frame.tool, frame.lang) for frame in frames}, key=str)
    tools = {tool for tool, _ in groups if tool is not None}
    quotas = {}
    for tool, lang in groups:
        langs = [other for name, other in groups if name == tool]
        share = NO_TOOL_SHARE if tool is None else (1 - NO_TOOL_SHARE * ((None, lang) in groups)) / len(tools)
        if len(langs) > 1:
            share *= CHINESE_SHARE if lang == "zh" else (1 - CHINESE_SHARE) / (len(langs) - 1)
        quotas[tool, lang] = round(count * share)
    return quotas


@dataclass
class _Writer:
    """Writes one frame's sentences, none that was there before."""

    seed: int
    tool: Tool | None
    seen: set[str]
    rngs: dict[str, np.random.Generator] = field(default_factory=dict)

    def next(self, frame: Frame) -> dict[str, Any] | None:
        """Give one more request of this frame, None where no new one was found."""
        rng = self.rngs.setdefault(frame.id, np.random.default_rng([self.seed, zlib.crc32(frame.text.encode())]))
        for _ in range(TRIES):
            size = draw_size(rng)
            amount = None
            text = frame.spell_out(rng)
            if frame.counts:
                amount = self._amount_in_words(rng, size)
                if amount is None:
                    continue
                text = in_text(rng, text, amount, frame.lang)
            key = normalised(text)
            if key in self.seen:
                continue
            self.seen.add(key)
            typed = as_typed(rng, text, frame.lang, keep=self.tool.input.units if self.tool else ())
            self.seen.add(normalised(typed))
            return {"text": typed, **self._input(rng, text, amount)}
        return None

    def _amount_in_words(self, rng: np.random.Generator, size: Any) -> float | None:
        assert self.tool is not None
        spec = self.tool.input
        return draw_amount(rng, spec, size, least=0 if spec.small_max < 1 else 2)

    def _input(self, rng: np.random.Generator, text: str, amount: float | None) -> Mapping[str, Any]:
        """What stands beside the text: input in about half, and the true size where something tells it."""
        if self.tool is None:
            return {}
        spec = self.tool.input
        told = resolve_size(self.tool, text)
        if rng.uniform() >= INPUT_SHARE:
            return {} if amount is None else {"input_size": spec.size_of(amount)}
        if amount is None and told.how == "default" and rng.uniform() < FOREIGN_INPUT_SHARE:
            return {"input": {"files": int(rng.integers(1, 9))}}
        if amount is None:
            size = told.size if told.how == "words" else draw_size(rng)
            amount = next(found for found in _amounts(rng, self.tool, size) if found is not None)
        return {"input": structured(rng, spec, amount), "input_size": spec.size_of(amount)}


def _amounts(rng: np.random.Generator, tool: Tool, size: Any) -> Iterator[float | None]:
    while True:
        yield draw_amount(rng, tool.input, size)


def _spell_out(
    writer: _Writer, frames: Sequence[Frame], wanted: int, splits: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """Go round the frames until there are enough requests or no frame has another one."""
    rounds, left, written = 0, list(frames), 0
    while left and written < wanted:
        going_on = []
        for frame in left:
            request = writer.next(frame)
            if request is None:
                continue
            going_on.append(frame)
            yield {
                "id": f"{frame.id}.{rounds}",
                "text": request.pop("text"),
                "tool": frame.tool,
                "lang": frame.lang,
                "frame": frame.id,
                "style": frame.style,
                "split": splits[frame.id],
                **request,
            }
            written += 1
            if written == wanted:
                return
        left, rounds = going_on, rounds + 1
