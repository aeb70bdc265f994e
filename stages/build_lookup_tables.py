"""build-lookup-tables: what turns a Config ID back into a plan's resources, and which IDs belong to which tool."""

import sys
from typing import Any

from tomas.data.validated import load_catalogue
from tomas.files import write_json
from tomas.runtime import StageRun, stage


@stage("build-lookup-tables", sections=())
def main(run: StageRun) -> dict[str, Any]:
    """Write assets/config_lookup.json and assets/tool_mask_map.json."""
    catalogue = load_catalogue(run.paths.validated)
    write_json(run.paths.config_lookup, catalogue.to_lookup())
    write_json(run.paths.tool_mask_map, catalogue.to_mask_map())
    return {"tools": len(catalogue.tools), "configurations": len(catalogue)}


if __name__ == "__main__":
    sys.exit(main())
