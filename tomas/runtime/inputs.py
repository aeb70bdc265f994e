"""What a stage reads, as digests: to notice an edit while it runs, and to tell its checkpoints apart."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tomas.files import digest, digest_of_value


def input_digests(root: Path, stage: str, sections: Iterable[str]) -> dict[str, str]:
    """Digests of the stage's parameters, of its entry in dvc.yaml and of each of its dependencies, by name."""
    entry = _read_yaml(root / "dvc.yaml").get("stages", {}).get(stage, {})
    params = _read_yaml(root / "params.yaml")
    digests = {f"params.yaml:{section}": digest_of_value(params.get(section)) for section in sections}
    digests["dvc.yaml"] = digest_of_value(entry)
    return digests | {dep: digest(root / dep) for dep in entry.get("deps", [])}


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """The names whose digests differ."""
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def combined(digests: Mapping[str, str]) -> str:
    """One short digest of all."""
    return digest_of_value(dict(digests))[:16]


def _read_yaml(path: Path) -> dict[str, Any]:
    return dict(YAML(typ="safe").load(path) or {}) if path.exists() else {}
