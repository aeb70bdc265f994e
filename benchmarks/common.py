"""What every benchmark shares: its options, a clock on which ways of doing the same thing take turns, the machine."""

import argparse
import gc
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from tomas.config import Params, load_params
from tomas.paths import project
from tomas.runtime.process import available_cores, set_threads

Seconds = dict[str, list[float]]
LONG_S = 1.0
"""Calls longer than this may leave much behind; collecting after short ones would only cool the caches."""
PACKAGES = ("torch", "transformers", "peft", "accelerate", "numpy", "dvc", "mlflow")


def read_options(description: str | None, argv: Sequence[str] | None) -> argparse.Namespace:
    """The options that every benchmark has; the thread count is set before anything heavy is loaded."""
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument("--backbone", metavar="NAME", help="another backbone than that of params.yaml")
    parser.add_argument(
        "--quick", action="store_true", help="as little as shows that it runs; the figures mean nothing"
    )
    options = parser.parse_args(argv)
    set_threads(parameters(options).backbone.threads)
    return options


def parameters(options: argparse.Namespace) -> Params:
    """params.yaml, with another backbone where one is asked for."""
    params = load_params(project().params)
    if options.backbone is None:
        return params
    numbers = {"dtype": "float32"} if options.backbone == "tiny" else {}
    backbone = params.backbone.model_copy(update={"name": options.backbone, **numbers})
    return params.model_copy(update={"backbone": backbone})


def take_turns(ways: Mapping[str, Callable[[], object]], rounds: int, *, warm_up: bool = True) -> Seconds:
    """Seconds of every call: a first one of each does not count, then they alternate, and so does who begins."""
    seconds: Seconds = {name: [] for name in ways}
    gc.disable()  # as timeit does: one way shall not pay for what another has left behind
    try:
        for way in ways.values() if warm_up else ():
            _timed(way)
        for number in range(rounds):
            for name in list(ways) if number % 2 == 0 else reversed(list(ways)):
                seconds[name].append(_timed(ways[name]))
    finally:
        gc.enable()
    return seconds


def _timed(way: Callable[[], object]) -> float:
    _wait_for_device()
    began = time.perf_counter()
    way()
    _wait_for_device()
    seconds = time.perf_counter() - began
    if seconds > LONG_S:
        gc.collect()
    return seconds


def _wait_for_device() -> None:
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.synchronize()


def medians_ms(seconds: Seconds) -> dict[str, float]:
    """Median time of each way in ms."""
    return {name: rounded(statistics.median(values) * 1000) for name, values in seconds.items()}


def rates(seconds: Seconds, count: float) -> dict[str, float]:
    """Median throughput of each way, where a call works off `count` things."""
    return {name: rounded(count / statistics.median(values)) for name, values in seconds.items()}


def ratio(seconds: Seconds, slower: str, faster: str) -> float:
    """Median over the rounds of one way's time as a multiple of another's in the same round."""
    pairs = zip(seconds[slower], seconds[faster], strict=True)
    return rounded(statistics.median(a / b for a, b in pairs))


def rounded(number: float) -> float:
    """Four significant digits, as much as a clock is good for."""
    return float(f"{number:.4g}")


def report(name: str, options: argparse.Namespace, params: Params, figures: Mapping[str, Any]) -> int:
    """Print the one JSON object of a benchmark."""
    about = {
        "benchmark": name,
        "quick": options.quick,
        "backbone": params.backbone.name,
        "dtype": params.backbone.dtype,
        "threads": int(os.environ["OMP_NUM_THREADS"]),
    }
    print(json.dumps({**about, **figures}, indent=2), flush=True)
    return 0


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    import torch

    return {
        "cpu": _cpu_name(),
        "cpu_features": torch.backends.cpu.get_cpu_capability(),
        "cores": available_cores(),
        "memory_gb": rounded(psutil.virtual_memory().total / 1e9),
        "gpus": [torch.cuda.get_device_name(place) for place in range(torch.cuda.device_count())],
        "system": platform.platform(terse=True),
        "python": ".".join(platform.python_version_tuple()[:2]),
        "packages": {name: version(name) for name in PACKAGES},
    }


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table; the first row is its head."""
    head, *rest = rows
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rest))


def over_seeds(values: Sequence[float], digits: int) -> str:
    """Mean and standard deviation of a sample; a dash where nothing was measured."""
    if not values:
        return "-"
    spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.{digits}f}{spread}"
