"""evaluate: plan every test example, measure the plans against the oracle and the baselines, draw the report."""

import sys
from typing import Any

from tomas.runtime import StageRun, stage


@stage("evaluate", sections=("plugins", "retriever", "voter", "options"), metrics="evaluate")
def main(run: StageRun) -> dict[str, Any]:
    """Write metrics/evaluate.json, plots/{confusion,regret,reliability}.csv and reports/evaluation.html."""
    from tomas.data.validated import load_requests
    from tomas.evaluation.cases import labelled_cases
    from tomas.evaluation.evaluate import evaluate
    from tomas.evaluation.plots import write_plots
    from tomas.evaluation.report import write_report
    from tomas.evaluation.tool_baseline import TfidfLogreg
    from tomas.kernel.fallback import parts_record, record_as_tags
    from tomas.kernel.tables import PLANNING_KINDS
    from tomas.planner.planner import Planner
    from tomas.training.plugins import resolved_plugins

    paths = run.paths
    planner = Planner.load(paths.planner, run.params)
    run.tracker.tags(record_as_tags(parts_record(resolved_plugins(run.params, PLANNING_KINDS))))
    cases = labelled_cases(paths.labelled / "test.parquet", paths.validated, planner.catalogue, planner.capacity)
    tool_baseline = TfidfLogreg.of_requests(load_requests(paths.validated), planner.catalogue.tools)
    results, metrics = evaluate(planner, cases, tool_baseline)
    planner.hooks.call.on_evaluate_end(metrics=metrics)
    write_plots(paths.plots, results)
    report = paths.reports / "evaluation.html"
    write_report(report, metrics, results, paths.plots)
    run.tracker.artifact(report)
    return metrics


if __name__ == "__main__":
    sys.exit(main())
