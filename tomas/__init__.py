"""TOMAS plans which tool serves a request and with which resources it should run."""

from typing import TYPE_CHECKING, Any

from tomas.version import __version__

if TYPE_CHECKING:
    from tomas.planner import Planner

__all__ = ["Planner", "__version__"]


def __getattr__(name: str) -> Any:
    """Give `tomas.Planner` on first use, so that `import tomas` loads neither torch nor transformers."""
    if name == "Planner":
        from tomas.planner import Planner

        return Planner
    raise AttributeError(f"module 'tomas' has no attribute {name!r}")
