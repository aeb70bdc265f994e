"""Runs stages of the pipeline one after another in one process that has loaded everything: nothing but their work.

`python -m benchmarks.bare_stages NAME...` in a project prints the seconds of each stage as one JSON object. There is no
DVC around the stages and no record of them; what they write is the same.
"""

import importlib
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tomas.config import Params, load_params, narrowed
from tomas.paths import project
from tomas.runtime.process import set_threads
from tomas.runtime.stage import Stage, StageRun
from tomas.tracking.none import NoTracker

LIBRARIES = (
    *("tomas.data.validate", "tomas.data.labelling", "tomas.encoder.pretrain", "tomas.encoder.export"),
    *("tomas.planner.train", "tomas.evaluation.evaluate", "tomas.evaluation.plots", "tomas.evaluation.report"),
    *("tomas.evaluation.tool_baseline", "peft"),
)
"""What the stages import when they are called."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the stages and print their seconds."""
    names = list(sys.argv[1:] if argv is None else argv)
    params = load_params(project().params)
    set_threads(params.backbone.threads)
    warm_up(params)
    print(json.dumps({name: run(name, params) for name in names}))
    return 0


def warm_up(params: Params) -> None:
    """Load the libraries and, once for nothing, the backbone with an adapter: that loads the model's own code."""
    for library in LIBRARIES:
        importlib.import_module(library)
    from tomas.backbone.loading import load_backbone
    from tomas.backbone.lora import add_lora

    add_lora(load_backbone(params.backbone), params.lora)


def run(name: str, params: Params) -> float:
    """Seconds that a stage's own function takes."""
    stage: Stage = importlib.import_module(f"stages.{name.replace('-', '_')}").main
    work = Path(".tomas")
    visible = narrowed(params, stage.sections)
    began = time.perf_counter()
    stage.function(StageRun(visible, project(), NoTracker(), work / "checkpoints" / name, work / "cache"))
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
