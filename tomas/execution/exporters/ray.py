"""A Python script that runs the command as a Ray task."""

import json
import math

from tomas.domain.plan import ResourceConfig
from tomas.execution.allowance import GIB, environment, memory_bytes, uses_gpu
from tomas.execution.exporters.job import Export, Job, rounded_up

FINEST = 1e-4  # what Ray counts resources in

SCRIPT = """\
import subprocess
import sys

import ray

COMMAND = {command}
OPTIONS = {options}


@ray.remote(max_retries=0, **OPTIONS)
def run() -> int:
    return subprocess.run(COMMAND, timeout={timeout}).returncode


if __name__ == "__main__":
    ray.init()
    sys.exit(ray.get(run.remote()))
"""


def to_ray(job: Job) -> Export:
    """The script; `python SCRIPT` runs it on the cluster RAY_ADDRESS names, or on a local Ray."""
    resources = job.resources
    cores = rounded_up(resources.cpu_core, FINEST)
    share = max(FINEST, rounded_up(resources.gpu_sm / 100, FINEST)) if uses_gpu(resources) else 0
    options = {
        "num_cpus": round(cores, 4),
        "num_gpus": round(share, 4),
        "memory": memory_bytes(resources),
        "runtime_env": {"env_vars": environment(resources)},
    }
    text = SCRIPT.format(
        command=repr(list(job.command)),
        options=json.dumps(options, indent=4),
        timeout=job.timeout_s or None,
    )
    admitted = "Ray admits tasks by it and does not hold them to it"
    rounded = ResourceConfig(
        cpu_core=cores,
        cpu_mem_gb=memory_bytes(resources) / GIB,
        gpu_sm=share * 100,
        gpu_mem_gb=math.ceil(resources.gpu_mem_gb * 1024) / 1024,
    )
    not_enforced = {"start_ms": "Ray starts the task when a node has room"} | dict.fromkeys(
        ("cpu_core", "cpu_mem_gb"), admitted
    )
    enforced = {"timeout": "the script"} if job.timeout_s else {}
    if uses_gpu(resources):
        enforced |= dict.fromkeys(("gpu_sm", "gpu_mem_gb"), "CUDA MPS, where its daemon runs on the node")
    else:
        enforced |= dict.fromkeys(("gpu_sm", "gpu_mem_gb"), "the GPU is hidden from the run")
    return Export(text, rounded, enforced, not_enforced)
