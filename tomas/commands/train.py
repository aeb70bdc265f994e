"""`tomas train -p PROFILE`: a profile as a DVC experiment, run in a copy, so that params.yaml stays as it is."""

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tomas.config import parse_params
from tomas.errors import UsageError, UserError
from tomas.kernel.checks import check_available, check_parts
from tomas.kernel.options import schedules_left
from tomas.kernel.profiles import find_profile, read_profile
from tomas.kernel.yaml_files import lay_over, plain, put, read_yaml
from tomas.paths import project


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The sub-command's options."""
    parser.add_argument("-p", "--profile", required=True, metavar="PROFILE", help="a profile's name or YAML file")
    parser.add_argument("--plugins", nargs="*", metavar="NAME", help="use these plug-ins instead of the profile's")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="settings", help="one more key")
    parser.add_argument("--name", metavar="NAME", help="the experiment's name; DVC makes one up")
    parser.add_argument("--strict", action="store_true", help="stop where a part would have to be replaced")


def run(args: argparse.Namespace) -> int:
    """Check everything, then let DVC run the experiment."""
    paths = project()
    before: dict[str, Any] = plain(read_yaml(paths.params))
    after = experiment_params(
        paths.params,
        find_profile(args.profile, paths.profile_folder),
        args.plugins,
        args.settings,
        strict=args.strict or None,
    )
    overrides = [word for line in overrides_between(before, after) for word in ("-S", line)]
    name = ["-n", args.name] if args.name else []
    command = [sys.executable, "-m", "dvc", "exp", "run", "--temp", *name, *overrides]
    environment = {**os.environ, "TOMAS_STRICT": "1"} if args.strict else dict(os.environ)
    if subprocess.run(command, cwd=paths.root, env=environment, check=False).returncode:
        raise UserError("the experiment failed; what failed stands above.")
    print("params.yaml is as it was; `dvc exp show` compares, `dvc exp apply NAME` brings the result here.")
    return 0


def experiment_params(
    params: Path, profile: Path, plugins: Sequence[str] | None, settings: Sequence[str], strict: bool | None = None
) -> dict[str, Any]:
    """The parameters of the experiment: params.yaml, the profile, the plug-ins, the settings, each over the last.

    Plug-ins that are no longer named take their schedules with them. Parts are looked for here, as a stage that DVC has
    in its cache does not run and could not say that one is missing.
    """
    document = read_yaml(params)
    lay_over(document, read_profile(profile).overlay)
    if plugins is not None:
        kept = schedules_left(plain(document.get("schedules") or {}), plain(document.get("plugins") or []), plugins)
        lay_over(document, {"plugins": list(plugins), "schedules": kept})
    for text in settings:
        put(document, *setting(text))
    values: dict[str, Any] = plain(document)
    params_after = parse_params(values, profile.name)
    check_parts(params_after)
    check_available(params_after, strict)
    return values


def overrides_between(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """What turns one set of parameters into the other, in the words of `dvc exp run -S`."""
    for key in before.keys() - after.keys():
        yield f"~{prefix}{key}"
    for key, value in after.items():
        if isinstance(value, Mapping) and isinstance(before.get(key), Mapping):
            yield from overrides_between(before[key], value, f"{prefix}{key}.")
        elif key not in before or before[key] != value:
            yield f"++{prefix}{key}={_word(value)}"


def _word(value: Any) -> str:
    """A value in Hydra's grammar, which `-S` reads."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_word(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_word, value)) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        # Hydra takes a backslash for an escape only where it stands before a quote.
        escaped = re.sub(r"(\\*)('|$)", lambda match: match[1] * 2 + (r"\'" if match[2] else ""), value)
        return f"'{escaped}'"
    return repr(value)


def setting(text: str) -> tuple[str, Any]:
    """A `--set KEY=VALUE` as dotted path and value."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    key, equals, value = text.partition("=")
    try:
        if equals and key:
            return key.strip(), YAML(typ="safe").load(value)
    except YAMLError:
        pass
    raise UsageError(f"--set {text!r}: must be KEY=VALUE, as in --set training.lr=0.001.")
