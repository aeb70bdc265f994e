"""The latency model has the shapes that were measured: roofline, Amdahl with an upturn, memory in steps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomas.data.latency_model import CannotRun, gpu_ms, host_ms
from tomas.data.profiles import MODELS

models = st.sampled_from(sorted(MODELS)).map(MODELS.__getitem__)
sizes = st.integers(0, 2)


@given(models, sizes, st.floats(5, 100), st.floats(5, 100))
def test_more_sms_never_cost_time_before_noise(model, size, one, other):
    memory = model.gpu_memory.need(model.x[size])
    slow, fast = gpu_ms(model, size, min(one, other), memory), gpu_ms(model, size, max(one, other), memory)
    assert fast <= slow


@given(models, sizes, st.floats(5, 100))
def test_no_share_of_the_gpu_gets_below_the_launch_floor(model, size, gpu_sm):
    assert gpu_ms(model, size, gpu_sm, 80) >= model.gpu.floor_ms[size] * (1 - 1e-12)


@given(models, sizes, st.floats(1, 10))
def test_memory_above_the_working_set_changes_nothing(model, size, factor):
    gpu_need, host_need = model.gpu_memory.need(model.x[size]), model.host_memory.need(model.x[size])
    assert gpu_ms(model, size, 50, gpu_need * factor) == gpu_ms(model, size, 50, gpu_need)
    assert host_ms(model, size, 4, host_need * factor) == host_ms(model, size, 4, host_need)


@given(models, sizes)
def test_less_gpu_memory_tiles_then_spills_then_cannot_run(model, size):
    need = model.gpu_memory.need(model.x[size])
    whole, tiled, spilled = (gpu_ms(model, size, 50, need * share) for share in (1, 0.8, 0.6))
    assert tiled == pytest.approx(whole * 1.16 + model.gpu.floor_ms[size])
    assert 2 * whole < spilled < 6 * whole
    with pytest.raises(CannotRun):
        gpu_ms(model, size, 50, need * 0.49)
    with pytest.raises(CannotRun):
        host_ms(model, size, 4, model.host_memory.need(model.x[size]) * 0.59)


@given(models, sizes)
def test_host_time_falls_up_to_the_saturating_core_and_rises_after_it(model, size):
    memory = model.host_memory.need(model.x[size])
    best = host_ms(model, size, model.host.c_sat, memory)
    assert host_ms(model, size, 1, memory) > best
    assert host_ms(model, size, model.host.c_sat + 4, memory) >= best
