"""Starting the server: where the planner is loaded."""

import threading

from tomas.planner import Planner
from tomas.serving.server import loaded


def test_the_thread_that_loads_the_planner_has_ended_with_its_openmp_workers(planner: Planner) -> None:
    threads = []

    def load() -> Planner:
        threads.append(threading.current_thread())
        return planner

    assert loaded(load) is planner
    assert threads[0] is not threading.main_thread()
    assert not threads[0].is_alive()
