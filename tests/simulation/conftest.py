"""The planner with random heads of the serving tests."""

from tests.serving.conftest import planner, untrained

__all__ = ["planner", "untrained"]
