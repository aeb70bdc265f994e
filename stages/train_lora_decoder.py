"""train-lora-decoder: Phase 3, the backbone learns to emit a Tool ID and a Config ID for a request and a timeline."""

import sys
from typing import Any

from tomas.runtime import StageRun, stage

SECTIONS = (
    *("seed", "machine", "backbone", "data", "t_inf", "temporal", "reading", "lora", "decoder", "training"),
    *("plugins", "tva", "moe", "bistate", "schedules", "options"),
)


@stage("train-lora-decoder", SECTIONS, metrics="train_planner")
def main(run: StageRun) -> dict[str, Any]:
    """Write assets/planner and its learning curve."""
    from tomas.data.validated import load_catalogue, load_timelines
    from tomas.kernel.fallback import record_as_tags
    from tomas.planner.artifact import read_parts
    from tomas.planner.train import train_planner

    metrics = train_planner(
        run.params,
        load_catalogue(run.paths.validated),
        load_timelines(run.paths.validated),
        run.paths.labelled,
        run.paths.config_weights,
        target=run.paths.planner,
        curve=run.paths.plots / "train.csv",
        checkpoints=run.checkpoints,
        cache=run.cache,
        tracker=run.tracker,
    )
    run.tracker.tags(record_as_tags(read_parts(run.paths.planner)))
    run.tracker.planner(run.paths.planner)
    return metrics


if __name__ == "__main__":
    sys.exit(main())
