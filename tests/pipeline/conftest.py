"""What the tests of the pipeline share."""

from pathlib import Path

import pytest

from tests.pipeline.project import Project, toy_project


@pytest.fixture
def toy(tmp_path: Path) -> Project:
    """A committed project with one stage that takes no time."""
    return toy_project(tmp_path / "project")
