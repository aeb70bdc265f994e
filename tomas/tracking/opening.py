"""Opening the record of a stage in the store that params.yaml names."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from tomas.config import Params
from tomas.registry import load
from tomas.tracking.base import RunInfo, Tracker
from tomas.tracking.guard import guarded
from tomas.tracking.provenance import gather


def open_run(
    stage: str, params: Params, root: Path, inputs: Mapping[str, str] | None = None
) -> AbstractContextManager[Tracker]:
    """The record of one stage, closed when the block ends; `inputs` are digests of what the stage reads."""
    tags = gather(root) | {f"input.{name}": digest for name, digest in (inputs or {}).items()}
    return guarded(load("tracker", params.tracker), RunInfo(stage, root, params.model_dump(mode="json"), tags))
