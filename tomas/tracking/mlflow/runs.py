"""A parent run for each execution of the pipeline, a child for each attempt at a stage."""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tomas.tracking.base import RunInfo, Tracker, flatten, numbers
from tomas.tracking.mlflow.model import log_planner
from tomas.tracking.mlflow.store import open_store, search, store_uri
from tomas.tracking.processes import ProcessId

if TYPE_CHECKING:
    from mlflow import MlflowClient

FLUSH_S = 2.0
FLUSH_COUNT = 200
MAX_PARAM_CHARS = 6000


@contextmanager
def open_mlflow(info: RunInfo) -> Iterator[Tracker]:
    """A tracker that records to MLflow."""
    tracker = MlflowTracker(info)
    status = "FAILED"
    try:
        yield tracker
        status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        tracker.close(status)


class MlflowTracker:
    """The child run of one stage; it also writes the pipeline's headline metrics to the parent."""

    def __init__(self, info: RunInfo) -> None:
        self._client, experiment = open_store(info.root)
        self._uri = store_uri(info.root)
        self._stage = info.stage
        self._pending: list[Any] = []
        self._flushed = time.monotonic()
        close_dead_runs(self._client, experiment, info.tags["host"])
        self._parent = _parent_run(self._client, experiment, info)
        child = self._client.create_run(
            experiment,
            run_name=info.stage,
            tags={**_prefixed(info.tags), "tomas.stage": info.stage, "mlflow.parentRunId": self._parent},
        )
        self._run = child.info.run_id
        self._system = _start_system_metrics(self._run, self._uri)

    def params(self, values: Mapping[str, Any]) -> None:
        _log_params(self._client, self._run, values)

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._pending += [Metric(_metric_name(name), float(value), now, step or 0) for name, value in values.items()]
        # One transaction for many values: one by one they cost 3 ms each.
        if len(self._pending) >= FLUSH_COUNT or time.monotonic() - self._flushed > FLUSH_S:
            self._flush()

    def artifact(self, path: Path) -> None:
        self._client.log_artifact(self._run, str(path))

    def tags(self, values: Mapping[str, str]) -> None:
        for name, value in values.items():
            self._client.set_tag(self._run, f"tomas.{name}", value)

    def planner(self, folder: Path) -> None:
        log_planner(self._client, self._uri, self._run, folder)

    def summary(self, values: Mapping[str, Any]) -> None:
        self.metrics(numbers(flatten(values, "/")))
        log_headline(self._client, self._parent, self._stage, values)

    def close(self, status: str) -> None:
        """Write what is pending and end the child; the parent has the status of its last stage."""
        if self._system is not None:
            self._system.finish()
        self._flush()
        self._client.set_terminated(self._run, status)
        self._client.set_terminated(self._parent, status)

    def _flush(self) -> None:
        pending, self._pending = self._pending, []
        self._flushed = time.monotonic()
        for start in range(0, len(pending), 1000):  # the most one call takes
            self._client.log_batch(self._run, metrics=pending[start : start + 1000])


def log_headline(client: "MlflowClient", parent: str, stage: str, values: Mapping[str, Any]) -> None:
    """A stage's top-level metrics on the pipeline's run, named `stage/metric`."""
    for name, value in numbers(values).items():
        client.log_metric(parent, _metric_name(f"{stage}/{name}"), value)


def close_dead_runs(client: "MlflowClient", experiment: str, host: str) -> None:
    """End the runs of this machine whose process is gone, as KILLED."""
    for run in search(client, experiment, f"attributes.status = 'RUNNING' and tags.`tomas.host` = '{host}'"):
        tags = run.data.tags
        if not ProcessId(int(tags["tomas.pid"]), tags["tomas.pid_start"]).is_alive():
            client.set_terminated(run.info.run_id, "KILLED")


def pipeline_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """What tells one execution of the pipeline from another."""
    return {
        "tomas.kind": "pipeline",
        "tomas.host": tags["host"],
        "tomas.pid": tags["pipeline.pid"],
        "tomas.pid_start": tags["pipeline.pid_start"],
        "tomas.dvc.exp.name": tags.get("dvc.exp.name", ""),
    }


def create_pipeline_run(
    client: "MlflowClient", experiment: str, name: str, tags: Mapping[str, str], params: Mapping[str, Any], **more: Any
) -> str:
    """A parent run with all parameters, flattened."""
    run_id: str = client.create_run(experiment, run_name=name, tags=dict(tags), **more).info.run_id
    _log_params(client, run_id, params)
    return run_id


def _parent_run(client: "MlflowClient", experiment: str, info: RunInfo) -> str:
    """The run of this execution of the pipeline: that of its earlier stages, or a new one."""
    tags = pipeline_tags(info.tags)
    found = search(client, experiment, " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items()))
    if found:
        client.update_run(found[0].info.run_id, status="RUNNING")
        return str(found[0].info.run_id)
    origin = {name: value for name, value in _prefixed(info.tags).items() if ".dvc." in name or ".git." in name}
    name = info.tags.get("dvc.exp.name") or ("dvc repro" if "dvc.stage" in info.tags else "by hand")
    return create_pipeline_run(client, experiment, name, origin | tags, info.params)


def _log_params(client: "MlflowClient", run_id: str, values: Mapping[str, Any]) -> None:
    """Parameters in the form MLflow takes: flat, no `@` in a key, values of bounded length."""
    from mlflow.entities import Param

    flat = [(name.replace("@", "_at_"), str(value)[:MAX_PARAM_CHARS]) for name, value in flatten(values).items()]
    for start in range(0, len(flat), 100):  # the most one call takes
        client.log_batch(run_id, params=[Param(name, value) for name, value in flat[start : start + 100]])


def _metric_name(name: str) -> str:
    """A name that MLflow takes: letters, digits and `_-. /`."""
    return re.sub(r"[^\w\-. /]", "_", name)


def _prefixed(tags: Mapping[str, str]) -> dict[str, str]:
    return {f"tomas.{name}": value for name, value in tags.items()}


def _start_system_metrics(run_id: str, uri: str) -> Any:
    """CPU, memory, disk, network and GPU use of the machine, sampled in the background."""
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    monitor = SystemMetricsMonitor(run_id, sampling_interval=10, tracking_uri=uri)
    monitor.start()
    return monitor
