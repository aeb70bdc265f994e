"""What a plan allows its run: whole cores, bytes, environment and time."""

import math

from tomas.domain.plan import Plan, ResourceConfig
from tomas.errors import UserError

GIB = 1 << 30
MIB = 1 << 20
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
LEAST_TIMEOUT_S = 60.0
TIMEOUT_FACTOR = 10.0


def allowed(plan: Plan) -> ResourceConfig:
    """The resources of a plan that can run; any other plan is an error that repeats its reason."""
    if plan.resource_config is None:
        reason = plan.explanation or plan.text or "it names no configuration"
        raise UserError(f"The plan is {plan.status}, so there is nothing to run: {reason}")
    return plan.resource_config


def default_timeout_s(plan: Plan) -> float:
    """When a run is given up: far beyond the expected latency, so that only what hangs is stopped."""
    return max(LEAST_TIMEOUT_S, TIMEOUT_FACTOR * (plan.expected_latency_ms or 0.0) / 1000)


def whole_cores(resources: ResourceConfig) -> int:
    """Cores as affinity masks and schedulers count them."""
    return max(1, math.ceil(resources.cpu_core))


def memory_bytes(resources: ResourceConfig) -> int:
    """Host memory in bytes; a GB of a profile is 2**30 bytes, as memory limits count."""
    return math.ceil(resources.cpu_mem_gb * GIB)


def uses_gpu(resources: ResourceConfig) -> bool:
    """Whether the plan has a share of the GPU."""
    return resources.gpu_sm > 0 or resources.gpu_mem_gb > 0


def environment(resources: ResourceConfig) -> dict[str, str]:
    """The variables by which libraries and the CUDA MPS daemon learn what the run may use."""
    variables = dict.fromkeys(THREAD_VARIABLES, str(whole_cores(resources)))
    if not uses_gpu(resources):
        # Without a share of the GPU the run must not see it.
        return {**variables, "CUDA_VISIBLE_DEVICES": ""}
    return {
        **variables,
        "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE": str(max(1, math.ceil(resources.gpu_sm))),
        "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT": f"0={math.ceil(resources.gpu_mem_gb * 1024)}M",
    }
