"""What do DVC, MLflow and starting up cost beside the work itself, and how long does the first answer take?

`python -m benchmarks.pipeline_overhead` prints one JSON object with three measurements:

* `dvc_repro` against `bare`, in turns: the whole pipeline in a fresh copy of this project, with the settings of a small
  profile and the real stages and store; and the same stages one after another in a process that has loaded everything.
  The difference is what the machinery costs. The settings do not change it, apart from the writing of metrics, which is
  measured by itself.
* `default_repro`: the last complete `dvc repro` of this project, as its own store of runs has it. What the machinery
  costs, as a share of that, is what the pipeline's user pays; without such a run the share is null.
* `cold_start_ms`, in turns: `tomas --help`, `tomas plan` from process start to the answer, and the imports alone.
"""

import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.common import Seconds, medians_ms, parameters, read_options, report, rounded, take_turns
from benchmarks.inputs import read_inputs
from benchmarks.untrained import write_untrained
from tomas.config import Params
from tomas.kernel.yaml_files import plain, read_yaml
from tomas.paths import project
from tomas.tracking.base import RunInfo
from tomas.tracking.mlflow.runs import FLUSH_COUNT, FLUSH_S, MlflowTracker
from tomas.tracking.mlflow.store import open_store, search
from tomas.tracking.provenance import gather

SMALL_PROFILE = "tiny"
QUICK_STAGES = ("validate-data",)
LEFT_OUT = ("dvc.lock", "metrics/")
"""Files of the project that a fresh copy shall not have."""
MEMORY = "system/system_memory_usage_megabytes"
"""Of the whole machine, sampled by MLflow while a stage runs."""
REQUEST = "make these three holiday photos sharper"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    options = read_options(__doc__, argv)
    os.environ.pop("MLFLOW_TRACKING_URI", None)  # the stores measured are the project's and its copies' own
    params = parameters(options)
    stages = list(QUICK_STAGES if options.quick else plain(read_yaml(project().root / "dvc.yaml"))["stages"])
    rounds = 1 if options.quick else 3
    runs, work = pipeline(stages, rounds)
    overhead_s = statistics.median(a - b for a, b in zip(runs["dvc_repro"], runs["bare"], strict=True))
    flush_s = metrics_cost()
    default = default_repro(set(stages))
    share = None if default is None else overhead_s / default["seconds"] + flush_s / FLUSH_S
    figures = {
        "rounds": rounds,
        "stages": stages,
        "seconds": {name: rounded(statistics.median(values)) for name, values in runs.items()},
        "bare_seconds_by_stage": {name: rounded(value) for name, value in work.items()},
        "overhead_s": rounded(overhead_s),
        "metrics_share_at_most": rounded(flush_s / FLUSH_S),
        "default_repro": default,
        "overhead_share_of_default_repro": None if share is None else rounded(share),
        "cold_start_ms": cold_starts(params, 1 if options.quick else 7, warm_up=not options.quick),
    }
    return report("pipeline_overhead", options, params, figures)


def pipeline(stages: Sequence[str], rounds: int) -> tuple[Seconds, dict[str, float]]:
    """Seconds of every run of the stages under DVC and bare, and of each stage in the last bare run."""
    seconds: Seconds = {"dvc_repro": [], "bare": []}
    work: dict[str, float] = {}
    for number in range(rounds):
        for name in list(seconds) if number % 2 == 0 else reversed(list(seconds)):
            with tempfile.TemporaryDirectory() as folder:
                copy = fresh_copy(Path(folder) / "project")
                if name == "bare":
                    work = json.loads(said(copy, "-m", "benchmarks.bare_stages", *stages).splitlines()[-1])
                    seconds[name].append(sum(work.values()))
                    continue
                began = time.perf_counter()
                said(copy, "-m", "dvc", "repro", *stages)
                seconds[name].append(time.perf_counter() - began)
    return seconds, work


def fresh_copy(root: Path) -> Path:
    """What a clone of this project would hold if the working tree were committed, with the small profile in use."""
    origin = project().root
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(words, cwd=origin, capture_output=True, text=True, check=True).stdout.split("\0"):
        if name and not name.startswith(LEFT_OUT) and (origin / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(origin / name, root / name)
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    said(root, "-m", "tomas.cli", "profile", "use", SMALL_PROFILE)
    return root


def said(root: Path, *words: str) -> str:
    """What Python, run in a folder, writes to stdout; where it fails, its last words are the error."""
    env = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run([sys.executable, *words], cwd=root, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr[-2000:] or done.stdout[-2000:]}")
    return done.stdout


def metrics_cost() -> float:
    """Median seconds of the largest write of metrics to a store of runs; a stage writes every FLUSH_S at most."""
    row = {f"metric_{number}": 1.0 for number in range(FLUSH_COUNT)}
    with tempfile.TemporaryDirectory() as folder:
        tracker = MlflowTracker(RunInfo("benchmark", Path(folder), {}, gather(project().root)))
        steps = itertools.count()
        seconds = take_turns({"write": lambda: tracker.metrics(row, next(steps))}, 11)["write"]
        tracker.close("FINISHED")
    return statistics.median(seconds)


def default_repro(stages: set[str]) -> dict[str, Any] | None:
    """The last execution of the pipeline that ran every stage: its time, and how much of it lies outside the stages."""
    root = project().root
    if not (root / "mlflow.db").is_file():
        return None
    client, experiment = open_store(root)
    by_parent: dict[str, list[Any]] = {}
    for run in search(client, experiment, "attributes.status = 'FINISHED'"):
        if "tomas.stage" in run.data.tags:
            by_parent.setdefault(run.data.tags["mlflow.parentRunId"], []).append(run)
    whole = [own for own in by_parent.values() if {run.data.tags["tomas.stage"] for run in own} >= stages]
    if not whole:
        return None
    last = max(whole, key=lambda own: max(run.info.end_time for run in own))
    seconds = (max(run.info.end_time for run in last) - min(run.info.start_time for run in last)) / 1000
    inside = sum(run.info.end_time - run.info.start_time for run in last) / 1000
    used = [point.value for run in last for point in client.get_metric_history(run.info.run_id, MEMORY)]
    return {
        "commit": last[0].data.tags.get("tomas.git.commit"),
        "seconds": rounded(seconds),
        "seconds_outside_stages": rounded(seconds - inside),
        "memory_used_on_machine_gb": rounded(max(used) / 1000) if used else None,
    }


def cold_starts(params: Params, rounds: int, *, warm_up: bool) -> Mapping[str, float]:
    """Median ms of commands from process start to process end."""
    catalogue = read_inputs(params, 1).catalogue
    with tempfile.TemporaryDirectory() as folder:
        planner = write_untrained(params, catalogue, Path(folder) / "planner")
        root = project().root
        plan = ("-m", "tomas.cli", "plan", REQUEST, "--planner", str(planner))
        ways = {
            "tomas --help": lambda: said(root, "-m", "tomas.cli", "--help"),
            "tomas plan": lambda: said(root, *plan),
            "import torch, transformers": lambda: said(root, "-c", "import torch, transformers"),
        }
        return medians_ms(take_turns(ways, rounds, warm_up=warm_up))


if __name__ == "__main__":
    sys.exit(main())
