"""`tomas doctor`: what this machine has, which parts would really be used, and what is missing."""

import argparse
import json
import os
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from tomas.config import Params, load_params
from tomas.errors import UserError
from tomas.kernel.availability import has_cuda
from tomas.kernel.checks import check_parts
from tomas.kernel.fallback import Resolution, parts_of_planner, resolve
from tomas.kernel.yaml_files import at_path
from tomas.paths import Paths, project
from tomas.registry import default_registry

PACKAGES = ("torch", "transformers", "peft", "accelerate", "dvc", "mlflow")


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    topic: str
    level: Literal["ok", "note", "problem"]
    text: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The sub-command's options."""
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--strict", action="store_true", help="a part that would be replaced is a problem")


def run(args: argparse.Namespace) -> int:
    """Print the report; exit code 1 where something asked for cannot work."""
    if args.strict:
        os.environ["TOMAS_STRICT"] = "1"
    paths = project()
    findings = [*machine(), *packages(), *parts(paths), *planner(paths), *pipeline(paths)]
    if args.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2, ensure_ascii=False))
    else:
        for finding in findings:
            mark = {"ok": " ", "note": "*", "problem": "!"}[finding.level]
            print(f"{mark} {finding.topic:<13} {finding.text}")
    return int(any(finding.level == "problem" for finding in findings))


def machine() -> Iterator[Finding]:
    """CPU, memory and GPU."""
    import psutil

    cores = psutil.cpu_count(logical=False) or 1
    memory = psutil.virtual_memory()
    yield Finding("cpu", "ok", f"{cores} physical cores, {len(os.sched_getaffinity(0))} threads for this process")
    yield Finding("memory", "ok", f"{memory.total / 2**30:.0f} GiB, {memory.available / 2**30:.0f} GiB free")
    yield Finding(
        "gpu", "ok" if has_cuda() else "note", "CUDA" if has_cuda() else "none that torch could use: CPU only"
    )


def packages() -> Iterator[Finding]:
    """Python and the packages everything stands on."""
    yield Finding("python", "ok", platform.python_version())
    for name in PACKAGES:
        try:
            yield Finding(name, "ok", metadata.version(name))
        except metadata.PackageNotFoundError:
            yield Finding(name, "problem", "not installed; pip install -e .")


def parts(paths: Paths) -> Iterator[Finding]:
    """params.yaml, and what its names become here."""
    if not paths.params.exists():
        yield Finding("params.yaml", "problem", f"none in {paths.root}; run this in a project")
        return
    try:
        params = load_params(paths.params)
        plugins = check_parts(params)
    except UserError as error:
        yield from (Finding("params.yaml", "problem", line) for line in str(error).splitlines())
        return
    yield Finding("params.yaml", "ok", "every key and name is known")
    for kind in default_registry.kinds.values():
        if kind.key is not None:
            yield _resolved(kind.name, str(at_path(params.model_dump(), kind.key)), params)
    for part in plugins:
        if default_registry.kinds[part.kind].key is None:
            yield _resolved(part.kind, part.name, params)


def planner(paths: Paths) -> Iterator[Finding]:
    """The trained planner, and whether this machine has what it was trained with."""
    record = paths.planner / "parts.json"
    if not record.exists():
        yield Finding("planner", "note", "not trained yet; make repro")
        return
    try:
        for resolution in parts_of_planner(json.loads(record.read_text(encoding="utf-8"))):
            yield _finding(f"planner {resolution.kind}", resolution)
    except UserError as error:
        yield Finding("planner", "problem", str(error))


def pipeline(paths: Paths) -> Iterator[Finding]:
    """DVC and the space it needs."""
    import shutil

    if not (paths.root / ".dvc").is_dir():
        yield Finding("pipeline", "problem", f"{paths.root} is no DVC repository; dvc init")
        return
    free = shutil.disk_usage(Path(paths.root)).free / 2**30
    yield Finding("pipeline", "ok" if free > 2 else "problem", f"DVC repository, {free:.0f} GiB free")


def _resolved(kind: str, name: str, params: Params) -> Finding:
    try:
        dtype = params.backbone.dtype if kind == "attention" else None
        return _finding(kind, resolve(kind, name, dtype=dtype, quiet=True))
    except UserError as error:
        return Finding(kind, "problem", str(error))


def _finding(topic: str, resolution: Resolution) -> Finding:
    if resolution.reason is None:
        text = (
            resolution.used if resolution.requested == resolution.used else f"{resolution.requested}: {resolution.used}"
        )
        return Finding(topic, "ok", text)
    return Finding(topic, "note", f"{resolution.requested} -> {resolution.used}: {resolution.reason}")
