"""Parts are found by name, loaded late, and never silently replaced."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tomas.errors import UsageError, UserError
from tomas.kernel.spec import Kind, PartSpec
from tomas.kernel.tables import KINDS, PARTS
from tomas.registry import Registry, import_attribute


def registry() -> Registry:
    kinds = {"fusion": Kind("fusion", "joins", default="gated"), "align": Kind("align", "aligns", default="bistate")}
    parts = [
        PartSpec("fusion", "gated", "fractions:Fraction", "a gate"),
        PartSpec("fusion", "concat", "decimal:Decimal", "side by side"),
        PartSpec("align", "bistate", "no_such_package:Thing", "a loss", needs=("no_such_package",), extra="big"),
    ]
    return Registry(kinds, parts)


@pytest.fixture
def announced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path where a test can lay down an installed package that announces parts."""
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("stranger", None)


def install(folder: Path, kind: str, name: str, part_name: str | None = None) -> None:
    """Lay down a package `stranger` as pip would; importing it leaves a mark."""
    info = folder / f"stranger_{kind}_{name}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: stranger-{kind}-{name}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[tomas.{kind}]\n{name} = stranger:PART\n")
    (folder / "stranger.py").write_text(
        "from pathlib import Path\nfrom tomas.registry import PartSpec\n"
        f"Path({str(folder / 'imported')!r}).touch()\n"
        f"PART = PartSpec({kind!r}, {part_name or name!r}, 'decimal:Decimal', 'strange')\n"
    )


def test_load_gives_the_factory_behind_the_name() -> None:
    from fractions import Fraction

    assert registry().load("fusion", "gated") is Fraction


@pytest.mark.parametrize(("kind", "name", "hint"), [("fusion", "gatd", "gated"), ("fusoin", "gated", "fusion")])
def test_a_typo_is_an_error_with_a_suggestion_and_never_the_default(kind: str, name: str, hint: str) -> None:
    with pytest.raises(UsageError, match=f"Did you mean {hint}"):
        registry().load(kind, name)


def test_a_name_can_be_taken_once_only() -> None:
    with pytest.raises(UserError, match="already has"):
        registry().add(PartSpec("fusion", "gated", "decimal:Decimal", "another"))


def test_a_missing_package_names_the_command_that_installs_it() -> None:
    with pytest.raises(UserError, match=r'pip install "tomas\[big\]"'):
        registry().load("align", "bistate")


def test_an_announced_part_is_used_only_when_plugged_in(announced: Path) -> None:
    install(announced, "fusion", "outside")
    parts = registry()
    with pytest.raises(UsageError, match="not in use"):
        parts.load("fusion", "outside")
    assert not (announced / "imported").exists()

    parts.plug(["outside"])

    from decimal import Decimal

    assert parts.load("fusion", "outside") is Decimal
    parts.plug(["outside"])  # a second stage in the same process


def test_an_announced_part_cannot_take_a_name_of_ours(announced: Path) -> None:
    install(announced, "fusion", "gated")
    with pytest.raises(UserError, match="already has"):
        registry().plug(["fusion.gated"])


def test_an_announcement_must_point_at_its_own_spec(announced: Path) -> None:
    install(announced, "fusion", "outside", part_name="inside")
    with pytest.raises(UserError, match="is not its PartSpec"):
        registry().plug(["outside"])


def test_a_kind_name_under_plugins_stands_for_its_default() -> None:
    assert [part.name for part in registry().plug(["align", "concat"])] == ["bistate", "concat"]


def test_every_part_of_tomas_stands_in_a_known_kind_and_can_be_imported() -> None:
    for part in PARTS:
        assert part.kind in KINDS
        if not part.needs:
            import_attribute(part.factory)
        if part.config:
            import_attribute(part.config)


def test_every_default_and_every_link_of_a_chain_exists() -> None:
    parts = Registry(KINDS, PARTS)
    for kind in KINDS.values():
        for name in (*kind.chain, *([kind.default] if kind.default else [])):
            assert name in parts.names(kind.name), f"{kind.name} {name}"


def test_listing_parts_imports_nothing_heavy() -> None:
    heavy = "{'torch', 'transformers', 'mlflow', 'pandas', 'numpy', 'pydantic'}"
    code = f"import sys, tomas.registry as r, tomas.cli; r.default_registry.parts(); print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
