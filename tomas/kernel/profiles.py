"""Profiles: ready-made overlays of params.yaml, each in one file, that may extend one another."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tomas.errors import UsageError, UserError
from tomas.kernel.yaml_files import lay_over, plain, read_yaml
from tomas.registry import suggestion

META = ("about", "extends")


@dataclass(frozen=True)
class Profile:
    """One profile, with everything it extends laid under it."""

    name: str
    path: Path
    about: str
    overlay: Mapping[str, Any]


def profile_names(folder: Path) -> list[str]:
    """The profiles of a folder."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def find_profile(name: str, folder: Path) -> Path:
    """The file of a profile: a path as it stands, or a name in the folder."""
    path = Path(name)
    if path.suffix in {".yaml", ".yml"}:
        # `-p moe_reasoning.yaml` means the shipped one unless such a file lies here.
        for candidate in (path, folder / path.name):
            if candidate.is_file():
                return candidate
        raise UsageError(f"There is no profile file {path}.")
    if name not in profile_names(folder):
        raise UsageError(f"Unknown profile {name!r}.{suggestion(name, profile_names(folder))}")
    return folder / f"{name}.yaml"


def read_profile(path: Path, _above: tuple[Path, ...] = ()) -> Profile:
    """A profile with what it extends; `extends` is a name beside it or a path from it."""
    path = path.resolve()
    if path in _above:
        raise UserError(f"{path.name}: profiles extend one another in a circle.")
    document = read_yaml(path)
    overlay: Any = type(document)()
    parent = document.get("extends")
    if parent is not None:
        lay_over(overlay, read_profile(find_profile(str(parent), path.parent), (*_above, path)).overlay)
    own = {key: value for key, value in document.items() if key not in META}
    lay_over(overlay, own)
    return Profile(path.stem, path, str(document.get("about", "")), plain(overlay))
