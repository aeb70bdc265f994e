"""`tomas plugin list | info NAME | enable NAME | disable NAME`."""

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ruamel.yaml.comments import CommentedMap

from tomas.errors import UsageError, UserError
from tomas.kernel.profiles import META, find_profile, read_profile
from tomas.kernel.spec import PartSpec
from tomas.kernel.status import PartStatus, statuses
from tomas.kernel.yaml_files import at_path, lay_over, nested, plain, read_yaml, write_yaml
from tomas.paths import project
from tomas.registry import default_registry, suggestion


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The sub-command's options."""
    actions = parser.add_subparsers(metavar="ACTION", dest="action", required=True)
    listing = actions.add_parser("list", help="every part and its standing")
    listing.add_argument("--kind", metavar="K", help="only parts of this kind")
    listing.add_argument("--json", action="store_true", help="as JSON")
    info = actions.add_parser("info", help="all that is known about a part")
    info.add_argument("name", metavar="NAME", help="NAME or KIND.NAME")
    for name, summary in (("enable", "use a part"), ("disable", "stop using a part")):
        action = actions.add_parser(name, help=summary)
        action.add_argument("name", metavar="NAME", help="NAME or KIND.NAME")
        action.add_argument("--profile", metavar="FILE", help="edit this profile instead of params.yaml")


def run(args: argparse.Namespace) -> int:
    """List, describe, enable or disable parts."""
    if args.action == "list":
        _list(args.kind, args.json)
    elif args.action == "info":
        _info(args.name)
    else:
        _edit(args.name, args.profile, enable=args.action == "enable")
    return 0


def _params() -> dict[str, Any]:
    """params.yaml as it stands, unchecked: listing must work, and fast, also when a key is wrong."""
    params = project().params
    values: dict[str, Any] = plain(read_yaml(params)) if params.exists() else {}
    return values


def _statuses() -> list[PartStatus]:
    values = _params()
    installed = [word for word in values.get("plugins") or () if _is_known(word)]
    default_registry.plug(installed)
    return statuses(values)


def _is_known(word: str) -> bool:
    """Whether `plugins:` may hold the word; a listing shows what it can beside a wrong one."""
    try:
        default_registry.plug([word])
    except UserError:
        return False
    return True


def _list(kind: str | None, as_json: bool) -> None:
    if kind is not None and kind not in default_registry.kinds:
        raise UsageError(f"Unknown kind of part {kind!r}.{suggestion(kind, default_registry.kinds)}")
    rows = [row for row in _statuses() if kind in {None, row.kind}]
    if as_json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
        return
    for row in rows:
        origin = "" if row.distribution == "tomas" else f" [{row.distribution} {row.version}]"
        print(f"{row.kind:<11} {row.name:<17} {row.status:<13} {row.detail}{origin}")


def _info(name: str) -> None:
    rows = [row for row in _statuses() if name in {row.name, f"{row.kind}.{row.name}"}]
    if not rows:
        raise UsageError(f"Unknown part {name!r}.{suggestion(name, [row.name for row in _statuses()])}")
    for row in rows:
        facts: dict[str, Any] = asdict(row)
        if row.name in default_registry.names(row.kind) and row.status != "incompatible":
            facts |= _spec_facts(default_registry.find(row.kind, row.name))
        for key, value in facts.items():
            print(f"{key}: {value}")


def _spec_facts(part: PartSpec) -> dict[str, Any]:
    kind = default_registry.kinds[part.kind]
    facts = {
        "summary": part.summary,
        "numerics": f"{part.numerics} (against {kind.default})",
        "device": part.device,
        "needs": ", ".join(part.needs) or "nothing more",
        "options": f"params.yaml: {part.section}"
        if part.section
        else (f"options.{part.name}" if part.config else "none"),
        "schedules": ", ".join(part.schedules) or "none",
        "used by": f"params.yaml: {kind.key}: {part.name}" if kind.key else f"params.yaml: plugins: [{part.name}]",
    }
    return facts | ({"falls back to": ", ".join(_behind(part, kind.chain))} if part.name in kind.chain else {})


def _behind(part: PartSpec, chain: tuple[str, ...]) -> tuple[str, ...]:
    return chain[chain.index(part.name) + 1 :] or ("nothing",)


def _edit(name: str, profile: str | None, *, enable: bool) -> None:
    path = find_profile(profile, project().profile_folder) if profile else project().params
    document, values = read_yaml(path), plain(_laid_out(path))
    named = list(values.get("plugins") or ())
    if not enable and name in named and not _is_known(name):
        overlay = _without(name, named, values)
    else:
        overlay = _overlay(default_registry.plug([name])[0], name, values, enable=enable)
    changes = lay_over(document, overlay)
    _check(document, path)
    write_yaml(path, document)
    for key, (before, after) in changes.items():
        print(f"{path.name}: {key}: {before} -> {after}")
    if not changes:
        print(f"{path.name}: {name} was {'in use' if enable else 'not in use'} already")


def _laid_out(path: Path) -> CommentedMap:
    """What a file comes to: params.yaml, or a profile laid over it with all that it extends."""
    values = read_yaml(project().params)
    if path != project().params:
        lay_over(values, read_profile(path).overlay)
    return values


def _overlay(part: PartSpec, word: str, values: Mapping[str, Any], *, enable: bool) -> dict[str, Any]:
    """What to set so that the part is used, or no more used."""
    from tomas.kernel.options import schedules_left  # reads settings, which a listing need not

    kind = default_registry.kinds[part.kind]
    named = list(values.get("plugins") or ())
    listed = [entry for entry in named if default_registry.plug([entry])[0] != part]
    overlay: dict[str, Any] = {}
    if enable and len(listed) == len(named) and (kind.hooks or part.distribution != "tomas"):
        overlay["plugins"] = [*named, word]
    elif not enable and len(listed) < len(named):
        overlay |= _unscheduled(values, schedules_left(values.get("schedules") or {}, named, listed))
        overlay["plugins"] = listed
    if kind.key is not None and enable and at_path(values, kind.key) != part.name:
        overlay |= nested(kind.key, part.name)
    elif not enable and kind.key is not None and at_path(values, kind.key) == part.name:
        if part.name == kind.default:
            raise UsageError(f"{part.name!r} is the default {kind.name}; enable another one instead.")
        overlay |= nested(kind.key, kind.default)
    elif not kind.hooks and kind.key is None and part.distribution == "tomas":
        raise UsageError(f"{part.name!r} is always there; a {kind.name} is chosen where it is used.")
    return overlay


def _unscheduled(values: Mapping[str, Any], left: Mapping[str, Any]) -> dict[str, Any]:
    """The schedules that are left, where some went with their part."""
    return {"schedules": dict(left)} if left != (values.get("schedules") or {}) else {}


def _without(name: str, named: list[str], values: Mapping[str, Any]) -> dict[str, Any]:
    """What to set so that a part whose package is gone is asked for no more."""
    schedules = values.get("schedules") or {}
    left = {key: value for key, value in schedules.items() if key != f"enable_{name}_at_epoch"}
    overlay: dict[str, Any] = {"plugins": [word for word in named if word != name], **_unscheduled(values, left)}
    for kind in default_registry.kinds.values():
        if kind.key is not None and at_path(values, kind.key) == name:
            overlay |= nested(kind.key, kind.default)
    return overlay


def _check(document: Any, path: Path) -> None:
    """Nothing is written that could not be run."""
    from tomas.config import parse_params
    from tomas.kernel.checks import check_parts

    values = document
    if path != project().params:
        values = _laid_out(path)
        lay_over(values, {key: value for key, value in document.items() if key not in META})
    check_parts(parse_params(plain(values), path.name))
