"""Editing YAML that people wrote: their comments, order and layout stay."""

from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError

from tomas.errors import UserError
from tomas.files import whole

REPLACED = frozenset({"schedules", "options"})
"""Sections whose keys are free: an overlay's take the place of all that was there."""


def read_yaml(path: Path) -> CommentedMap:
    """The document with its comments; an empty file is an empty mapping."""
    try:
        document = _editor().load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise UserError(f"{path}: cannot be read: {' '.join(str(error).split())}") from error
    if document is None:
        return CommentedMap()
    if not isinstance(document, CommentedMap):
        raise UserError(f"{path}: must be a mapping of keys to values.")
    return document


def write_yaml(path: Path, document: CommentedMap) -> None:
    """Put the document in place of the file."""
    with whole(path) as partial:
        partial.write_text(yaml_text(document), encoding="utf-8")


def yaml_text(document: Mapping[str, Any]) -> str:
    """The document as YAML."""
    stream = StringIO()
    _editor().dump(document, stream)
    return stream.getvalue()


def plain(node: Any) -> Any:
    """The document as plain data, without comments."""
    if isinstance(node, Mapping):
        return {str(key): plain(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [plain(value) for value in node]
    # ruamel's own numbers and strings remember how they were written; JSON and pydantic want the plain types.
    for kind in (bool, int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return node


def lay_over(document: CommentedMap, overlay: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Set the overlay's values in the document; gives what changed as {path: (before, after)}."""
    changes: dict[str, tuple[Any, Any]] = {}
    for key, value in overlay.items():
        if isinstance(value, Mapping) and value and key not in REPLACED:
            if not isinstance(document.get(key), CommentedMap):
                document[key] = CommentedMap()
            inner = lay_over(document[key], value)
            changes.update({f"{key}.{path}": change for path, change in inner.items()})
        elif key not in document or plain(document[key]) != plain(value):
            changes[key] = (plain(document.get(key)), plain(value))
            document[key] = _inline(plain(value))
    return changes


def put(document: CommentedMap, path: str, value: Any) -> None:
    """Set what stands at a dotted path, and nothing beside it."""
    *above, last = path.split(".")
    for key in above:
        if not isinstance(document.get(key), CommentedMap):
            document[key] = CommentedMap()
        document = document[key]
    lay_over(document, {last: value})


def at_path(document: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path, or None."""
    node: Any = document
    for key in path.split("."):
        node = node.get(key) if isinstance(node, Mapping) else None
    return node


def nested(path: str, value: Any) -> dict[str, Any]:
    """A dotted path and its value as nested mappings."""
    for key in reversed(path.split(".")):
        value = {key: value}
    return dict(value)


def _inline(value: Any) -> Any:
    if isinstance(value, list):
        sequence = CommentedSeq(value)
        sequence.fa.set_flow_style()
        return sequence
    if isinstance(value, dict):
        mapping = CommentedMap({key: _inline(item) for key, item in value.items()})
        if not any(isinstance(item, dict) for item in value.values()):
            mapping.fa.set_flow_style()
        return mapping
    return value


def _editor() -> YAML:
    editor = YAML(typ="rt")
    editor.width = 10_000
    editor.preserve_quotes = True
    editor.representer.add_representer(
        type(None), lambda representer, _: representer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return editor
