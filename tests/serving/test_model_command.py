"""The registered model gives the very plans of the command line, loaded by its alias in a process of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

from tests.serving.cases import ordinary
from tests.serving.untrained import ROOT
from tomas.domain.request import Request
from tomas.planner import Planner

pytestmark = pytest.mark.slow

SCORE = """
import json, sys
import mlflow, pandas as pd
model = mlflow.pyfunc.load_model("models:/tomas-planner@champion")
table = pd.read_json(sys.argv[1], lines=True, dtype=False)
json.dump(model.predict(table), sys.stdout)
"""


def tomas(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tomas.cli", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, timeout=300)


def test_a_registered_planner_is_found_by_its_alias_and_plans_alike(
    untrained: Path, planner: Planner, tmp_path: Path
) -> None:
    (tmp_path / "params.yaml").write_text("")
    done = tomas(tmp_path, "model", "register", "--planner", str(untrained))
    assert "tomas-planner version 1:" in done.stdout, done.stderr
    again = tomas(tmp_path, "model", "register", "--planner", str(untrained), "--alias", "second")
    assert "version 2" in again.stdout
    bodies = ordinary(100)
    rows = [{**body, "input": json.dumps(body["input"])} if "input" in body else body for body in bodies]
    table = tmp_path / "requests.jsonl"
    pd.DataFrame(rows).to_json(table, orient="records", lines=True)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # mlflow starts uvicorn by its name
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    environment = {**os.environ, "PATH": path, "MLFLOW_TRACKING_URI": store, "OMP_NUM_THREADS": "1"}
    scored = subprocess.run(
        [sys.executable, "-c", SCORE, str(table)], capture_output=True, text=True, env=environment, timeout=300
    )
    assert scored.returncode == 0, scored.stderr
    expected = [json.loads(plan.to_json()) for plan in planner.plan_batch([Request.read(body) for body in bodies])]
    assert json.loads(scored.stdout) == expected
    few = planner.plan_batch([Request.read(body) for body in bodies[:10]])
    assert served(rows[:10], environment) == [json.loads(plan.to_json()) for plan in few]


def served(rows: list[dict[str, Any]], environment: dict[str, str]) -> Any:
    """What `mlflow models serve` answers for a table."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    model = ["-m", "models:/tomas-planner@champion", "--env-manager", "local", "-p", str(port), "--workers", "1"]
    command = [sys.executable, "-m", "mlflow", "models", "serve", *model]
    table = pd.DataFrame(rows).astype(object)
    content = {"dataframe_split": json.loads(table.to_json(orient="split", index=False))}
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet, start_new_session=True) as server:
        try:
            until = time.monotonic() + 120
            while True:
                try:
                    httpx.get(f"http://127.0.0.1:{port}/ping").raise_for_status()
                    break
                except httpx.HTTPError:
                    assert time.monotonic() < until, "it does not answer"
                    time.sleep(0.2)
            answer = httpx.post(f"http://127.0.0.1:{port}/invocations", json=content, timeout=60)
            return answer.raise_for_status().json()["predictions"]
        finally:
            os.killpg(server.pid, signal.SIGKILL)


def test_a_name_mlflow_does_not_take_is_one_line(untrained: Path, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("")
    done = tomas(tmp_path, "model", "register", "--planner", str(untrained), "--alias", "not a name!")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("tomas: MLflow refuses")


def test_without_a_planner_nothing_is_registered(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("")
    done = tomas(tmp_path, "model", "register")
    assert done.returncode == 1
    assert "make repro" in done.stderr
    assert not (tmp_path / "mlflow.db").exists()
