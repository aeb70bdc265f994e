"""A Kubernetes Job whose requests equal its limits; GPUs shared by HAMi or cut into MIG slices."""

import io
import math
from typing import Any

from ruamel.yaml import YAML

from tomas.domain.plan import ResourceConfig
from tomas.errors import UsageError
from tomas.execution.allowance import THREAD_VARIABLES, environment, uses_gpu
from tomas.execution.exporters.job import Export, Job, rounded_up, whole_mib
from tomas.execution.exporters.mig import smallest_slice

MILLI = 1e-3


def to_kubernetes(job: Job) -> Export:
    """The manifest for `kubectl create -f -`."""
    if job.image is None:
        raise UsageError("Say which container image holds the command: --image NAME.")
    resources = job.resources
    cores = max(MILLI, rounded_up(resources.cpu_core, MILLI))
    mib = whole_mib(resources)
    limits: dict[str, Any] = {"cpu": f"{round(cores * 1000)}m", "memory": f"{mib}Mi"}
    enforced = {"cpu_core": "the container's CPU quota", "cpu_mem_gb": "the container's memory limit"}
    gpu_limits, gpu_sm, gpu_mem_gb, how = _gpu(job) if uses_gpu(resources) else ({}, 0.0, 0.0, "no GPU is given")
    limits |= gpu_limits
    enforced |= {"gpu_sm": how, "gpu_mem_gb": how}
    if job.timeout_s:
        enforced["timeout"] = "activeDeadlineSeconds"
    return Export(
        _as_yaml(_manifest(job, limits)),
        ResourceConfig(cpu_core=cores, cpu_mem_gb=mib / 1024, gpu_sm=gpu_sm, gpu_mem_gb=gpu_mem_gb),
        enforced,
        {"start_ms": "the scheduler starts the job when a node has room"},
    )


def _gpu(job: Job) -> tuple[dict[str, int], float, float, str]:
    """The limits that stand for the plan's share of a GPU, and that share rounded up."""
    resources = job.resources
    if job.gpu_sharing == "hami":
        sm = max(1, math.ceil(rounded_up(resources.gpu_sm)))
        mib = max(1, math.ceil(rounded_up(resources.gpu_mem_gb * 1024)))
        return {"nvidia.com/gpu": 1, "nvidia.com/gpucores": sm, "nvidia.com/gpumem": mib}, sm, mib / 1024, "HAMi"
    piece = smallest_slice(job.gpu_sharing, resources)
    return {f"nvidia.com/mig-{piece.name}": 1}, piece.sm, piece.mem_gb, f"the hardware, as a MIG slice {piece.name}"


def _manifest(job: Job, limits: dict[str, Any]) -> dict[str, Any]:
    variables = environment(job.resources)
    container = {
        "name": "tool",
        "image": job.image,
        "command": [word.replace("$", "$$") for word in job.command],  # Kubernetes would expand $(NAME)
        "env": [{"name": name, "value": variables[name]} for name in THREAD_VARIABLES],
        "resources": {"requests": dict(limits), "limits": dict(limits)},
    }
    spec: dict[str, Any] = {
        "backoffLimit": 0,
        "template": {"spec": {"restartPolicy": "Never", "containers": [container]}},
    }
    if job.timeout_s:
        spec["activeDeadlineSeconds"] = math.ceil(job.timeout_s)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        # A fixed name could be created once only.
        "metadata": {"generateName": f"{job.name}-", "labels": {"app.kubernetes.io/managed-by": "tomas"}},
        "spec": spec,
    }


def _as_yaml(manifest: dict[str, Any]) -> str:
    writer = YAML()
    writer.version = (1, 1)  # Kubernetes reads YAML 1.1, where a bare `no` or `1_000` is no string
    writer.indent(mapping=2, sequence=4, offset=2)
    stream = io.StringIO()
    writer.dump(manifest, stream)
    # kubectl splits its input at `---` and would take the version line before it for a document of its own.
    return stream.getvalue().partition("---\n")[2]
