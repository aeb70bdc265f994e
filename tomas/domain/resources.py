"""The four resources and three input sizes everything is measured in."""

from typing import Literal, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from tomas.config import Machine

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

T = TypeVar("T", bound=np.generic)

Size = Literal["small", "medium", "large"]
SIZES: tuple[Size, ...] = get_args(Size)

RESOURCES = ("cpu_core", "cpu_mem_gb", "gpu_sm", "gpu_mem_gb")
TIMELINE_COLUMNS = ("time_ms", "cpu_cores", "cpu_mem_gb", "gpu_sm", "gpu_mem_gb")
# how a person reads an amount of each resource, in the order of RESOURCES; gpu_sm is a percentage of the GPU's SMs
RESOURCE_WORDS = ("{:g} CPU cores", "{:g} GB of memory", "{:g} % of the GPU's SMs", "{:g} GB of GPU memory")
MAX_GPU_SM = 100.0


def capacity_of(machine: Machine) -> Floats:
    """Give what the machine of params.yaml has of each resource, in the order of RESOURCES."""
    return frozen(np.array([machine.cpu_cores, machine.cpu_mem_gb, machine.gpu_sm, machine.gpu_mem_gb]))


def frozen(array: NDArray[T]) -> NDArray[T]:
    """Give the array with writing switched off, so that it can be shared."""
    array.setflags(write=False)
    return array


def plain(number: float) -> int | float:
    """Give a whole number as an int, so that JSON shows 4 and not 4.0."""
    value = float(number)
    return int(value) if value.is_integer() else value
