"""The database runs are kept in, and finding runs in it."""

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

EXPERIMENT = "tomas"
SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # The defaults let a training wait minutes for a server that is not there.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}


def store_uri(root: Path) -> str:
    """Where runs are kept: MLFLOW_TRACKING_URI, else a database in the repository."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root / 'mlflow.db'}"


def open_store(root: Path) -> "tuple[MlflowClient, str]":
    """A client and the id of TOMAS's experiment, both made on first use."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    uri = store_uri(root)
    if uri == f"sqlite:///{root / 'mlflow.db'}":
        _create_database(root)
    client = MlflowClient(uri)
    return client, _experiment(client)


def search(client: "MlflowClient", experiment: str, filter_string: str) -> "list[Run]":
    """Every run that passes the filter."""
    found: list[Run] = []
    token: str | None = None
    while True:
        page = client.search_runs([experiment], filter_string, page_token=token)
        found.extend(page)
        token = page.token
        if not token:
            return found


def _create_database(root: Path) -> None:
    """Make the database under a lock and another name: processes that meet in a fresh one break it, some for good."""
    target = root / "mlflow.db"
    if target.exists():
        return
    (root / ".tomas").mkdir(exist_ok=True)
    with FileLock(root / ".tomas" / "mlflow.lock"):
        if target.exists():
            return
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        partial = root / ".tomas" / "mlflow.db"
        partial.unlink(missing_ok=True)
        artifacts = root / "mlartifacts"
        store = SqlAlchemyStore(f"sqlite:///{partial}", artifacts.as_uri())
        # Stages of an experiment run in a copy that DVC deletes: the place of artifacts must not depend on it.
        store.create_experiment(EXPERIMENT, (artifacts / EXPERIMENT).as_uri())
        store._dispose_engine()
        partial.replace(target)


def _experiment(client: "MlflowClient") -> str:
    """The id of TOMAS's experiment; on a server it is made on first use."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(EXPERIMENT)
    if found is not None:
        return str(found.experiment_id)
    try:
        return str(client.create_experiment(EXPERIMENT))
    except MlflowException:
        found = client.get_experiment_by_name(EXPERIMENT)
        if found is None:
            raise
        return str(found.experiment_id)  # another process was faster
