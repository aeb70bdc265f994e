"""Whether a part can work here, found out without importing it."""

import importlib.util
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from tomas.kernel.spec import PartSpec


def unavailable(part: PartSpec, dtype: str | None = None) -> str | None:
    """Why a part cannot work here, with what to do about it; None when it can."""
    missing = missing_modules(part)
    if missing:
        return f"{', '.join(missing)} is not installed; {part.install}"
    if part.device == "cuda" and not has_cuda():
        return "it needs a CUDA device and a CUDA build of torch"
    if dtype is not None and part.dtypes and dtype not in part.dtypes:
        return f"it computes in {' or '.join(part.dtypes)}, not in {dtype}"
    return None


def misfit(part: PartSpec, value_of: Callable[[str], object]) -> str | None:
    """Which key of params.yaml does not go with a part, and what it may say; None when all do."""
    for key, fitting in part.only_with:
        if (value := value_of(key)) not in fitting:
            wanted = f"it must be {' or '.join(fitting)}"
            return f"{key} is {value!r}; {wanted}" if fitting else f"not for {key}: {part.summary}"
    return None


def missing_modules(part: PartSpec) -> list[str]:
    """The modules a part needs that are not installed."""
    return [module for module in part.needs if importlib.util.find_spec(module) is None]


def has_cuda() -> bool:
    """Whether torch can compute on a GPU; torch is asked where it is loaded anyway, else its build and the driver."""
    if "torch" in sys.modules:
        return bool(sys.modules["torch"].cuda.is_available())
    try:
        build = metadata.version("torch")
    except metadata.PackageNotFoundError:
        return False
    return not build.endswith("+cpu") and Path("/dev/nvidiactl").exists()
