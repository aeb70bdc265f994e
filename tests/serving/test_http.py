"""The HTTP interface against a real server: plans as Python gives them, and one clear line for whatever is wrong."""

import concurrent.futures
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from tests.serving.cases import HEADER, odd, ordinary
from tests.serving.conftest import running
from tests.serving.untrained import ROOT
from tomas.domain.plan import plan_json_schema
from tomas.domain.request import Request
from tomas.planner import Planner
from tomas.serving.app import make_app
from tomas.serving.limits import Limits

VALID = jsonschema.Draft202012Validator(plan_json_schema())


def test_http_gives_the_very_plans_python_gives(client: httpx.Client, planner: Planner) -> None:
    statuses = set()
    for body in ordinary(100):
        answer = client.post("/plan", json=body)
        assert answer.status_code == 200
        assert answer.json() == json.loads(planner.plan(Request.read(body)).to_json())
        VALID.validate(answer.json())
        statuses.add(answer.json()["status"])
    assert statuses == {"ready", "wait", "infeasible", "no_tool"}


def test_a_batch_comes_back_in_order(client: httpx.Client, planner: Planner) -> None:
    bodies = ordinary(40)
    plans = client.post("/plan/batch", json={"requests": bodies}).json()["plans"]
    expected = planner.plan_batch([Request.read(body) for body in bodies])
    assert [plan["config_id"] for plan in plans] == [plan.config_id for plan in expected]


def test_clients_at_once_get_each_their_own_plan(client: httpx.Client) -> None:
    bodies = ordinary(60)
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        together = list(pool.map(lambda body: client.post("/plan", json=body).json(), bodies))
    alone = [client.post("/plan", json=body).json() for body in bodies]
    assert [plan["config_id"] for plan in together] == [plan["config_id"] for plan in alone]
    assert [plan["text"] for plan in together] == [plan["text"] for plan in alone]


def test_explanations_come_where_they_are_asked_for(client: httpx.Client) -> None:
    body = next(body for body in ordinary(100) if client.post("/plan", json=body).json()["status"] == "ready")
    explained = client.post("/plan", json={**body, "explain": True}).json()
    assert explained["tool_name"] in explained["explanation"]


def test_alternatives_fit_and_the_plan_is_not_among_them(client: httpx.Client, planner: Planner) -> None:
    for body in ordinary(30):
        answer = client.post("/plan/alternatives", json=body).json()
        plan, others = answer["plan"], answer["alternatives"]
        assert plan == client.post("/plan", json=body).json()
        if plan["config_id"] is None:
            assert others == []
            continue
        ids = [other["config_id"] for other in others]
        assert len(set(ids)) == len(ids) <= 5
        assert plan["config_id"] not in ids
        assert all(planner.catalogue.tool_id[place] == plan["tool_id"] for place in ids)
        assert len(answer["timeline"]) >= 1


def test_alternatives_start_with_the_plan_where_thinking_times_are_predicted(
    planner: Planner, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = iter(range(100, 10_000, 7))
    monkeypatch.setattr(planner.t_inf, "predict", lambda _: float(next(later)))
    found = 0
    with TestClient(make_app(planner, Limits())) as client:
        for body in ordinary(30):
            body.pop("t_inf_ms", None)
            answer = client.post("/plan/alternatives", json=body).json()
            assert {other["start_ms"] for other in answer["alternatives"]} <= {answer["plan"]["start_ms"]}
            found += len(answer["alternatives"])
    assert found


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({}, 422, "text: Field required"),
        ({"text": ""}, 422, "text:"),
        ({"text": "x", "tool_id": 3}, 422, "tool_id:"),
        ({"text": "x", "t_inf_ms": "500"}, 422, "t_inf_ms: Input should be a valid number"),
        ({"text": "x", "timeline": f"{HEADER}\n5,1,1,1,1\n5,1,1,1,1\n"}, 422, "timeline row 2: time_ms must increase"),
        (
            {"text": "x", "timeline": HEADER + "\n" + "\n".join(f"{i},1,1,1,1" for i in range(10_001))},
            422,
            "10000 rows",
        ),
        ({"text": "x", "timeline": [{"time_ms": "0"}]}, 422, "timeline row 1: time_ms is not a number"),
        ({"text": "x", "timeline": "/etc/passwd"}, 422, "timeline: the timeline lacks the columns"),
        ({"text": "x" * 20_001}, 422, "text: String should have at most 20000 characters"),
        ([], 422, "a JSON object is needed"),
        ({"text": "x", "padding": "y" * (9 << 20)}, 413, "larger than 8388608 bytes"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(client: httpx.Client, body: Any, status: int, words: str) -> None:
    answer = client.post("/plan", json=body)
    assert answer.status_code == status
    assert words in answer.json()["error"]
    assert answer.json().keys() == {"error"}
    assert "\n" not in answer.json()["error"]


def test_too_many_requests_in_a_batch_are_refused(client: httpx.Client) -> None:
    answer = client.post("/plan/batch", json={"requests": [{"text": "x"}] * 257})
    assert answer.status_code == 422
    assert "at most 256" in answer.json()["error"]


def test_a_body_is_cut_off_where_its_length_is_not_told(client: httpx.Client) -> None:
    chunks = (b" " * 65_536 for _ in range(200))
    try:
        answer = client.post("/plan", content=chunks, headers={"Content-Type": "application/json"})
        assert answer.status_code == 413
    except httpx.WriteError:
        pass  # the server hung up while we were still sending


def test_unknown_paths_and_methods_have_the_same_shape(client: httpx.Client) -> None:
    assert client.get("/plan").json() == {"error": "Method Not Allowed"}
    assert client.get("/nope").json() == {"error": "Not Found"}
    assert "juggling" in client.get("/catalogue/juggling").json()["error"]


def test_the_catalogue_and_the_schema_are_those_of_the_planner(client: httpx.Client, planner: Planner) -> None:
    catalogue = client.get("/catalogue").json()
    assert [tool["name"] for tool in catalogue["tools"]] == list(planner.catalogue.tools.names)
    assert list(catalogue["machine"].values()) == planner.capacity.tolist()
    rows = client.get("/catalogue/super_resolution").json()
    assert [row["config_id"] for row in rows] == planner.catalogue.ids("super_resolution").tolist()
    assert client.get("/schema").json() == plan_json_schema()
    assert client.get("/healthz").json()["configurations"] == len(planner.catalogue)


def test_figures_are_prometheus_text_and_count(client: httpx.Client) -> None:
    def figure(name: str, **labels: str) -> float:
        families = list(text_string_to_metric_families(client.get("/metrics").text))
        samples = [sample for family in families for sample in family.samples]
        found = [sample.value for sample in samples if sample.name == name and labels.items() <= sample.labels.items()]
        return sum(found)

    before = figure("tomas_http_requests_total", path="/plan", status="200")
    planned, timed = figure("tomas_plans_total"), figure("tomas_plan_seconds_count")
    for body in ordinary(5):
        client.post("/plan", json=body)
    client.get("/made/up/by/a/client")
    assert figure("tomas_http_requests_total", path="/plan", status="200") == before + 5
    assert figure("tomas_plans_total") == planned + 5
    assert figure("tomas_http_requests_total", path="unknown") >= 1
    assert figure("tomas_http_requests_total", path="/made/up/by/a/client") == 0
    assert figure("tomas_plan_seconds_count") == timed + 5


def test_the_pages_load_nothing_from_elsewhere(client: httpx.Client) -> None:
    for path in ("/", "/docs"):
        text = client.get(path).text
        assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
        assert "https://" not in text
    policy = client.get("/").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_with_a_token_only_its_bearer_gets_plans(untrained: Path) -> None:
    with running(untrained, token="sesame") as (_, address), httpx.Client(base_url=address, timeout=60) as client:
        for path in ("/catalogue", "/metrics"):
            assert client.get(path).status_code == 401
        for headers in ({}, {"Authorization": "Bearer open"}, {"Authorization": "Basic sesame"}):
            refused = client.post("/plan", json={"text": "x"}, headers=headers)
            assert refused.status_code == 401
            assert refused.headers["WWW-Authenticate"] == "Bearer"
        bearer = {"Authorization": "Bearer sesame"}
        assert client.post("/plan", json={"text": "x"}, headers=bearer).status_code == 200
        assert client.get("/healthz").status_code == 200
        assert client.get("/").status_code == 200


def test_what_finds_no_place_in_the_queue_is_told_to_come_again(untrained: Path) -> None:
    options = ("--queue", "2", "--max-requests", "2", "--batch", "1")
    with running(untrained, *options) as (_, address), httpx.Client(base_url=address, timeout=60) as client:
        with concurrent.futures.ThreadPoolExecutor(24) as pool:
            answers = list(pool.map(lambda _: client.post("/plan", json={"text": "x", "explain": True}), range(48)))
        assert {answer.status_code for answer in answers} == {200, 429}
        assert all(answer.headers["Retry-After"] for answer in answers if answer.status_code == 429)
        assert client.post("/plan", json={"text": "x"}).status_code == 200


def test_sigterm_answers_what_is_being_planned(untrained: Path) -> None:
    with running(untrained, "--batch", "2") as (process, address), httpx.Client(base_url=address, timeout=60) as client:
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            body = {"text": "x", "explain": True}
            calls = [pool.submit(client.post, "/plan", json=body) for _ in range(16)]
            while httpx.get(f"{address}/healthz").json()["waiting"] < 8:
                time.sleep(0.01)
            process.send_signal(signal.SIGTERM)
            answers = [call.result() for call in calls]
        assert all(answer.status_code == 200 for answer in answers)
        assert process.wait(timeout=20) in (0, -signal.SIGTERM)
        with pytest.raises(httpx.ConnectError):
            client.get("/healthz")


@pytest.mark.slow
def test_killed_under_load_it_loses_only_what_was_in_flight(untrained: Path) -> None:
    bodies = ordinary(120)
    answers: dict[int, dict[str, Any]] = {}
    lost = 0

    def ask(address: str, place: int) -> bool:
        try:
            answers[place] = httpx.post(f"{address}/plan", json=bodies[place], timeout=60).raise_for_status().json()
        except httpx.TransportError:
            return False
        return True

    with running(untrained) as (process, address), concurrent.futures.ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(ask, address, place) for place in range(120)]
        while len(answers) < 30:
            time.sleep(0.01)
        process.kill()
        lost = sum(not call.result() for call in calls)
    assert lost
    before = dict(answers)
    with running(untrained, "--port", address.rsplit(":", 1)[1]) as (_, again):
        assert again == address
        assert all(ask(again, place) for place in range(120) if place not in before)
        for place in list(before)[:10]:
            ask(again, place)
            assert answers[place]["config_id"] == before[place]["config_id"]
    assert len(answers) == 120


def test_a_port_in_use_is_one_line(server: str, untrained: Path) -> None:
    port = server.rsplit(":", 1)[1]
    command = [sys.executable, "-m", "tomas.cli", "serve", "--planner", str(untrained), "--port", port]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90)
    assert done.returncode == 1
    assert "choose another with --port" in done.stderr.splitlines()[-1]


@pytest.mark.slow
def test_two_thousand_odd_requests_get_a_plan_or_one_line(client: httpx.Client) -> None:
    statuses: dict[int, int] = {}
    for body in odd(2000):
        try:
            content = json.dumps(body).encode()
        except (ValueError, OverflowError):
            continue
        answer = client.post("/plan", content=content, headers={"Content-Type": "application/json"})
        statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
        if answer.status_code == 200:
            VALID.validate(answer.json())
        else:
            assert 400 <= answer.status_code < 500, answer.text
            assert answer.json().keys() == {"error"}
            assert "\n" not in answer.json()["error"]
    assert client.get("/healthz").status_code == 200
    assert statuses[200] > 300
    assert statuses[422] > 300


@pytest.mark.slow
def test_schemathesis_finds_nothing(server: str) -> None:
    tool = Path(sys.executable).with_name("schemathesis")
    command = [str(tool), "run", f"{server}/openapi.json", "--max-examples", "25"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=500)
    assert done.returncode == 0, done.stdout[-4000:]
