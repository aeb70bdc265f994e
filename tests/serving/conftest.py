"""A planner with random heads, and a server that answers with it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import torch

from tests.serving.untrained import write_untrained
from tomas.planner import Planner


@pytest.fixture(scope="session")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_untrained(tmp_path_factory.mktemp("planner") / "planner")


@pytest.fixture(scope="session")
def planner(untrained: Path) -> Iterator[Planner]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield Planner.load(untrained)
    torch.set_num_threads(threads)


@contextmanager
def running(untrained: Path, *options: str, token: str = "") -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`tomas serve` as a process of its own, and its address."""
    command = [sys.executable, "-m", "tomas.cli", "serve", "--planner", str(untrained), "--port", "0", *options]
    # Two processes with a thread for every core each get in each other's way.
    environment = {**os.environ, "TOMAS_TOKEN": token, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stderr is not None
            line = next((line for line in process.stderr if "answers on" in line), "")
            assert line, "the server did not start"
            yield process, line.split()[-1]
        finally:
            process.kill()


@pytest.fixture(scope="session")
def server(untrained: Path) -> Iterator[str]:
    with running(untrained) as (_, address):
        yield address


@pytest.fixture(scope="session")
def client(server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server, timeout=60) as client:
        yield client
