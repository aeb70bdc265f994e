"""The measure of what HTTP costs runs, and under load no request is refused or lost."""

import json

import pytest
import torch

from benchmarks import http_load
from benchmarks.__main__ import NAMES


@pytest.mark.slow
def test_clients_at_once_get_an_answer_each(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    try:
        assert http_load.main(["--backbone", "tiny", "--quick"]) == 0
    finally:
        torch.set_num_threads(threads)
    found = json.loads(capsys.readouterr().out)
    assert found["benchmark"] in NAMES
    assert found["errors"] == 0
    assert found["plans"] > 50
    assert found["batch_mean"] > 2
