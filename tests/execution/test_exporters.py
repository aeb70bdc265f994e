"""What other engines are given is valid for them and never less than the plan."""

import io
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from tests.execution.plans import a_plan
from tomas.domain.plan import Plan
from tomas.domain.resources import RESOURCES
from tomas.domain.timeline import Timeline
from tomas.errors import UserError
from tomas.execution.exporters.job import Job, check_again
from tomas.execution.exporters.mig import GPUS, smallest_slice
from tomas.execution.exporters.systemd import quoted
from tomas.registry import default_registry, load

ENGINES = default_registry.names("exporter")
AWKWARD = ("printf", "%s|", 'a "b"', "it's", "$HOME $(date) $$", "100%", "back\\slash", "", "äöü 汉字", "# no", "no")
CAPACITY = np.array([64.0, 512.0, 100.0, 141.0])

plans = st.builds(
    a_plan,
    cpu_core=st.floats(0.1, 64),
    cpu_mem_gb=st.floats(0.1, 512),
    gpu_sm=st.floats(0, 100),
    gpu_mem_gb=st.floats(0, 80),
    latency_ms=st.floats(1, 1e7),
)


def a_job(plan: Plan, command: tuple[str, ...] = AWKWARD, **more: Any) -> Job:
    return Job(plan, command, timeout_s=90.5, image="registry.example/tool:1", **more)


def manifest(text: str) -> dict[str, Any]:
    return YAML(typ="safe").load(io.StringIO(text))


def limits(text: str) -> dict[str, Any]:
    (container,) = manifest(text)["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["requests"] == container["resources"]["limits"]
    return container["resources"]["limits"]


@given(plan=plans, engine=st.sampled_from(ENGINES), sharing=st.sampled_from(["hami", "h100-80gb"]))
def test_no_engine_is_asked_for_less_than_the_plan(plan: Plan, engine: str, sharing: str) -> None:
    export = load("exporter", engine)(a_job(plan, gpu_sharing=sharing))
    assert plan.resource_config is not None
    for name in RESOURCES:
        planned, asked = getattr(plan.resource_config, name), getattr(export.requirement, name)
        gpu = plan.resource_config.gpu_sm > 0 or plan.resource_config.gpu_mem_gb > 0
        assert asked >= planned - 1e-6
        # rounding is to the next step of the engine, not further (MIG slices and whole Slurm cores are coarse)
        if sharing == "hami" or engine != "kubernetes" or not gpu:
            assert asked <= planned + 1.001
    assert set(RESOURCES) <= export.enforced.keys() | export.not_enforced.keys()


@given(plan=plans)
def test_the_kubernetes_manifest_says_what_is_recorded_as_asked_for(plan: Plan) -> None:
    export = load("exporter", "kubernetes")(a_job(plan))
    asked = limits(export.text)
    assert int(asked["cpu"].removesuffix("m")) == pytest.approx(export.requirement.cpu_core * 1000)
    assert int(asked["memory"].removesuffix("Mi")) == export.requirement.cpu_mem_gb * 1024
    assert asked.get("nvidia.com/gpucores", 0) == export.requirement.gpu_sm
    assert asked.get("nvidia.com/gpumem", 0) == export.requirement.gpu_mem_gb * 1024


@pytest.mark.parametrize("sharing", ["hami", "a100-40gb", "h100-80gb"])
@pytest.mark.parametrize("plan", [a_plan(), a_plan(2.5, 3.3, 40, 4.5, start_ms=1500)])
def test_the_kubernetes_manifest_passes_the_schema(plan: Plan, sharing: str) -> None:
    validate = pytest.importorskip("kubernetes_validate")
    text = load("exporter", "kubernetes")(a_job(plan, gpu_sharing=sharing)).commented()
    content = manifest(text)
    validate.validate(content, validate.latest_version(), strict=True)
    content["spec"]["backofLimit"] = 0
    with pytest.raises(validate.ValidationError):
        validate.validate(content, validate.latest_version(), strict=True)


def test_kubernetes_expands_nothing_in_the_command() -> None:
    (container,) = manifest(load("exporter", "kubernetes")(a_job(a_plan())).text)["spec"]["template"]["spec"][
        "containers"
    ]
    # the expansion of k8s.io/kubernetes/third_party/forked/golang/expansion: $$ is a dollar, $(NAME) a variable
    expanded = [
        re.sub(r"\$(\$|\([^)]*\))", lambda m: "$" if m[1] == "$" else "", word) for word in container["command"]
    ]
    assert tuple(expanded) == AWKWARD


def test_the_next_larger_mig_slice_is_taken() -> None:
    for sm, mem_gb, expected in [
        (10, 4, "1g.10gb"),
        (10, 12, "1g.20gb"),
        (20, 12, "2g.20gb"),
        (40, 20, "3g.40gb"),
        (50, 40, "4g.40gb"),
        (60, 10, "7g.80gb"),
        (100, 80, "7g.80gb"),
    ]:
        assert smallest_slice("h100-80gb", a_plan(gpu_sm=sm, gpu_mem_gb=mem_gb).resource_config).name == expected
    with pytest.raises(UserError, match="80 GB"):
        smallest_slice("h100-80gb", a_plan(gpu_sm=10, gpu_mem_gb=81).resource_config)


def test_mig_slices_are_in_ascending_order() -> None:
    for slices in GPUS.values():
        assert list(slices) == sorted(slices, key=lambda piece: (piece.sm, piece.mem_gb))
        assert slices[-1].sm == 100


def test_a_plan_that_no_longer_fits_when_rounded_up_is_refused() -> None:
    plan = a_plan(1, 1, 30, 30)
    export = load("exporter", "kubernetes")(a_job(plan, gpu_sharing="h100-80gb"))
    check_again(export, plan, CAPACITY, None)
    with pytest.raises(UserError, match="40 GB of GPU memory with 39 free"):
        check_again(export, plan, np.array([16, 64, 100, 39.0]), None)


def test_the_rounded_plan_must_fit_the_timeline_to_its_end() -> None:
    plan = a_plan(1.5, 1, start_ms=100, latency_ms=1000)
    export = load("exporter", "slurm")(a_job(plan))
    enough = Timeline(np.array([0.0, 2000.0]), np.array([[2, 4, 0, 0], [0, 0, 0, 0.0]]))
    check_again(export, plan, CAPACITY, enough)
    too_short = Timeline(np.array([0.0, 1000.0]), np.array([[2, 4, 0, 0], [1.5, 4, 0, 0]]))
    with pytest.raises(UserError, match="to its end"):
        check_again(export, plan, CAPACITY, too_short)
    too_little = Timeline(np.zeros(1), np.array([[1.5, 4, 0, 0]]))
    with pytest.raises(UserError, match=r"2 CPU cores with 1\.5 free"):
        check_again(export, plan, CAPACITY, too_little)


def test_the_slurm_script_runs_the_command_as_it_stands(tmp_path: Path) -> None:
    script = tmp_path / "job.sh"
    script.write_text(load("exporter", "slurm")(a_job(a_plan(3, 1, 40, 2), AWKWARD)).commented())
    done = subprocess.run(["bash", str(script)], capture_output=True, text=True, check=True)
    assert done.stdout == "".join(f"{word}|" for word in AWKWARD[2:])
    options = re.findall(r"^#SBATCH --(\S+)$", script.read_text(), re.MULTILINE)
    assert {"cpus-per-task=3", "mem=1024M", "gres=mps:40", "time=2"} <= set(options)
    assert not any(option.startswith("begin") for option in options)


def test_slurm_waits_for_a_plan_that_waits() -> None:
    plan = a_plan(start_ms=12_345).model_copy(update={"status": "wait"})
    assert "#SBATCH --begin=now+13\n" in load("exporter", "slurm")(a_job(plan)).text


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    plan = a_plan(2.5, 3, 40, 2, start_ms=1500).model_copy(update={"status": "wait"})
    unit = tmp_path / "tomas-tool.service"
    unit.write_text(load("exporter", "systemd")(a_job(plan)).commented())
    verify = ["systemd-analyze", "verify", "--man=no", str(unit)]
    done = subprocess.run(verify, capture_output=True, text=True)
    assert unit.name not in done.stdout + done.stderr
    unit.write_text(unit.read_text().replace("MemoryMax=", "MemoryMax=x"))
    bad = subprocess.run(verify, capture_output=True, text=True)
    assert unit.name in bad.stdout + bad.stderr


def test_a_unit_file_takes_no_word_for_a_variable_or_specifier() -> None:
    assert quoted('a "b" $c %d \\e\n') == '"a \\"b\\" $$c %%d \\\\e\\n"'


@pytest.mark.slow
def test_a_local_ray_runs_the_task(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="ray is not installed: pip install 'tomas[ray]'")
    script = tmp_path / "job.py"
    code = "import os, sys; print('threads', os.environ['OMP_NUM_THREADS']); sys.exit(5)"
    script.write_text(load("exporter", "ray")(a_job(a_plan(1, 0.5), (sys.executable, "-c", code))).commented())
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120)
    assert "threads 1" in done.stdout, done.stderr
    assert done.returncode == 5


@pytest.mark.parametrize("engine", ENGINES)
def test_the_text_says_what_is_enforced_and_what_is_not(engine: str) -> None:
    export = load("exporter", engine)(a_job(a_plan(2, 2, 50, 4)))
    text = export.commented()
    for name in export.enforced:
        assert f"# {name}: enforced by" in text
    for name in export.not_enforced:
        assert f"# {name}: not enforced" in text
    assert text.startswith("#")
    if engine == "slurm":
        assert text.startswith("#!/bin/bash\n")
