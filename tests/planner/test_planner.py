"""The facade: whatever the model says, the plan is one that can be carried out, and says what it took for granted."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tomas.domain.plan
from tests.encoder.small import CATALOGUE
from tests.planner.small import untrained
from tomas.domain.catalogue import Catalogue
from tomas.domain.fit import feasible_at
from tomas.domain.oracle import decide
from tomas.domain.plan import Plan
from tomas.domain.request import Request
from tomas.domain.resources import RESOURCES, SIZES
from tomas.domain.timeline import Timeline
from tomas.planner import Planner

SCHEMA = json.loads(Path(tomas.domain.plan.__file__).with_name("plan.schema.json").read_text())
WHOLE = (8.0, 16.0, 100.0, 8.0)
NOTHING = (0.0, 16.0, 100.0, 8.0)
TEXTS = ["sharpen these 12 images", "hi", "把这三张照片变清晰", "please read out the letter I got from my aunt " * 3]


@pytest.fixture(scope="module")
def planner(tmp_path_factory: pytest.TempPathFactory) -> Planner:
    return Planner.load(untrained(tmp_path_factory.mktemp("planner") / "planner"))


def steps(*rows: tuple[float, Sequence[float]]) -> Timeline:
    """A timeline from (moment, what is free from it on)."""
    return Timeline(np.array([time for time, _ in rows]), np.array([free for _, free in rows]))


def checked(plan: Plan) -> Plan:
    """The plan, after the shipped schema has had a look at it."""
    jsonschema.validate(json.loads(plan.to_json()), SCHEMA)
    return plan


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Any request: a machine that changes every few hundred ms, or none."""
    cells = np.frombuffer(draw(st.binary(min_size=0, max_size=50)), dtype=np.uint8)
    rows = cells[: len(cells) // 5 * 5].reshape(-1, 5).astype(float)
    timeline = None
    if len(rows):
        moments, places = np.unique(rows[:, 0] * 40, return_index=True)
        timeline = Timeline(moments, rows[places, 1:] % (9, 17, 101, 9))
    return Request(
        text=draw(st.sampled_from(TEXTS)),
        input_size=draw(st.sampled_from((None, *SIZES))),
        timeline=timeline,
        t_inf_ms=draw(st.sampled_from((None, 0.0, 80.0, 3000.0))),
    )


@given(st.lists(requests(), min_size=1, max_size=4))
@settings(deadline=None, max_examples=60)
def test_whatever_is_free_the_plan_can_be_carried_out_at_the_earliest_moment(
    planner: Planner, asked: list[Request]
) -> None:
    for request, plan in zip(asked, planner.plan_batch(asked), strict=True):
        checked(plan)
        t_inf_ms = 500.0 if request.t_inf_ms is None else request.t_inf_ms
        timeline = request.timeline or Timeline.constant(WHOLE)
        ids = CATALOGUE.ids(plan.tool_id, plan.input_size)
        found = decide(timeline, t_inf_ms, CATALOGUE, ids, planner.capacity)
        assert plan.status == found.status
        assert request.input_size in (None, plan.input_size)
        if plan.status == "infeasible":
            assert plan.explanation == found.reason
            continue
        assert plan.config_id in ids
        assert plan.start_ms == found.start_ms
        row = [plan.config_id]
        assert feasible_at(timeline, CATALOGUE.requirement[row], CATALOGUE.latency_ms[row], plan.start_ms).all()
        assert plan.resource_config.model_dump() == {name: CATALOGUE.row(plan.config_id)[name] for name in RESOURCES}
        assert plan.end_ms == plan.start_ms + CATALOGUE.latency_ms[plan.config_id]


def test_what_is_free_at_once_is_ready_and_what_is_free_later_waits(planner: Planner) -> None:
    ready = checked(planner.plan("sharpen 12 images", t_inf_ms=120))
    assert (ready.status, ready.start_ms) == ("ready", 120)
    later = steps((0, NOTHING), (4000, WHOLE))
    wait = checked(planner.plan("sharpen 12 images", timeline=later, t_inf_ms=120))
    assert (wait.status, wait.start_ms) == ("wait", 4000)
    never = checked(planner.plan("sharpen 12 images", timeline=steps((0, NOTHING)), t_inf_ms=120))
    assert (never.status, never.feasible) == ("infeasible", False)
    assert "CPU cores" in str(never.explanation)


def test_the_best_liked_of_those_that_fit_is_taken(planner: Planner) -> None:
    narrow = steps((0, (8.0, 16.0, 100.0, 8.0)), (700, (1.0, 16.0, 40.0, 2.0)))
    for timeline in (None, narrow):
        request = Request(text=TEXTS[0], input_size="medium", timeline=timeline, t_inf_ms=100.0)
        [said] = planner.predict([request])
        plan = planner.complete(request, said)
        fits = feasible_at(
            timeline or Timeline.constant(WHOLE), CATALOGUE.requirement[said.ids], CATALOGUE.latency_ms[said.ids], 100.0
        )
        assert timeline is None or 0 < fits.sum() < len(fits)
        liked = {int(i): float(logit) for i, logit, fit in zip(said.ids, said.config_logits, fits, strict=True) if fit}
        assert plan.config_id == max(liked, key=lambda i: liked[i])


def test_a_request_that_no_tool_serves_gets_words_and_no_configuration(tmp_path: Path) -> None:
    strict = Planner.load(untrained(tmp_path / "planner", gate_threshold=1.0))
    plan = checked(strict.plan("what is the capital of France?"))
    assert plan.status == "no_tool"
    assert isinstance(plan.text, str)
    assert plan.tool_confidence == pytest.approx(
        1 - strict.predict([Request(text="what is the capital of France?")])[0].serviceable, abs=1e-3
    )


def test_a_size_that_was_never_profiled_is_told_and_not_guessed(tmp_path: Path) -> None:
    rows = [CATALOGUE.row(i) for i in range(len(CATALOGUE)) if CATALOGUE.size_id[i] != 2]
    some = Planner.load(untrained(tmp_path / "planner", Catalogue.from_rows(CATALOGUE.tools, rows)))
    plans = some.plan_batch([Request(text="sharpen", input_size=size) for size in SIZES])
    assert [checked(plan).status for plan in plans] == ["ready", "ready", "infeasible"]
    assert plans[2].explanation == f"{plans[2].tool_name} was never profiled with large input"


@pytest.mark.parametrize(
    ("more", "size", "warns"),
    [
        ({"input_size": "large"}, "large", False),
        ({"input": {"images": 1}}, "small", False),
        ({"input": {"images": 1}, "input_size": "large"}, "large", True),
        ({}, "medium", True),
    ],
)
def test_the_size_is_what_is_known_of_the_input_and_assumptions_are_told(
    planner: Planner, more: dict[str, Any], size: str, warns: bool
) -> None:
    plan = checked(planner.plan("make them sharp", **more))
    assert plan.input_size == size
    assert bool(plan.warnings) == warns


def test_a_batch_holds_the_plans_of_each_request_alone_in_order(planner: Planner) -> None:
    asked = [Request(text=text, input_size="small", t_inf_ms=90.0) for text in TEXTS * 12]
    together = planner.plan_batch(asked)
    alone = {text: planner.plan(text, input_size="small", t_inf_ms=90.0) for text in TEXTS}
    for request, plan in zip(asked, together, strict=True):
        assert plan == alone[request.text]
    assert len({plan.tool_confidence for plan in together}) >= len(TEXTS)


def test_no_requests_are_no_plans(planner: Planner) -> None:
    assert planner.plan_batch([]) == []
    assert planner.predict([]) == []


def test_a_request_object_and_its_parts_are_the_same(planner: Planner) -> None:
    timeline = steps((0, NOTHING), (700, WHOLE))
    more: dict[str, Any] = {"input": {"images": 12}, "timeline": timeline, "t_inf_ms": 60.0}
    assert planner.plan(Request(text="sharpen", **more)) == planner.plan("sharpen", **more)


def test_a_given_tool_is_taken_and_the_others_probabilities_stay(planner: Planner) -> None:
    request = Request(text=TEXTS[0], input_size="small")
    [free] = planner.predict([request])
    for tool in range(3):
        [given_tool] = planner.predict([request], tool_ids=[tool])
        assert given_tool.tool_id == tool
        assert set(given_tool.ids) == set(CATALOGUE.ids(tool, "small"))
        assert np.array_equal(given_tool.tool_probabilities, free.tool_probabilities)
    assert free.tool_id == free.tool_probabilities.argmax()
    assert free.tool_probabilities.sum() == pytest.approx(1)


def test_threads_get_the_plans_they_would_get_alone(planner: Planner) -> None:
    asked = [
        Request(text=f"{text} {number}", input_size=SIZES[number % 3], t_inf_ms=10.0 * number)
        for number in range(10)
        for text in TEXTS
    ]
    alone = [planner.plan(request) for request in asked]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(planner.plan, asked))
    assert together == alone


def test_alternatives_fit_are_liked_less_and_leave_the_plan_out(planner: Planner) -> None:
    narrow = steps((0, NOTHING), (300, (2.0, 16.0, 80.0, 4.0)))
    request = Request(text=TEXTS[0], input_size="small", timeline=narrow, t_inf_ms=100.0)
    [said] = planner.predict([request])
    plan = planner.complete(request, said)
    rows = planner.alternatives(request, said, 3)
    liking = dict(zip(said.ids.tolist(), said.config_logits.tolist(), strict=True))
    order = [liking[place] for place in (plan.config_id, *(row["config_id"] for row in rows))]
    assert len(rows) == 3
    assert order == sorted(order, reverse=True)
    assert len({plan.config_id, *(row["config_id"] for row in rows)}) == 4
    for row in rows:
        place = [row["config_id"]]
        assert feasible_at(narrow, CATALOGUE.requirement[place], CATALOGUE.latency_ms[place], row["start_ms"]).all()
        assert row["start_ms"] == plan.start_ms == 300
        assert row["end_ms"] == 300 + row["expected_latency_ms"]
        assert row["resource_config"] == {name: CATALOGUE.row(row["config_id"])[name] for name in RESOURCES}
    everything = planner.alternatives(request, said, 1000)
    fits = feasible_at(narrow, CATALOGUE.requirement[said.ids], CATALOGUE.latency_ms[said.ids], 300.0)
    assert len(everything) == fits.sum() - 1
    assert everything[:3] == rows


def test_where_nothing_fits_there_is_no_alternative(planner: Planner) -> None:
    request = Request(text=TEXTS[0], timeline=steps((0, NOTHING)), t_inf_ms=100.0)
    assert planner.alternatives(request, planner.predict([request])[0], 3) == []


def test_an_explanation_begins_with_the_facts_of_the_plan(planner: Planner) -> None:
    plan = checked(planner.plan("sharpen 12 images", t_inf_ms=120, explain=True))
    r = plan.resource_config
    assert r is not None
    assert str(plan.explanation).startswith(
        f"{plan.tool_name} runs with {r.cpu_core:g} CPU cores, {r.cpu_mem_gb:g} GB memory, {r.gpu_sm:g} % of the GPU's "
        f"SMs and {r.gpu_mem_gb:g} GB GPU memory, starts as soon as planning is done at 120 ms"
    )
    assert planner.plan("sharpen 12 images", t_inf_ms=120).explanation is None
    never = planner.plan("sharpen", timeline=steps((0, NOTHING)), explain=True)
    assert "CPU cores" in str(never.explanation)


def test_explaining_changes_nothing_but_the_explanation(planner: Planner) -> None:
    asked = [Request(text=text, t_inf_ms=50.0) for text in TEXTS]
    plain, told = planner.plan_batch(asked), planner.plan_batch(asked, explain=True)
    assert [plan.model_copy(update={"explanation": None}) for plan in told] == plain
    assert planner.plan_batch(asked) == plain


@pytest.mark.parametrize(
    ("t_inf", "more", "start_ms"),
    [
        ({"kind": "fixed", "fixed_ms": 250}, {}, 250.0),
        ({"kind": "rule_based", "fixed_ms": 200}, {"input_size": "large"}, 200 * 2.0 * 0.7),
        ({"kind": "rule_based", "fixed_ms": 200}, {"input_size": "small"}, 200 * 0.5 * 0.7),
        ({"kind": "measured", "fixed_ms": 400}, {}, 400.0),
    ],
)
def test_without_a_thinking_time_it_is_predicted(
    tmp_path: Path, t_inf: dict[str, Any], more: dict[str, Any], start_ms: float
) -> None:
    predicted = Planner.load(untrained(tmp_path / "planner", t_inf=t_inf))
    assert predicted.plan("sharpen 12 images", **more).start_ms == pytest.approx(start_ms)
    assert predicted.plan("sharpen 12 images", t_inf_ms=33.0, **more).start_ms == 33.0


def test_the_measured_thinking_time_becomes_this_machines_own(tmp_path: Path) -> None:
    measured = Planner.load(untrained(tmp_path / "planner", t_inf={"kind": "measured", "fixed_ms": 100_000}))
    for _ in range(4):
        plan = measured.plan("sharpen 12 images")
    assert plan.start_ms is not None
    assert 0 < plan.start_ms < 20_000
