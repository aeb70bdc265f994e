"""Frames: sentences written by hand, with slots and alternatives, that requests are spelled out from."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tomas.data.problems import Problem, raise_if_any
from tomas.registry import suggestion

NO_TOOL = "no_tool"
COUNT = "n"
DIVIDED, TRAINING = "frames", "training_frames"
"""Keys of a file: what is divided into training, validation and test, and what is for training alone."""
_ALTERNATIVES = re.compile(r"\[\[(.*?)\]\]", re.DOTALL)
_SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Frame:
    """One way to put a wish. Frames, not sentences, are what the split into training and test divides."""

    id: str
    tool: str | None
    lang: str
    style: str
    text: str
    slots: Mapping[str, Sequence[str]]
    for_training: bool = False
    """Whether it only ever makes training requests, so that validation and test stay as they are."""

    @property
    def counts(self) -> bool:
        """Whether the sentence says how much of its input there is."""
        return f"{{{COUNT}}}" in self.text

    def spell_out(self, rng: np.random.Generator) -> str:
        """Give one of the frame's sentences; `{n}` stays for whoever knows the amount."""
        text = _ALTERNATIVES.sub(lambda match: str(rng.choice(match[1].split("|"))), self.text)
        # a slot that stands twice in a sentence (from {lang} into {lang}) has two values
        drawn = {name: iter(rng.permutation(list(values)).tolist()) for name, values in self.slots.items()}
        return _SLOT.sub(lambda match: match[0] if match[1] == COUNT else str(next(drawn[match[1]])), text)

    def variants(self) -> int:
        """How many sentences there are at most, numbers aside."""
        count = 1
        for match in _ALTERNATIVES.finditer(self.text):
            count *= len(match[1].split("|"))
        for name in _SLOT.findall(self.text):
            count *= len(self.slots.get(name, ("",)))
        return count


def read_frames(folder: Path, tools: Sequence[str]) -> list[Frame]:
    """Give the frames of every `{tool}.{lang}.yaml` in the folder, or raise all that is wrong with them."""
    problems: list[Problem] = []
    frames: list[Frame] = []
    paths = sorted(folder.glob("*.yaml"))
    if not paths:
        problems.append(Problem(str(folder), None, None, "no frame files; they are named {tool}.{lang}.yaml"))
    for path in paths:
        tool, _, lang = path.stem.partition(".")
        if tool not in (*tools, NO_TOOL):
            reason = f"the file is named after {tool!r}, which the registry lacks.{suggestion(tool, (*tools, NO_TOOL))}"
            problems.append(Problem(str(path), None, None, reason))
            continue
        frames += _read_file(path, None if tool == NO_TOOL else tool, lang, problems)
    raise_if_any(problems)
    return frames


def _read_file(path: Path, tool: str | None, lang: str, problems: list[Problem]) -> Iterator[Frame]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    file = str(path)
    try:
        content = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        problems.append(Problem(file, None, None, f"cannot be read: {' '.join(str(error).split())}"))
        return
    lists = {key: content.get(key, []) for key in (DIVIDED, TRAINING)} if isinstance(content, Mapping) else {}
    if not lists or DIVIDED not in content or not all(isinstance(entries, list) for entries in lists.values()):
        reason = f"the keys slots and {DIVIDED} are needed; {TRAINING} may follow; both hold lists"
        problems.append(Problem(file, None, None, reason))
        return
    slots = {str(name): [str(value) for value in values] for name, values in (content.get("slots") or {}).items()}
    seen: dict[str, str] = {}
    for key, number, entry in [(key, number, entry) for key, own in lists.items() for number, entry in enumerate(own)]:
        at = Problem(file, None, f"{key}[{number}]", "")
        if not isinstance(entry, Mapping) or {"style", "text"} != set(entry):
            problems.append(at._replace(reason="a frame has exactly the keys style and text"))
            continue
        text = str(entry["text"])
        problems += [at._replace(reason=reason) for reason in _faults(text, slots)]
        if (first := seen.setdefault(text, str(at.column))) != at.column:
            problems.append(at._replace(reason=f"the same text as {first}"))
        used = {name: slots[name] for name in _SLOT.findall(text) if name in slots}
        name = f"{path.stem}.{'t' * (key == TRAINING)}{number:03d}"
        yield Frame(name, tool, lang, str(entry["style"]), text, used, for_training=key == TRAINING)


def _faults(text: str, slots: Mapping[str, Any]) -> Iterator[str]:
    names = _SLOT.findall(text)
    if not text.strip():
        yield "the text is empty"
    for name in sorted(set(names)):
        if name == COUNT:
            if names.count(COUNT) > 1:
                yield "{n} stands there more than once"
        elif name not in slots:
            yield f"the slot {name!r} is not defined.{suggestion(name, slots)}"
        elif names.count(name) > len(slots[name]):
            yield f"the slot {name!r} is used more often than it has values"
    bare = _ALTERNATIVES.sub("", text)
    if "[[" in bare or "]]" in bare:
        yield "unbalanced [[alternatives]]"
