"""Where a run comes from: the commit, the DVC experiment, the process and what is installed."""

import os
import platform
import socket
import subprocess
from importlib import metadata
from pathlib import Path

from tomas.tracking.processes import pipeline_process, process_id

PACKAGES = ("torch", "transformers", "peft", "accelerate", "dvc", "numpy")
DVC_WRITES = (":(exclude)dvc.lock", ":(exclude)metrics")
"""Files a running pipeline itself changes; they do not make its commit dirty."""


def gather(root: Path) -> dict[str, str]:
    """Tags that say where a run comes from."""
    process, pipeline = process_id(os.getpid()), pipeline_process()
    tags = {
        "host": socket.gethostname(),
        "pid": str(process.pid),
        "pid_start": process.start,
        "pipeline.pid": str(pipeline.pid),
        "pipeline.pid_start": pipeline.start,
        "python": platform.python_version(),
    }
    tags |= {f"package.{name}": version for name in PACKAGES if (version := _version(name))}
    environment = {"dvc.stage": "DVC_STAGE", "dvc.exp.name": "DVC_EXP_NAME", "dvc.exp.baseline": "DVC_EXP_BASELINE_REV"}
    tags |= {tag: os.environ[name] for tag, name in environment.items() if os.environ.get(name)}
    return tags | _git(root)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git(root: Path) -> dict[str, str]:
    """Commit and whether code or settings differ from it; nothing outside a repository or without git."""
    here = Path.cwd() if (Path.cwd() / ".git").exists() else root
    try:
        tags = {"git.commit": _run_git(here, "rev-parse", "HEAD")}
        if "DVC_EXP_NAME" not in os.environ:  # an experiment differs from its commit on purpose
            changed = _run_git(here, "status", "--porcelain", "--untracked-files=no", "--", ".", *DVC_WRITES)
            tags["git.dirty"] = str(bool(changed)).lower()
    except (OSError, subprocess.CalledProcessError):
        return {}
    return tags


def _run_git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()
