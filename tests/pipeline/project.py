"""A small DVC project with one quick stage, so that the runner is tested with the real dvc, git and MLflow."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

HERE = Path(__file__).parent
DVC_YAML = """\
stages:
  toy:
    cmd: python -u -m stages.toy
    params: [seed, encoder]
    deps: [stages/toy.py, steps.txt]
    outs: [assets/toy.txt]
    metrics:
      - metrics/toy.json:
          cache: false
"""


class Project:
    """A git and DVC repository to run commands in."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.env = os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "DVC_SITE_CACHE_DIR": str(root.parent / "site-cache"),
            "OMP_NUM_THREADS": "1",
            "TOMAS_REQUIRE_TRACKING": "1",
            "PYTHONWARNINGS": "ignore",
        }
        self.env.pop("MLFLOW_TRACKING_URI", None)

    def run(self, *words: str, check: bool = True, **env: str) -> "subprocess.CompletedProcess[str]":
        """Run a command in the project's folder."""
        done = subprocess.run(words, cwd=self.root, env=self.env | env, capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def start(self, *words: str, **env: str) -> "subprocess.Popen[str]":
        """Start a command in the project's folder."""
        return subprocess.Popen(words, cwd=self.root, env=self.env | env, stdout=-3, stderr=-3, text=True)

    def commit(self, message: str = "change") -> None:
        """Commit everything git does not ignore."""
        self.run("git", "add", "-A")
        self.run("git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", message)

    def set_params(self, old: str, new: str) -> None:
        """Edit params.yaml."""
        file = self.root / "params.yaml"
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new, 1))

    def sql(self, query: str) -> list[tuple[object, ...]]:
        """Ask the project's store of runs."""
        with closing(sqlite3.connect(self.root / "mlflow.db")) as database:
            return database.execute(query).fetchall()


def toy_project(root: Path) -> Project:
    """A committed project with one stage that takes no time."""
    (root / "stages").mkdir(parents=True)
    (root / ".dvc").mkdir()
    (root / ".dvc" / "config").write_text("[core]\n    analytics = false\n    check_update = false\n")
    (root / ".dvc" / ".gitignore").write_text("/config.local\n/tmp\n/cache\n")
    (root / "dvc.yaml").write_text(DVC_YAML)
    (root / "params.yaml").write_text("seed: 1\ntracker: jsonl # where runs go\nencoder:\n  lr: 0.5\n")
    (root / "steps.txt").write_text("3")
    (root / ".gitignore").write_text("/.tomas/\n/mlflow.db*\n/mlartifacts/\n/assets/\n__pycache__/\n")
    (root / ".dvcignore").write_text("__pycache__\n")
    shutil.copy(HERE / "toy_stage.py", root / "stages" / "toy.py")
    project = Project(root)
    project.run("git", "init", "-q", "-b", "main")
    project.run("git", "config", "user.name", "t")
    project.run("git", "config", "user.email", "t@example.org")
    project.commit("start")
    return project
