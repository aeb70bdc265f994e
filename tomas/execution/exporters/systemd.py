"""A systemd service unit, held to the plan by its cgroup."""

import math

from tomas.domain.plan import ResourceConfig
from tomas.execution import systemd
from tomas.execution.allowance import GIB, environment, memory_bytes, uses_gpu
from tomas.execution.exporters.job import Export, Job, rounded_up

PERCENT = 0.01


def to_systemd(job: Job) -> Export:
    """The unit file, for /etc/systemd/system or ~/.config/systemd/user."""
    resources = job.resources
    lines = ["[Unit]", f"Description={_plain(job.name)} under a TOMAS plan", "", "[Service]", "Type=exec"]
    if job.plan.status == "wait":
        # Counted from `systemctl start`; waiting must not run into the time a start may take.
        lines += [f"ExecStartPre=/bin/sleep {(job.plan.start_ms or 0) / 1000:g}", "TimeoutStartSec=infinity"]
    lines += [f"ExecStart=/usr/bin/env -- {' '.join(map(quoted, job.command))}"]
    lines += [f"Environment={quoted(f'{name}={value}')}" for name, value in environment(resources).items()]
    lines += [f"{name}={value}" for name, value in systemd.limits(resources).items()]
    enforced = {"cpu_core": "CPUQuota", "cpu_mem_gb": "MemoryMax"}
    if job.timeout_s:
        lines.append(f"RuntimeMaxSec={math.ceil(job.timeout_s)}")
        enforced["timeout"] = "RuntimeMaxSec"
    how = "CUDA MPS, where its daemon runs" if uses_gpu(resources) else "the GPU is hidden from the run"
    enforced |= {"gpu_sm": how, "gpu_mem_gb": how}
    rounded = ResourceConfig(
        cpu_core=max(PERCENT, rounded_up(resources.cpu_core, PERCENT)),
        cpu_mem_gb=memory_bytes(resources) / GIB,
        gpu_sm=float(math.ceil(rounded_up(resources.gpu_sm))),
        gpu_mem_gb=rounded_up(resources.gpu_mem_gb, 1 / 1024),
    )
    return Export("\n".join(lines) + "\n", rounded, enforced)


def quoted(word: str) -> str:
    """A word as a unit file takes it: no variable, no specifier, no escape of its own."""
    text = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return '"' + text.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r") + '"'


def _plain(text: str) -> str:
    return text.replace("%", "%%")
