"""`tomas profile list | show NAME | use NAME`."""

import argparse

from tomas.config import parse_params
from tomas.kernel.checks import check_parts
from tomas.kernel.profiles import find_profile, profile_names, read_profile
from tomas.kernel.yaml_files import lay_over, plain, read_yaml, write_yaml, yaml_text
from tomas.paths import project


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The sub-command's options."""
    actions = parser.add_subparsers(metavar="ACTION", dest="action", required=True)
    actions.add_parser("list", help="the profiles, and which one params.yaml follows")
    for name, summary in (("show", "what a profile sets"), ("use", "lay a profile over params.yaml")):
        action = actions.add_parser(name, help=summary)
        action.add_argument("name", metavar="NAME", help="a name from the list, or a YAML file")


def run(args: argparse.Namespace) -> int:
    """List, show or use profiles."""
    if args.action == "list":
        _list()
    elif args.action == "show":
        print(yaml_text(read_profile(find_profile(args.name, project().profile_folder)).overlay).rstrip())
    else:
        _use(args.name)
    return 0


def _list() -> None:
    names = profile_names(project().profile_folder)
    width = max(map(len, names), default=0)
    for name in names:
        profile = read_profile(project().profile_folder / f"{name}.yaml")
        followed = not lay_over(read_yaml(project().params), profile.overlay)
        print(f"{'*' if followed else ' '} {name:<{width}}  {profile.about}")


def _use(name: str) -> None:
    profile = read_profile(find_profile(name, project().profile_folder))
    document = read_yaml(project().params)
    changes = lay_over(document, profile.overlay)
    check_parts(parse_params(plain(document), profile.path.name))
    write_yaml(project().params, document)
    for path, (before, after) in changes.items():
        print(f"{path}: {before} -> {after}")
    print(f"params.yaml follows {profile.name}" if changes else f"params.yaml followed {profile.name} already")
