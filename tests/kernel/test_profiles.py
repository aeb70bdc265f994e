"""Profiles lie over params.yaml without disturbing what people wrote there."""

import shutil
from pathlib import Path

import pytest

from tomas.config import parse_params
from tomas.errors import UsageError, UserError
from tomas.kernel.profiles import find_profile, profile_names, read_profile
from tomas.kernel.yaml_files import lay_over, plain, read_yaml, yaml_text

ROOT = Path(__file__).parents[2]
SHIPPED = profile_names(ROOT / "profiles")


def laid_over(text: str, *overlays: dict[str, object], folder: Path) -> str:
    path = folder / "params.yaml"
    path.write_text(text)
    document = read_yaml(path)
    for overlay in overlays:
        lay_over(document, overlay)
    return yaml_text(document)


def test_reading_and_writing_changes_no_byte() -> None:
    path = ROOT / "params.yaml"
    assert yaml_text(read_yaml(path)) == path.read_text(encoding="utf-8")


def test_comments_order_and_untouched_lines_stay(tmp_path: Path) -> None:
    text = "# top\na: 1  # one\nb:\n  # inside\n  c: [x, y]\n  d: null\n"
    assert laid_over(text, {"b": {"d": 3}, "a": 2}, folder=tmp_path) == text.replace("null", "3").replace(
        ": 1 ", ": 2 "
    )


def test_free_sections_are_replaced_as_a_whole(tmp_path: Path) -> None:
    text = "schedules:\n  enable_moe_at_epoch: 2\n"
    assert "moe" not in laid_over(text, {"schedules": {"enable_align_at_epoch": 3}}, folder=tmp_path)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_profile_gives_valid_parameters(name: str) -> None:
    document = read_yaml(ROOT / "params.yaml")
    profile = read_profile(ROOT / "profiles" / f"{name}.yaml")
    assert profile.about
    lay_over(document, profile.overlay)
    parse_params(plain(document), name)


@pytest.mark.parametrize("name", SHIPPED)
def test_using_a_profile_and_then_cpu_brings_the_defaults_back(name: str) -> None:
    document = read_yaml(ROOT / "params.yaml")
    for profile in ("cpu", name, "cpu"):
        lay_over(document, read_profile(ROOT / "profiles" / f"{profile}.yaml").overlay)
    assert parse_params(plain(document)) == parse_params({})


def test_params_yaml_as_shipped_states_the_defaults() -> None:
    assert parse_params(plain(read_yaml(ROOT / "params.yaml"))) == parse_params({})


def test_a_child_wins_over_what_it_extends(tmp_path: Path) -> None:
    (tmp_path / "mother.yaml").write_text("seed: 1\nencoder: {lr: 0.1, jitter: 0.2}\n")
    (tmp_path / "child.yaml").write_text("extends: mother\nencoder: {lr: 0.5}\n")
    assert read_profile(tmp_path / "child.yaml").overlay == {"seed": 1, "encoder": {"lr": 0.5, "jitter": 0.2}}


def test_a_circle_of_profiles_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("extends: b\n")
    (tmp_path / "b.yaml").write_text("extends: a\n")
    with pytest.raises(UserError, match="circle"):
        read_profile(tmp_path / "a.yaml")


def test_a_profile_is_found_by_name_or_file_and_a_typo_is_suggested(tmp_path: Path) -> None:
    shutil.copy(ROOT / "profiles" / "tiny.yaml", tmp_path)
    assert find_profile("tiny", tmp_path) == find_profile(str(tmp_path / "tiny.yaml"), Path("elsewhere"))
    assert find_profile("tiny.yaml", tmp_path) == tmp_path / "tiny.yaml"
    with pytest.raises(UsageError, match="Did you mean tiny"):
        find_profile("tinny", tmp_path)
