"""The metrics, from arrays alone. A metric that its cases cannot tell is left out, never guessed.

Shapes: E cases, K tools. A tool ID of -1 says that no tool serves the request.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from tomas.domain.resources import RESOURCES, Bools, Floats, Ints

Metrics = dict[str, float | dict[str, float]]
NO_TOOL = -1
WRONG_REGRET = 1.0


@dataclass(frozen=True, eq=False)
class Runs:
    """One run for each of E cases: a configuration and when it starts; config_id is -1 where there is none.

    serves says whether it is a configuration of the tool and the input size that the case asks for, fits whether its
    resources are free from its start to its end. A run is right only where both hold.
    """

    config_id: Ints
    start_ms: Floats
    latency_ms: Floats
    requirement: Floats
    serves: Bools
    fits: Bools

    def __getitem__(self, chosen: Ints | Bools) -> "Runs":
        """Give the runs of some of the cases."""
        return Runs(*(getattr(self, column.name)[chosen] for column in fields(self)))

    def __len__(self) -> int:
        return len(self.config_id)

    @property
    def right(self) -> Bools:
        """Which runs do what was asked for and can take place."""
        return self.serves & self.fits


def regret(runs: Runs, best: Runs) -> Floats:
    """Give how much longer each run takes than the oracle's, as a share [E]; one that is not right counts as 1.

    A start after the oracle's counts as time taken. A run that ends a little sooner counts as 0: the oracle gives up to
    2 % of latency for a smaller footprint, and that must not pay for a slow run elsewhere.
    """
    took = runs.latency_ms + (runs.start_ms - best.start_ms)
    share = np.maximum(took / best.latency_ms - 1.0, 0.0)
    return np.where(runs.right, share, WRONG_REGRET)


def near_optimal(runs: Runs, best: Runs, percent: float) -> Bools:
    """Say which runs are right and take at most this much longer than the oracle's."""
    near: Bools = runs.right & (regret(runs, best) <= percent / 100 + 1e-9)
    return near


def exact(runs: Runs, best: Runs) -> Bools:
    """Say which runs are the oracle's configuration, started when it fits."""
    same: Bools = runs.right & (runs.config_id == best.config_id)
    return same


def run_metrics(runs: Runs, best: Runs) -> Metrics:
    """Measure runs against the oracle's of the same cases; feasibility is that of the runs there are."""
    if not len(best):
        return {}
    regrets = regret(runs, best)
    metrics: Metrics = {
        "config_accuracy": float(exact(runs, best).mean()),
        "near_optimal_5": float(near_optimal(runs, best, 5).mean()),
        "near_optimal_10": float(near_optimal(runs, best, 10).mean()),
        "latency_regret_mean": float(regrets.mean()),
        "latency_regret_p95": float(np.percentile(regrets, 95)),
    }
    chosen = runs.config_id >= 0
    if chosen.any():
        metrics["feasibility_rate"] = float(runs.fits[chosen].mean())
    serving = runs.serves.nonzero()[0]
    return metrics | _resource_errors(runs[serving], best[serving])


def tool_metrics(tool_id: Ints, probabilities: Floats, serviceable: Floats, gate_threshold: float) -> Metrics:
    """Measure the choice of tool (before the gate) and the gate: probabilities are [E, K], serviceable is [E]."""
    metrics: Metrics = {}
    served = tool_id != NO_TOOL
    if served.any():
        truth, likely = tool_id[served], probabilities[served]
        right = likely.argmax(axis=1) == truth
        metrics["tool_accuracy"] = float(right.mean())
        metrics["tool_macro_recall"] = macro_recall(truth, right)
        metrics["gate_refusal_rate"] = float((serviceable[served] < gate_threshold).mean())
        metrics["expected_calibration_error"] = calibration_error(reliability(likely.max(axis=1), right))
    if not served.all():
        metrics["no_tool_recall"] = float((serviceable[~served] < gate_threshold).mean())
        if served.any():
            metrics["no_tool_auroc"] = auroc(1.0 - serviceable, ~served)
    return metrics


def macro_recall(truth: Ints, right: Bools) -> float:
    """Give the mean over the tools that occur of the share of their cases that is right."""
    hits, counts = np.bincount(truth, weights=right), np.bincount(truth)
    return float((hits[counts > 0] / counts[counts > 0]).mean())


def auroc(score: Floats, positive: Bools) -> float:
    """Give the probability that a positive case scores above a negative one; ties count half."""
    negatives = np.sort(score[~positive])
    wins = np.searchsorted(negatives, score[positive], side="left")
    not_lost = np.searchsorted(negatives, score[positive], side="right")
    return float((wins + not_lost).mean() / (2 * len(negatives)))


def reliability(confidence: Floats, right: Bools, bins: int = 10) -> list[dict[str, float]]:
    """Give, for each bin of confidence that has cases, how confident they were and how many were right."""
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    return [
        {
            "from": number / bins,
            "to": (number + 1) / bins,
            "cases": float((place == number).sum()),
            "confidence": float(confidence[place == number].mean()),
            "accuracy": float(right[place == number].mean()),
        }
        for number in np.unique(place).tolist()
    ]


def calibration_error(bins: Sequence[dict[str, float]]) -> float:
    """Give the expected calibration error: the mean gap between confidence and accuracy, weighted by cases."""
    cases = sum(row["cases"] for row in bins)
    return sum(row["cases"] * abs(row["confidence"] - row["accuracy"]) for row in bins) / cases


def confusion(tool_id: Ints, predicted: Ints, count: int) -> Ints:
    """Give counts [K + 1, K + 1] of true tool (rows) by predicted one; the last row and column are no tool."""
    table = np.zeros((count + 1, count + 1), dtype=np.int64)
    np.add.at(table, (tool_id, predicted), 1)  # NO_TOOL = -1 is the last place
    return table


def _resource_errors(runs: Runs, best: Runs) -> Metrics:
    """Give how far the amounts lie from the oracle's, absolute and relative, over runs that serve their case."""
    if not len(runs):
        return {}
    gap = np.abs(runs.requirement - best.requirement)
    absolute = dict(zip(RESOURCES, gap.mean(axis=0).tolist(), strict=True))
    relative = {}
    for place, name in enumerate(RESOURCES):
        used = best.requirement[:, place] > 0  # a relative error needs an amount to relate to
        if used.any():
            relative[name] = float((gap[used, place] / best.requirement[used, place]).mean())
    return {"resource_mae": absolute, "resource_mape": relative}
