"""A stage of the tests' own small project: writes an output, and can be told to be slow."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from tomas.files import whole
from tomas.runtime import StageRun, stage

SECTIONS = ("seed", "encoder")


@stage("toy", SECTIONS, metrics="toy")
def main(run: StageRun) -> dict[str, Any]:
    """Count to the number in `steps.txt`, a checkpoint a step, and write where counting began."""
    steps = int(Path("steps.txt").read_text())
    run.checkpoints.mkdir(parents=True, exist_ok=True)
    state = run.checkpoints / "state.json"
    first = json.loads(state.read_text()) if state.exists() else 0
    for step in range(first, steps):
        run.tracker.metrics({"count": float(step)}, step)
        time.sleep(float(os.environ.get("TOY_SECONDS_A_STEP", "0")))
        with whole(state) as partial:
            partial.write_text(json.dumps(step + 1))
    with whole(run.paths.assets / "toy.txt") as partial:
        partial.write_text(f"{run.params.seed} {run.params.encoder.lr} {steps}\n")
    return {"score": run.params.encoder.lr * 2, "nested": {"steps": steps}}


if __name__ == "__main__":
    sys.exit(main())
