"""Where do the latency model's parameters lie among measured ones? Fits public tables and prints them beside ours.

Run as `python benchmarks/calibrate_profiles.py --external FOLDER`, where FOLDER holds `profiles/*.csv` (ParvaGPU on
A100 slices, GPU sharing by nos, tool costs by OpenCATP, whisper.cpp and faster-whisper). Prints one JSON object. The
numbers are quoted in docs/data.md; the external files are only read.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import least_squares

from tomas.data.profiles import MODELS

A100_SLICES = 7
LARGEST_BATCH = 64
TOKENS_PER_WINDOW = 100
"""Words spoken in 30 s, as decoder tokens."""


def main(argv: Sequence[str] | None = None) -> int:
    """Fit and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--external", type=Path, required=True, help="folder with profiles/*.csv that were measured")
    folder = parser.parse_args(argv).external / "profiles"
    if not folder.is_dir():
        print(json.dumps({"skipped": f"{folder} is not there"}))
        return 0
    result = {
        "parvagpu_roofline": rooflines(pd.read_csv(folder / "parvagpu_a100_mig.csv")),
        "nos_sharing_exponent": sharing_exponent(pd.read_csv(folder / "nos_yolos_small_a100_sharing.csv")),
        "opencatp_per_call": per_call(pd.read_csv(folder / "opencatp_measured_tool_costs.csv")),
        "whisper_per_window_ms": whisper(pd.read_csv(folder / "whisper_cpp_bench.csv")),
        "faster_whisper_memory_gb": memory(pd.read_csv(folder / "faster_whisper_readme.csv")),
        "ours": {name: {"gpu": model.gpu._asdict(), "host": model.host._asdict()} for name, model in MODELS.items()},
    }
    print(json.dumps(result, indent=2))
    return 0


def rooflines(rows: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Floor, work, exponent and sharpness of `(F^k + ((w0 + w1 x) / s^a)^k)^(1/k)` for each model alone on a slice."""
    alone = rows[(rows["n_mps_proc"] == 1) & rows["fits"] & (rows["batch"] <= LARGEST_BATCH)]
    return {str(model): _roofline(group) for model, group in alone.groupby("model")}


def _roofline(group: pd.DataFrame) -> dict[str, float]:
    share, batch = group["mig_gpc"].to_numpy() / A100_SLICES, group["batch"].to_numpy()
    measured = np.log(group["latency_s"].to_numpy() * 1000)

    def misses(point: Any) -> Any:
        (floor, w0, w1), (a, k) = np.exp(point[:3]), point[3:]
        return np.log((floor**k + ((w0 + w1 * batch) / share**a) ** k) ** (1 / k)) - measured

    bounds = ([-2, -6, -6, 0.1, 1.5], [6, 4, 4, 1.3, 6])
    found = least_squares(misses, [2, 0, -1, 0.9, 2], bounds=bounds)
    floor, w0, w1 = np.exp(found.x[:3])
    names = ("floor_ms", "w0_ms", "w1_ms", "a", "k", "rmse_log")
    values = (floor, w0, w1, *found.x[3:], np.sqrt(np.mean(found.fun**2)))
    return {name: round(float(value), 3) for name, value in zip(names, values, strict=True)}


def sharing_exponent(rows: pd.DataFrame) -> float:
    """How a detector slows down on one of seven slices: the exponent a of s^-a."""
    alone = rows[rows["pods_on_gpu"] == 1].set_index("sharing")["latency_s"]
    return round(float(np.log(alone["mig_1g10gb"] / alone["mps"]) / np.log(A100_SLICES)), 3)


def per_call(rows: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Median time and GPU memory of one call of each tool."""
    return {
        str(tool): {
            "ms": round(float(group["exec_time"].median()), 1),
            "gpu_gb": round(float(group["gpu_short_term_mem"].median()) / 1024, 2),
        }
        for tool, group in rows.groupby("tool")
    }


def whisper(rows: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Encoding and batched decoding of a window of 30 s on a V100: the part that scales with SMs, and the floor."""
    of_gpu = rows[(rows["device"] == "V100") & (rows["flash_attn"] == 1)].set_index("model")
    return {
        str(model): {
            "encode": round(float(row["enc_ms"]), 1),
            "decode": round(float(row["batch5_ms_per_tok"]) * TOKENS_PER_WINDOW, 1),
        }
        for model, row in of_gpu.iterrows()
    }


def memory(rows: pd.DataFrame) -> dict[str, float]:
    """GPU memory of a large speech model, one window and eight at a time."""
    of_gpu = rows[rows["device"].str.startswith("gpu") & (rows["implementation"] == "faster-whisper")]
    fp16 = of_gpu[of_gpu["precision"] == "fp16"].set_index("batch")["mem_mb"] / 1024
    return {f"batch {batch}": round(float(gb), 2) for batch, gb in fp16.items()}


if __name__ == "__main__":
    sys.exit(main())
