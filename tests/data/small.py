"""A small project in a folder: two tools, a few rows, requests and timelines, to break on purpose."""

import json
from pathlib import Path
from typing import Any

from tomas.domain.catalogue import ROW_COLUMNS
from tomas.domain.resources import SIZES, TIMELINE_COLUMNS
from tomas.paths import Paths

TOOLS: list[dict[str, Any]] = [
    {
        "name": "crop_yield",
        "description": "Predicts how much a field will bear from its soil and weather record.",
        "input": {"field": "hectares", "small_max": 10, "medium_max": 100, "units": ["hectare", "hectares", "公顷"]},
    },
    {
        "name": "milk_test",
        "description": "Tells from a spectrum whether milk is fit to drink.",
        "input": {"field": "samples", "small_max": 5, "medium_max": 50, "units": ["sample", "samples"]},
    },
]
PROFILES = [
    *(
        ("crop_yield", size, cpu, 4, 20, 2, 1000 * (place + 1) / cpu)
        for place, size in enumerate(SIZES)
        for cpu in (2, 4)
    ),
    *(
        ("milk_test", size, cpu, 2, 0, 0, 300 * (place + 1) / cpu)
        for place, size in enumerate(SIZES)
        for cpu in (1, 2, 4)
    ),
]
TEXTS = (
    ("what will the {n} hectares behind the barn bear?", "crop_yield"),
    ("is this milk all right, {n} samples", "milk_test"),
    ("tell me a joke about {n} cows", None),
)


def project(folder: Path) -> Paths:
    """Write the small project and give its paths."""
    paths = Paths(folder)
    requests = [
        {"text": text.replace("{n}", str(number)), "tool": tool, "split": split}
        for split in ("train", "val", "test")
        for number in range(2, 12)
        for text, tool in TEXTS
    ]
    timelines = [
        (f"{split}{number}", "made", split, step * 200, 1 + (step + number) % 4, 8, 40, 4)
        for split in ("train", "val", "test")
        for number in range(4)
        for step in range(20)
    ]
    write(paths.tools, json.dumps(TOOLS, indent=2))
    write(paths.profiles, csv_text(ROW_COLUMNS, PROFILES))
    write(paths.requests, "".join(json.dumps(request) + "\n" for request in requests))
    write(paths.timelines, csv_text(("timeline", "kind", "split", *TIMELINE_COLUMNS), timelines))
    return paths


def csv_text(header: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    """Rows as CSV."""
    return "".join(",".join(map(str, row)) + "\n" for row in [header, *rows])


def write(path: Path, text: str) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
