"""Files and folders that are whole or absent: written under a temporary name, then moved into place; and digests."""

import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

MADE_BY_PYTHON = "__pycache__"


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A name beside `path` to write a file or folder to; it takes the place of `path` when the block ends well.

    Never write to `path` itself: DVC links outputs from its cache, so an edit in place would change the cache.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".partial-{path.name}")
    _remove(partial)  # what a killed run left behind
    try:
        yield partial
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)  # a folder cannot be replaced in one move
        os.replace(partial, path)
    finally:
        _remove(partial)


def write_json(path: Path, value: Any) -> None:
    """JSON that is the same for the same value: sorted keys, UTF-8, numbers that are no numbers as null."""
    text = json.dumps(_finite(value), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    with whole(path) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def digest(path: Path) -> str:
    """Of a file its content, of a folder the names and contents of all files; an absent one has a digest too."""
    if path.is_file():
        return sha256(path.read_bytes()).hexdigest()
    files = sorted(file for file in path.rglob("*") if file.is_file() and MADE_BY_PYTHON not in file.parts)
    return digest_of_value([[str(file.relative_to(path)), sha256(file.read_bytes()).hexdigest()] for file in files])


def digest_of_value(value: Any) -> str:
    """The same for the same value, whatever the order of its keys."""
    return sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
