"""A Slurm batch script."""

import math
import shlex

from tomas.domain.plan import ResourceConfig
from tomas.execution.allowance import environment, uses_gpu, whole_cores
from tomas.execution.exporters.job import Export, Job, rounded_up, whole_mib


def to_slurm(job: Job) -> Export:
    """The script for `sbatch`."""
    resources = job.resources
    cores, mib, percent = whole_cores(resources), whole_mib(resources), math.ceil(rounded_up(resources.gpu_sm))
    options = [f"--job-name={job.name}", "--ntasks=1", f"--cpus-per-task={cores}", f"--mem={mib}M"]
    enforced = {
        "cpu_core": "the job's cgroup, where slurm's cgroup.conf has ConstrainCores=yes",
        "cpu_mem_gb": "the job's cgroup, where slurm's cgroup.conf has ConstrainRAMSpace=yes",
    }
    if uses_gpu(resources):
        percent = max(1, percent)
        options.append(f"--gres=mps:{percent}")
        enforced |= {"gpu_sm": "the MPS share of the job", "gpu_mem_gb": "CUDA MPS, by the variable exported below"}
    else:
        enforced |= dict.fromkeys(("gpu_sm", "gpu_mem_gb"), "the GPU is hidden from the run")
    if job.timeout_s:
        minutes = math.ceil(job.timeout_s / 60)  # slurm counts in minutes
        options.append(f"--time={minutes}")
        enforced["timeout"] = "the job's time limit, in whole minutes"
    not_enforced = {"start_ms": "the scheduler starts the job when a node has room"}
    if job.plan.status == "wait":
        options.append(f"--begin=now+{math.ceil((job.plan.start_ms or 0) / 1000)}")
        not_enforced["start_ms"] = "the job starts not before it, but later where no node has room"
    lines = ["#!/bin/bash", *(f"#SBATCH {option}" for option in options)]
    # Slurm sets the share of the SMs itself.
    exported = {k: v for k, v in environment(resources).items() if k != "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"}
    lines += [f"export {name}={shlex.quote(value)}" for name, value in exported.items()]
    lines.append(f"exec {shlex.join(job.command)}")
    rounded = ResourceConfig(
        cpu_core=cores,
        cpu_mem_gb=mib / 1024,
        gpu_sm=float(percent),
        gpu_mem_gb=rounded_up(resources.gpu_mem_gb, 1 / 1024),
    )
    return Export("\n".join(lines) + "\n", rounded, enforced, not_enforced)
