"""The pages of the store, as `make ui` serves them."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from argparse import Namespace
from pathlib import Path

import psutil
import pytest

from tomas.commands.tracking import run
from tomas.errors import UsageError


@pytest.mark.slow
def test_the_pages_are_served_from_the_repositorys_own_store_by_few_processes(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("seed: 0\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    command = [sys.executable, "-m", "tomas.cli", "tracking", "ui", "--port", str(port)]
    null = subprocess.DEVNULL
    server = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=null, stderr=null)
    try:
        assert "experiments" in fetched(f"http://127.0.0.1:{port}/ajax-api/2.0/mlflow/experiments/search?max_results=5")
        assert "<title>MLflow</title>" in fetched(f"http://127.0.0.1:{port}/")
        assert (tmp_path / "mlflow.db").exists()
        assert len(psutil.Process(server.pid).children(recursive=True)) <= 2
    finally:
        for process in psutil.Process(server.pid).children(recursive=True):
            process.terminate()
        server.terminate()
        server.wait(30)


def fetched(url: str, seconds: float = 120) -> str:
    """What a server answers once it is up."""
    end = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return str(answer.read().decode())
        except (urllib.error.URLError, ConnectionError):
            assert time.monotonic() < end, "no answer"
            time.sleep(0.2)


def test_a_tracking_server_shows_its_own_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(UsageError, match=r"127\.0\.0\.1:9"):
        run(Namespace(action="ui", port=5000))
