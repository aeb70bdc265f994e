"""What a tool costs: a roofline for its GPU part, Amdahl's law for its host part, steps for memory.

Every formula and every parameter's origin (measured or assumed) is told in docs/data.md.
"""

from typing import NamedTuple

Levels = tuple[float, float, float]
BySize = tuple[Levels, Levels, Levels]


class Gpu(NamedTuple):
    """GPU time `(F^k + ((w0 + w1 x) / s^a)^k)^(1/k)` in ms for `x` units of input on the share `s` of the SMs."""

    floor_ms: Levels
    """Launch floor F of a small, medium and large input: no share of the SMs gets below it."""
    w0_ms: float
    w1_ms: float
    a: float
    k: float


class Host(NamedTuple):
    """Host time `(h0 + h1 x) ((1 - p) + p / min(c, c_sat)) + o x max(c - c_sat, 0)` in ms on `c` cores."""

    h0_ms: float
    h1_ms: float
    p: float
    c_sat: float
    o_ms: float


class Memory(NamedTuple):
    """Working set `base + slope x` in GB."""

    base_gb: float
    slope_gb: float

    def need(self, x: float) -> float:
        """The working set of an input of `x` units, in GB."""
        return self.base_gb + self.slope_gb * x


class ToolModel(NamedTuple):
    """One line of the table in profiles.py: how a tool behaves and at which resource levels it is profiled."""

    x: Levels
    gpu: Gpu
    host: Host
    gpu_memory: Memory
    host_memory: Memory
    cpu_cores: Levels
    host_gb: BySize
    gpu_sm: Levels
    gpu_gb: BySize
    noise: tuple[float, float]
    """Sigmas of the lognormal noise: of an operating point (cores, SM share), and of one measurement at it."""


TILE_COST = 0.08
PAGING_COST = 0.6


class CannotRun(ValueError):
    """The resources are below what the tool needs to run at all."""


def gpu_ms(model: ToolModel, size: int, gpu_sm: float, gpu_gb: float) -> float:
    """GPU time; below the working set it tiles (two tiles, 8 % each), below 0.75 of it it spills (x2 to x6)."""
    x, gpu = model.x[size], model.gpu
    work = (gpu.w0_ms + gpu.w1_ms * x) / (gpu_sm / 100) ** gpu.a
    whole = float((gpu.floor_ms[size] ** gpu.k + work**gpu.k) ** (1 / gpu.k))
    share = gpu_gb / model.gpu_memory.need(x)
    if share >= 1:
        return whole
    if share >= 0.75:
        return whole * (1 + 2 * TILE_COST) + gpu.floor_ms[size]
    if share >= 0.5:
        return whole * (2 + 4 * (0.75 - share) / 0.25)
    raise CannotRun(f"{gpu_gb:g} GB of GPU memory is below half of the working set")


def host_ms(model: ToolModel, size: int, cpu_cores: float, host_gb: float) -> float:
    """Host time; below the working set it pages (x1.6), below 0.6 of it the tool cannot run."""
    x, host = model.x[size], model.host
    serial = (host.h0_ms + host.h1_ms * x) * ((1 - host.p) + host.p / min(cpu_cores, host.c_sat))
    share = host_gb / model.host_memory.need(x)
    if share < 0.6:
        raise CannotRun(f"{host_gb:g} GB of memory is below 0.6 of the working set")
    return serial * (1 if share >= 1 else 1 + PAGING_COST) + host.o_ms * x * max(cpu_cores - host.c_sat, 0)
