"""`tomas evaluate` measures a real planner, trained on the spot, and says what it measured."""

import json
from pathlib import Path

import pytest

from tests.data.small import project
from tomas import cli
from tomas.config import parse_params
from tomas.data.labelling import label
from tomas.data.timelines import capacity
from tomas.data.validate import validate
from tomas.data.validated import load_catalogue, load_requests, load_timelines
from tomas.evaluation.cases import labelled_cases
from tomas.evaluation.evaluate import evaluate
from tomas.evaluation.report import write_report
from tomas.paths import Paths
from tomas.planner import Planner
from tomas.planner.train import train_planner
from tomas.tracking.none import NoTracker

PARAMS = parse_params(
    {
        "backbone": {"name": "tiny", "dtype": "float32"},
        "labelling": {"train_examples": 60, "eval_examples": 30},
        "temporal": {"points": 8, "dim": 8},
        "decoder": {"init": "random"},
        "training": {"max_epochs": 1, "warmup_epochs": 0},
    }
)
EXTERNAL = [
    {"text": "what will 50 hectares bear?", "tool": "crop_yield", "source": "farm", "label": "published"},
    {"text": "3 samples of milk", "tool": "milk_test", "source": "dairy", "label": "silver", "t_inf_ms": 80},
    {"text": "sing me a song", "tool": None, "source": "dairy", "label": "silver"},
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """A small project with a planner."""
    paths = project(tmp_path_factory.mktemp("trained"))
    whole, folder = capacity(PARAMS.machine), paths.validated
    validate(paths, whole, folder)
    catalogue, timelines = load_catalogue(folder), load_timelines(folder)
    examples = label(0, load_requests(folder), timelines, catalogue, whole, PARAMS.labelling)
    paths.labelled.mkdir()
    for split, frame in examples.items():
        frame.to_parquet(paths.labelled / f"{split}.parquet")
    train_planner(
        PARAMS, catalogue, timelines, paths.labelled, paths.config_weights, target=paths.planner,
        curve=paths.plots / "train.csv", checkpoints=paths.root / "checkpoints", cache=paths.root / "cache",
        tracker=NoTracker(),
    )  # fmt: skip
    paths.params.write_text("seed: 0\n")
    return paths


def test_the_test_split_is_measured_whole(trained: Paths) -> None:
    planner = Planner.load(trained.planner)
    cases = labelled_cases(trained.labelled / "test.parquet", trained.validated, planner.catalogue, planner.capacity)
    results, metrics = evaluate(planner, cases)
    assert metrics["cases"] == 30
    assert metrics["plan_parse_rate"] == metrics["feasibility_rate_masked"] == 1
    assert metrics["end_to_end"]["feasibility_rate_masked"] == 1
    assert metrics["latency_ms_p95"] >= metrics["latency_ms_p50"] > 0
    served = [case for case in cases if case.ids.size]
    assert [said.tool_id for said in results.answers.given] == [case.tool_id for case in served]
    assert all(plan.status != "no_tool" for plan in results.answers.given_plans)
    write_report(trained.reports / "evaluation.html", metrics, results, trained.plots)
    assert "Against the baselines" in (trained.reports / "evaluation.html").read_text(encoding="utf-8")


def test_cases_whose_tool_is_always_right_are_asked_once(trained: Paths) -> None:
    planner = Planner.load(trained.planner)
    cases = labelled_cases(trained.labelled / "test.parquet", trained.validated, planner.catalogue, planner.capacity)
    said = planner.predict([case.request for case in cases])
    right = [case for case, prediction in zip(cases, said, strict=True) if prediction.tool_id == case.tool_id]
    results, metrics = evaluate(planner, right)
    assert 0 < metrics["cases"] == len(right)
    assert metrics["tool_accuracy"] == 1
    assert [given.config_logits.tolist() for given in results.answers.given] == [
        free.config_logits.tolist() for free in results.answers.predictions
    ]


def test_requests_of_ones_own_are_measured_by_source(trained: Paths, monkeypatch, capsys) -> None:
    monkeypatch.chdir(trained.root)
    Path("own.jsonl").write_text("".join(json.dumps(line) + "\n" for line in EXTERNAL))
    Path("free.csv").write_text("time_ms,cpu_cores,cpu_mem_gb,gpu_sm,gpu_mem_gb\n0,4,8,40,4\n1000,16,64,100,24\n")
    assert cli.main(["evaluate", "--requests", "own.jsonl", "--timeline", "free.csv"]) == 0
    metrics = json.loads(capsys.readouterr().out)
    assert {name: row["cases"] for name, row in metrics["per_source"].items()} == {"dairy": 2, "farm": 1}
    assert set(metrics["per_label"]) == {"published", "silver"}
    assert "tfidf_logreg" in metrics["baselines"]
    assert cli.main(["evaluate", "--requests", "own.jsonl", "--out", "metrics.json", "--report", "report.html"]) == 0
    report = Path("report.html").read_text(encoding="utf-8")
    assert all(f"<td>{source}</td>" in report for source in ("dairy", "farm"))
    assert "Learning curves" not in report
    assert "farm" in capsys.readouterr().out
    assert json.loads(Path("metrics.json").read_text())["cases"] == 3


def test_a_tool_that_the_planner_does_not_know_is_an_error_of_one_line(trained: Paths, monkeypatch, capsys) -> None:
    monkeypatch.chdir(trained.root)
    Path("own.jsonl").write_text('{"text": "fly", "tool": "drone"}\n' * 9)
    assert cli.main(["evaluate", "--requests", "own.jsonl"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.splitlines()) == 1
    assert "own.jsonl:1: unknown tool 'drone'" in told.err
