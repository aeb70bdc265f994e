"""Phase 3: words and a timeline become a tool, a configuration and a plan."""

from tomas.planner.planner import Planner

__all__ = ["Planner"]
