"""MIG: the slices NVIDIA's data-centre GPUs can be cut into."""

from dataclasses import dataclass

from tomas.domain.plan import ResourceConfig
from tomas.errors import UsageError, UserError
from tomas.registry import suggestion


@dataclass(frozen=True)
class Slice:
    """One MIG profile: its share of the SMs in percent, and its memory."""

    name: str
    sm: float
    mem_gb: float


def _slices(parts: int, *profiles: tuple[int, int]) -> tuple[Slice, ...]:
    """Profiles as (parts of the SMs, GB), in ascending order of what they take from others."""
    return tuple(Slice(f"{share}g.{mem_gb}gb", 100 * share / parts, mem_gb) for share, mem_gb in profiles)


# Fractions of SMs as the MIG user guide gives them, in seventh or quarter parts of the GPU.
GPUS = {
    "a30-24gb": _slices(4, (1, 6), (2, 12), (4, 24)),
    "a100-40gb": _slices(7, (1, 5), (1, 10), (2, 10), (3, 20), (4, 20), (7, 40)),
    "a100-80gb": _slices(7, (1, 10), (1, 20), (2, 20), (3, 40), (4, 40), (7, 80)),
    "h100-80gb": _slices(7, (1, 10), (1, 20), (2, 20), (3, 40), (4, 40), (7, 80)),
    "h200-141gb": _slices(7, (1, 18), (1, 35), (2, 35), (3, 71), (4, 71), (7, 141)),
}


def smallest_slice(gpu: str, resources: ResourceConfig) -> Slice:
    """The first slice of the GPU that covers the plan's SMs and memory."""
    if gpu not in GPUS:
        raise UsageError(f"Unknown way to share a GPU {gpu!r}.{suggestion(gpu, ['hami', *GPUS])}")
    for candidate in GPUS[gpu]:
        if candidate.sm >= resources.gpu_sm and candidate.mem_gb >= resources.gpu_mem_gb:
            return candidate
    raise UserError(
        f"No MIG slice of {gpu} has {resources.gpu_sm:g} % of the SMs and {resources.gpu_mem_gb:g} GB; "
        f"the largest has {GPUS[gpu][-1].mem_gb:g} GB."
    )
