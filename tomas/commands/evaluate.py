"""`tomas evaluate`: the metrics of the trained planner on labelled requests of your own."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tomas.files import write_json
from tomas.paths import project

if TYPE_CHECKING:
    from tomas.domain.request import Request
    from tomas.domain.timeline import Timeline
    from tomas.planner.planner import Planner

GOLDEN = 0.6180339887498949
SHOWN = ("tool_accuracy", "tool_macro_recall", "no_tool_auroc", "gate_refusal_rate", "masked_near_optimal_5")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--requests",
        type=Path,
        nargs="+",
        required=True,
        metavar="FILE.jsonl",
        help='lines of {"text", "tool": NAME or null} and, where known, input, input_size, timeline, t_inf_ms, source',
    )
    parser.add_argument(
        "--timeline",
        type=Path,
        metavar="CSV",
        help="free resources for requests that bring no timeline; each is submitted at another moment of it",
    )
    parser.add_argument(
        "--planner", type=Path, metavar="FOLDER", help="the planner to measure (default assets/planner)"
    )
    parser.add_argument("--report", type=Path, metavar="FILE.html", help="draw the report of these requests too")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="write the metrics here instead of to stdout")


def run(args: argparse.Namespace) -> int:
    """Measure, then print the metrics or write them and print the main ones."""
    from tomas.data.validated import load_requests
    from tomas.domain.timeline import Timeline
    from tomas.evaluation.cases import read_cases
    from tomas.evaluation.evaluate import evaluate
    from tomas.evaluation.report import write_report
    from tomas.evaluation.tool_baseline import TfidfLogreg
    from tomas.planner.planner import Planner

    paths = project()
    timeline = Timeline.from_csv(args.timeline) if args.timeline else None
    planner = Planner.of_project(args.planner)
    cases = read_cases(args.requests, planner.catalogue, planner.capacity, _completer(planner, timeline))
    tool_baseline = None
    if (paths.validated / "requests.parquet").exists():
        tool_baseline = TfidfLogreg.of_requests(load_requests(paths.validated), planner.catalogue.tools)
    results, metrics = evaluate(planner, cases, tool_baseline)
    planner.hooks.call.on_evaluate_end(metrics=metrics)
    if args.report is not None:
        write_report(args.report, metrics, results, plots=None)
    if args.out is None:
        print(json.dumps(metrics, indent=2, sort_keys=True, allow_nan=False))
    else:
        write_json(args.out, metrics)
        _print_table(metrics)
    return 0


def _completer(planner: "Planner", timeline: "Timeline | None") -> Callable[["Request", int], "Request"]:
    """Fill in what a line leaves out: the timeline, and when planning will be done."""
    from tomas.domain.latency import PlanningCase
    from tomas.domain.resources import RESOURCES
    from tomas.domain.timeline import Timeline

    whole_machine = Timeline.constant(planner.capacity)
    has_gpu = bool(planner.capacity[RESOURCES.index("gpu_sm")] > 0)

    def complete(request: "Request", place: int) -> "Request":
        free = whole_machine
        if timeline is not None:
            # multiples of the golden ratio spread over the timeline evenly, however many requests come
            free = timeline.after(place * GOLDEN % 1.0 * float(timeline.time_ms[-1]))
        t_inf_ms = request.t_inf_ms
        if t_inf_ms is None:
            t_inf_ms = planner.t_inf.predict(PlanningCase(len(request.text), None, request.input_size, has_gpu))
        return request.model_copy(update={"timeline": request.timeline or free, "t_inf_ms": t_inf_ms})

    return complete


def _print_table(metrics: dict[str, Any]) -> None:
    whole = {**metrics, "masked_near_optimal_5": metrics["given_tool"]["masked"].get("near_optimal_5")}
    rows = [("all", whole), *((f"  {name}", row) for name, row in metrics.get("per_source", {}).items())]
    rows += [(f"  {name}", row) for name, row in metrics.get("per_label", {}).items()]
    width = max(len(name) for name, _ in rows)
    print(" " * width, "  cases", *(f"{name:>22}" for name in SHOWN))
    for name, row in rows:
        print(f"{name:<{width}}", f"{row['cases']:>7}", *(_number(row.get(key)) for key in SHOWN))


def _number(value: float | None) -> str:
    return f"{'' if value is None else format(value, '.4f'):>22}"
