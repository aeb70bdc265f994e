"""validate-data: check tools, profiles, requests and timelines; write all of them, or tell every mistake."""

import sys
from typing import Any

from tomas.data.timelines import capacity
from tomas.data.validate import validate
from tomas.runtime import StageRun, stage


@stage("validate-data", sections=("machine",))
def main(run: StageRun) -> dict[str, Any]:
    """Write data/validated."""
    report = validate(run.paths, capacity(run.params.machine), run.paths.validated)
    return {
        "profile_rows": report["profiles"]["rows"],
        "near_best_share": report["profiles"]["near_best_share"],
        "requests": report["requests"]["rows"],
        "timelines": report["timelines"]["timelines"],
    }


if __name__ == "__main__":
    sys.exit(main())
