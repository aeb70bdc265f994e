"""Runs in an MLflow store. The only package that imports mlflow, and late: it takes a second."""

from tomas.tracking.mlflow.runs import open_mlflow

__all__ = ["open_mlflow"]
