"""label-requests: put every request before machines of its time scale and let the oracle label the example."""

import sys
from typing import Any

from tomas.data.labelling import label, statistics
from tomas.data.timelines import capacity
from tomas.data.validated import load_catalogue, load_requests, load_timelines
from tomas.files import whole
from tomas.runtime import StageRun, stage


@stage("label-requests", sections=("seed", "machine", "labelling"), metrics="label_requests")
def main(run: StageRun) -> dict[str, Any]:
    """Write data/labelled/{train,val,test}.parquet."""
    validated, params = run.paths.validated, run.params
    examples = label(
        params.seed,
        load_requests(validated),
        load_timelines(validated),
        load_catalogue(validated),
        capacity(params.machine),
        params.labelling,
    )
    with whole(run.paths.labelled) as partial:
        partial.mkdir()
        for split, frame in examples.items():
            frame.to_parquet(partial / f"{split}.parquet", index=False)
    return statistics(examples)


if __name__ == "__main__":
    sys.exit(main())
