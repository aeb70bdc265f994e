"""export-config-weights: every configuration's vector, as the rows of the planner's output head."""

import sys
from typing import Any

from tomas.runtime import StageRun, stage


@stage("export-config-weights", sections=())
def main(run: StageRun) -> dict[str, Any]:
    """Write assets/config_weights.pt."""
    from tomas.data.validated import load_catalogue
    from tomas.encoder.export import export_config_weights

    catalogue = load_catalogue(run.paths.validated)
    rows, hidden = export_config_weights(run.paths.encoder, catalogue, run.paths.config_weights)
    return {"configurations": rows, "hidden": hidden}


if __name__ == "__main__":
    sys.exit(main())
