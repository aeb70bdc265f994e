"""Closing the gap between DVC's table of experiments and the tracking store.

A stage that DVC restores from its run cache runs nothing, so it records nothing: a repeated point of a sweep would be
missing from the store. DVC's own table is complete, so what it has and the store lacks is copied over.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tomas.errors import UserError
from tomas.tracking.base import numbers
from tomas.tracking.mlflow.runs import create_pipeline_run, log_headline
from tomas.tracking.mlflow.store import open_store, search

TRIES, PAUSE_S = 5, 3.0
"""DVC also looks into the folders of experiments that run, and fails where one is not made yet or ends meanwhile."""


@dataclass(frozen=True)
class Experiment:
    """One finished row of DVC's table."""

    name: str
    rev: str
    baseline: str
    time_ms: int
    params: dict[str, Any]
    metrics: dict[str, dict[str, Any]]
    """Metrics by the name of their file."""


def sync(root: Path) -> tuple[int, int]:
    """Bring every finished experiment into the store; gives how many were added and how many completed."""
    client, store_experiment = open_store(root)
    added = completed = 0
    for row in finished_experiments(root):
        found = search(
            client,
            store_experiment,
            f"tags.`tomas.kind` = 'pipeline' and tags.`tomas.dvc.exp.name` = '{row.name}' "
            f"and tags.`tomas.dvc.exp.baseline` = '{row.baseline}'",
        )
        if any(run.data.tags.get("tomas.dvc.exp.rev") == row.rev for run in found):
            continue
        unclaimed = [run for run in found if "tomas.dvc.exp.rev" not in run.data.tags]
        if unclaimed:
            run_id, known = unclaimed[0].info.run_id, unclaimed[0].data.metrics
            completed += 1
        else:
            tags = {
                "tomas.kind": "pipeline",
                "tomas.synced": "true",
                "tomas.dvc.exp.name": row.name,
                "tomas.dvc.exp.baseline": row.baseline,
            }
            run_id = create_pipeline_run(client, store_experiment, row.name, tags, row.params, start_time=row.time_ms)
            client.set_terminated(run_id, "FINISHED", end_time=row.time_ms)
            known = {}
            added += 1
        for file, values in row.metrics.items():
            missing = {name: value for name, value in numbers(values).items() if f"{file}/{name}" not in known}
            log_headline(client, run_id, file, missing)
        client.set_tag(run_id, "tomas.dvc.exp.rev", row.rev)
    return added, completed


def finished_experiments(root: Path) -> Iterator[Experiment]:
    """The finished experiments of all commits, as `dvc exp show` tells them."""
    for commit in json.loads(_shown(root)):
        for experiment in commit["experiments"] or ():
            row = experiment["revs"][0]
            data = row["data"]
            if data is None or (experiment["executor"] or {}).get("state") not in (None, "success"):
                continue
            yield Experiment(
                name=row["name"] or row["rev"][:7],
                rev=row["rev"],
                baseline=commit["rev"],
                time_ms=int(datetime.fromisoformat(data["timestamp"]).timestamp() * 1000),
                params=(data["params"].get("params.yaml") or {}).get("data") or {},
                metrics={Path(file).stem: held.get("data") or {} for file, held in data["metrics"].items()},
            )


def _shown(root: Path) -> str:
    command = [sys.executable, "-m", "dvc", "exp", "show", "--json", "--all-commits"]
    for left in reversed(range(TRIES)):
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
        if not done.returncode:
            return done.stdout
        if left:
            time.sleep(PAUSE_S)
    raise UserError(f"dvc exp show failed: {' '.join(done.stderr.split())}")
