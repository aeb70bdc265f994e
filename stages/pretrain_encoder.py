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
    from tomas.kernel.fallback import parts_record, record_as_tags, resolve

    backbone = run.params.backbone
    attention = resolve("attention", backbone.attention, dtype=backbone.dtype, quiet=True)
    run.tracker.tags(record_as_tags(parts_record([attention])))
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
