"""docs/adding-a-part.md, followed to the letter: a package from nothing to a trained-with part."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "adding-a-part.md").read_text(encoding="utf-8")


def lay_down(folder: Path) -> None:
    """Write the files whose names stand in the first line of the page's code blocks."""
    for path, content in re.findall(r"```(?:toml|python)\n# (\S+)\n(.*?)```", PAGE, re.DOTALL):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content, encoding="utf-8")


@pytest.mark.slow
def test_the_page_leads_a_new_user_to_a_part_in_use(tmp_path: Path) -> None:
    package, project, site = tmp_path / "tomas-film", tmp_path / "project", tmp_path / "site"
    lay_down(package)
    project.mkdir()
    shutil.copy(ROOT / "params.yaml", project)
    environment = {**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{ROOT}"}

    def run(*words: str, cwd: Path = project) -> str:
        done = subprocess.run(
            [sys.executable, "-m", *words], cwd=cwd, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    install = ["pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(site)]
    run(*install, str(package))
    run("pytest", "-q", "-p", "no:cacheprovider", str(package), cwd=tmp_path)

    run("tomas_thermometer", cwd=package)

    shown = PAGE.partition("$ tomas plugin list --kind fusion\n")[2].partition("```")[0]
    listing, _, editing = shown.partition("$ tomas plugin enable film\n")
    assert run("tomas.cli", "plugin", "list", "--kind", "fusion") == listing
    assert run("tomas.cli", "plugin", "enable", "film") == editing
    assert "fusion: film" in (project / "params.yaml").read_text(encoding="utf-8")
