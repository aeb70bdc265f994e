"""Generates data/profiling/profiling.csv: seven tools, three input sizes, three levels of each resource."""

import csv
import io
import itertools
from typing import NamedTuple

import numpy as np

from tomas.data.latency_model import Gpu, Host, Memory, ToolModel, gpu_ms, host_ms
from tomas.domain.catalogue import ROW_COLUMNS
from tomas.domain.resources import SIZES

# Units of x: images, tokens, input megapixels, sentences, windows of 30 s, images, denoising steps.
MODELS: dict[str, ToolModel] = {
    "image_classification": ToolModel(
        x=(1, 8, 32),
        gpu=Gpu(floor_ms=(5, 5, 5), w0_ms=0.4, w1_ms=0.375, a=0.95, k=6),
        host=Host(h0_ms=34, h1_ms=13.5, p=0.70, c_sat=8, o_ms=0.25),
        gpu_memory=Memory(1.2, 0.13),
        host_memory=Memory(1.6, 0.05),
        cpu_cores=(4, 8, 12),
        host_gb=((2, 3, 4), (2, 3, 4), (2, 4, 6)),
        gpu_sm=(20, 50, 70),
        gpu_gb=((1.5, 2, 3), (3, 4, 6), (6, 8, 10)),
        noise=(0.030, 0.004),
    ),
    "text_summarization": ToolModel(
        x=(530, 1530, 4000),
        gpu=Gpu(floor_ms=(900, 1600, 2600), w0_ms=60, w1_ms=0.25, a=0.50, k=3),
        host=Host(h0_ms=40, h1_ms=0.02, p=0.60, c_sat=4, o_ms=0.015),
        gpu_memory=Memory(3.0, 0.0005),
        host_memory=Memory(2.8, 0.0002),
        cpu_cores=(2, 4, 8),
        host_gb=((3, 4, 8), (3, 4, 8), (3, 4, 8)),
        gpu_sm=(20, 50, 70),
        gpu_gb=((4, 5, 6), (4, 5, 6), (4, 6, 8)),
        noise=(0.030, 0.004),
    ),
    "super_resolution": ToolModel(
        x=(0.25, 1, 2.5),
        gpu=Gpu(floor_ms=(40, 40, 40), w0_ms=0, w1_ms=5200, a=0.97, k=3),
        host=Host(h0_ms=20, h1_ms=60, p=0.80, c_sat=8, o_ms=0),
        gpu_memory=Memory(1.0, 3.8),
        host_memory=Memory(2.0, 1.2),
        cpu_cores=(2, 4, 8),
        host_gb=((3, 4, 8), (4, 6, 8), (4, 6, 12)),
        gpu_sm=(25, 50, 60),
        gpu_gb=((1.5, 2, 4), (5, 6, 8), (11, 12, 14)),
        noise=(0.030, 0.004),
    ),
    "machine_translation": ToolModel(
        x=(1, 4, 16),
        gpu=Gpu(floor_ms=(150, 170, 230), w0_ms=0, w1_ms=10, a=0.45, k=3),
        host=Host(h0_ms=300, h1_ms=90, p=0.92, c_sat=8, o_ms=1.5),
        gpu_memory=Memory(1.0, 0.06),
        host_memory=Memory(1.9, 0.05),
        cpu_cores=(4, 8, 12),
        host_gb=((2, 3, 6), (3, 4, 6), (3, 4, 6)),
        gpu_sm=(20, 40, 60),
        gpu_gb=((1.5, 2, 3), (2, 3, 4), (3, 4, 6)),
        noise=(0.030, 0.004),
    ),
    "speech_recognition": ToolModel(
        x=(1, 4, 20),
        gpu=Gpu(floor_ms=(450, 1200, 5200), w0_ms=0, w1_ms=90, a=0.63, k=3),
        host=Host(h0_ms=15, h1_ms=20, p=0.75, c_sat=8, o_ms=5),
        gpu_memory=Memory(3.8, 0.15),
        host_memory=Memory(1.9, 0.05),
        cpu_cores=(4, 8, 12),
        host_gb=((3, 4, 6), (3, 4, 6), (4, 6, 8)),
        gpu_sm=(20, 40, 70),
        gpu_gb=((4, 5, 8), (5, 6, 8), (7, 8, 10)),
        noise=(0.030, 0.004),
    ),
    "object_detection": ToolModel(
        x=(1, 8, 32),
        gpu=Gpu(floor_ms=(12, 12, 12), w0_ms=1, w1_ms=2, a=0.70, k=3),
        host=Host(h0_ms=87, h1_ms=47, p=0.55, c_sat=4, o_ms=1.0),
        gpu_memory=Memory(1.2, 0.15),
        host_memory=Memory(1.8, 0.08),
        cpu_cores=(3, 6, 9),
        host_gb=((2, 3, 4), (3, 4, 6), (4, 6, 8)),
        gpu_sm=(20, 50, 80),
        gpu_gb=((1.5, 2, 3), (3, 4, 6), (6, 8, 10)),
        noise=(0.030, 0.004),
    ),
    "text_to_image": ToolModel(
        x=(20, 30, 50),
        gpu=Gpu(floor_ms=(300, 300, 300), w0_ms=0, w1_ms=350, a=1.0, k=3),
        host=Host(h0_ms=400, h1_ms=20, p=0.50, c_sat=8, o_ms=0),
        gpu_memory=Memory(7.0, 0.05),
        host_memory=Memory(7.0, 0.02),
        cpu_cores=(2, 4, 8),
        host_gb=((8, 10, 16), (8, 10, 16), (8, 12, 16)),
        gpu_sm=(25, 55, 60),
        gpu_gb=((6, 8, 12), (9, 10, 12), (10, 12, 14)),
        noise=(0.030, 0.004),
    ),
}


class Anchor(NamedTuple):
    """A row that is known: its tool's whole curve is scaled by the one factor that makes this row exact."""

    tool: str
    size: int
    levels: tuple[float, float, float, float]
    latency_ms: float


ANCHOR = Anchor("super_resolution", 0, (4, 4, 50, 2), 5800)


def significant(value: float) -> str:
    """The number with three significant digits and nothing superfluous: `5800`, `84.2`, `1.5`."""
    return f"{float(f'{value:.3g}'):g}"


def make_profiles(seed: int) -> str:
    """The profiling table as CSV text; the same seed gives the same bytes."""
    rng = np.random.default_rng(seed)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(ROW_COLUMNS)
    for tool, model in MODELS.items():
        scale = _anchor_scale(model) if tool == ANCHOR.tool else 1.0
        for size, name in enumerate(SIZES):
            point = {key: rng.lognormal(0, model.noise[0]) for key in itertools.product(model.cpu_cores, model.gpu_sm)}
            for levels in _levels(model, size):
                noise = float(point[levels[0], levels[2]] * rng.lognormal(0, model.noise[1]))
                noisy = scale * _latency_ms(model, size, levels) * noise
                known = (tool, size, levels) == ANCHOR[:3]
                latency = ANCHOR.latency_ms if known else noisy
                writer.writerow((tool, name, *(f"{level:g}" for level in levels), significant(latency)))
    return buffer.getvalue()


def _levels(model: ToolModel, size: int) -> list[tuple[float, float, float, float]]:
    return list(itertools.product(model.cpu_cores, model.host_gb[size], model.gpu_sm, model.gpu_gb[size]))


def _latency_ms(model: ToolModel, size: int, levels: tuple[float, float, float, float]) -> float:
    cpu_cores, host_gb, gpu_sm, gpu_gb = levels
    return gpu_ms(model, size, gpu_sm, gpu_gb) + host_ms(model, size, cpu_cores, host_gb)


def _anchor_scale(model: ToolModel) -> float:
    return ANCHOR.latency_ms / _latency_ms(model, ANCHOR.size, ANCHOR.levels)
