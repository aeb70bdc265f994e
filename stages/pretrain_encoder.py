"""pretrain-encoder: Phase 0, the resource encoder learns to let the frozen language model say its rows in words."""

import sys
from typing import Any

from tomas.runtime import StageRun, stage

SECTIONS = ("seed", "backbone", "encoder")


@stage("pretrain-encoder", SECTIONS, metrics="pretrain_encoder")
def main(run: StageRun) -> dict[str, Any]:
    """Write assets/pretrained_encoder.pt and its learning curve."""
    from tomas.data.validated import load_catalogue
    from tomas.encoder.pretrain import pretrain_encoder

    return pretrain_encoder(
        run.params,
        load_catalogue(run.paths.validated),
        target=run.paths.encoder,
        curve=run.paths.plots / "pretrain.csv",
        checkpoints=run.checkpoints,
        tracker=run.tracker,
    )


if __name__ == "__main__":
    sys.exit(main())
