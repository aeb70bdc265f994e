"""`make bench`: every benchmark in a process of its own, one after another, into benchmarks/results.json.

`python -m benchmarks [--only NAME...] [--backbone NAME]`; with `--only` the figures of the others stay as they are, as
long as they are of the same machine and packages. `--quick` shows that everything runs, and writes only where `--out`
says. What each figure means stands in docs/performance.md.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from benchmarks.common import machine, rounded
from tomas.files import write_json

NAMES = (
    "plan_latency",
    "function_calling",
    "catalogue_scale",
    "train_throughput",
    "pretrain_throughput",
    "pipeline_overhead",
    "http_load",
)
RESULTS = Path(__file__).with_name("results.json")
BUSY = 10.0
"""Percent of the processors that others may use before a figure is not worth much."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run them, write the file, and give 1 where one has failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--backbone", metavar="NAME", help="another backbone than that of params.yaml")
    parser.add_argument("--quick", action="store_true", help="as little as shows that it runs")
    parser.add_argument("--out", type=Path, metavar="JSON", help=f"where the figures go (default {RESULTS.name})")
    options = parser.parse_args(argv)
    passed_on = ["--quick"] * options.quick + (["--backbone", options.backbone] if options.backbone else [])
    out = options.out or (None if options.quick else RESULTS)
    here, failed = machine(), []
    results = earlier(out, here)
    for name in options.only:
        found = run(name, passed_on)
        if found is None:
            failed.append(name)
            continue
        results[name] = found
        if out is not None:
            write_json(out, {"machine": here, "results": results})
    print(f"{len(options.only) - len(failed)} benchmarks ran" + (f", failed: {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


def earlier(out: Path | None, here: dict[str, Any]) -> dict[str, Any]:
    """Figures in the file that were measured on the same machine with the same packages."""
    if out is None or not out.is_file():
        return {}
    known = json.loads(out.read_text(encoding="utf-8"))
    return dict(known["results"]) if known["machine"] == here else {}


def run(name: str, options: Sequence[str]) -> dict[str, Any] | None:
    """One benchmark's figures, with when they were measured and how busy the machine was; None where it failed."""
    busy = psutil.cpu_percent(interval=1.0)
    if busy > BUSY:
        print(
            f"{name}: others use {busy:.0f} % of the processors; measure again when nothing else runs", file=sys.stderr
        )
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *options], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        return None
    print(f"{name}: {time.monotonic() - began:.0f} s\n{done.stdout}", flush=True)
    about = {"date": time.strftime("%Y-%m-%d"), "cpu_busy_before_percent": rounded(busy)}
    return {**about, **json.loads(done.stdout)}


if __name__ == "__main__":
    sys.exit(main())
