"""Plans for tests, with what the test cares about."""

from tomas.domain.plan import Plan, ResourceConfig


def a_plan(
    cpu_core: float = 1,
    cpu_mem_gb: float = 0.25,
    gpu_sm: float = 0,
    gpu_mem_gb: float = 0,
    latency_ms: float = 100,
    start_ms: float = 0,
) -> Plan:
    return Plan(
        status="ready",
        tool_id=2,
        tool_name="super_resolution",
        tool_confidence=0.98,
        config_id=517,
        input_size="medium",
        resource_config=ResourceConfig(cpu_core=cpu_core, cpu_mem_gb=cpu_mem_gb, gpu_sm=gpu_sm, gpu_mem_gb=gpu_mem_gb),
        expected_latency_ms=latency_ms,
        start_ms=start_ms,
        end_ms=start_ms + latency_ms,
        feasible=True,
    )
