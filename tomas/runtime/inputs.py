"""What a stage reads, as digests: to notice an edit while it runs, and to tell its checkpoints apart."""

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

IGNORED = {"__pycache__"}


def input_digests(root: Path, stage: str, sections: Iterable[str]) -> dict[str, str]:
    """Digests of the stage's parameters, of its entry in dvc.yaml and of each of its dependencies, by name."""
    entry = _read_yaml(root / "dvc.yaml").get("stages", {}).get(stage, {})
    params = _read_yaml(root / "params.yaml")
    digests = {f"params.yaml:{section}": _digest_value(params.get(section)) for section in sections}
    digests["dvc.yaml"] = _digest_value(entry)
    return digests | {dep: _digest_path(root / dep) for dep in entry.get("deps", [])}


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """The names whose digests differ."""
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def combined(digests: Mapping[str, str]) -> str:
    """One short digest of all."""
    return _digest_value(dict(digests))[:16]


def _read_yaml(path: Path) -> dict[str, Any]:
    return dict(YAML(typ="safe").load(path) or {}) if path.exists() else {}


def _digest_value(value: Any) -> str:
    return sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def _digest_path(path: Path) -> str:
    """Of a file its content, of a folder the names and contents of all files; an absent one has a digest too."""
    if path.is_file():
        return sha256(path.read_bytes()).hexdigest()
    files = sorted(file for file in path.rglob("*") if file.is_file() and not IGNORED & set(file.parts))
    return _digest_value([[str(file.relative_to(path)), sha256(file.read_bytes()).hexdigest()] for file in files])
