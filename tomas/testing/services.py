"""What parts that answer or record must keep to."""

import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tomas.domain.latency import PlanningCase
from tomas.tracking.base import RunInfo
from tomas.tracking.provenance import gather


def check_latency(factory: Any, _options: Any) -> None:
    """A predictor gives a finite time above zero for any case, and takes measurements without complaint."""
    predictor = factory()
    for case in (PlanningCase(0), PlanningCase(20_000, tool="nobody's", size="large", has_gpu=True)):
        for elapsed_ms in (1.0, 80.0, 4000.0):
            predicted = predictor.predict(case)
            assert 0.0 < predicted < math.inf, f"predicted {predicted} ms for {case}"
            predictor.observe(case, elapsed_ms)


def check_tracker(factory: Any, _options: Any) -> None:
    """A tracker takes everything a stage records, in any order, and closes."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "file.txt").write_text("x", encoding="utf-8")
        info = RunInfo("conformance", root, {"seed": 0, "encoder": {"lr": 0.1}}, gather(root))
        with factory(info) as tracker:
            tracker.params({"encoder": {"lr": 0.1}, "plugins": []})
            tracker.metrics({"loss": 1.5}, step=1)
            tracker.metrics({"loss": 0.5}, 2)
            tracker.metrics({"accuracy": 0.9})
            tracker.tags({"part.attention.used": "sdpa"})
            tracker.artifact(root / "file.txt")
            tracker.summary({"accuracy": 0.9, "baselines": {"oracle": {"accuracy": 1.0}}})
