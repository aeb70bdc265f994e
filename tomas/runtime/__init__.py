"""The common main of every stage of the pipeline."""

from tomas.runtime.stage import StageRun, stage

__all__ = ["StageRun", "stage"]
