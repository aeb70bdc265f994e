"""Asking again where the planner is unsure: plans over several thinking times and wordings vote on the outcome."""

from statistics import NormalDist
from typing import Any

import numpy as np

from tomas.config import Voter as VoterParams
from tomas.domain.fit import feasible_at
from tomas.domain.plan import Plan, run_plan
from tomas.domain.resources import Bools, Floats

WORDINGS = ("{}", "{}.", "Please: {}", "{} Thanks.", "I need this: {}")
"""The request in words that change nothing; the first is the request itself."""


def thinking_times(t_inf_ms: float, samples: int, jitter: float) -> list[float]:
    """Evenly spread quantiles of a lognormal thinking time around the predicted one; the median comes first."""
    quantiles = [NormalDist().inv_cdf((k + 0.5) / samples) for k in range(samples)]
    return [t_inf_ms * float(np.exp(jitter * z)) for z in sorted(quantiles, key=abs)]


class Entropy:
    """The plug-in: above the threshold the plan is voted on, below it the plan stands."""

    def __init__(self, params: VoterParams) -> None:
        self.params = params

    def on_plan_end(self, planner: Any, case: Any, prediction: Any, plan: Plan) -> Plan | None:
        """The plan that holds in every sampled case; None where the first one stands."""
        threshold = self.params.threshold if self.params.threshold is not None else planner.vote_threshold
        if plan.start_ms is None or prediction.doubt <= threshold:
            return None
        times = thinking_times(case.t_inf_ms, self.params.samples, self.params.jitter)
        texts = [WORDINGS[k % len(WORDINGS)].format(case.request.text) for k in range(len(times))]
        variations = list(zip(texts, times, strict=True))
        samples = planner.imagine(case, variations)
        tool = prediction.tool_id
        if prediction.tool_probabilities.argmax() == tool:  # else the tool was given, and is not up for a vote
            tool = int(np.mean([sample.tool_probabilities for sample in samples], axis=0).argmax())
        if any(sample.tool_id != tool for sample in samples):
            samples = planner.imagine(case, variations, tool_id=tool)
        return self._configuration(
            planner, case, samples, {max(t, plan.start_ms) for t in (plan.start_ms, *times)}, plan
        )

    def _configuration(
        self, planner: Any, case: Any, samples: list[Any], starts: set[float], plan: Plan
    ) -> Plan | None:
        """The configuration that most samples like among those that fit whenever planning ends."""
        ids, catalogue = samples[0].ids, planner.catalogue
        holds = np.logical_and.reduce([self._fits(case, catalogue, ids, start) for start in starts])
        if not holds.any():
            return None
        liking = np.sum([_log_softmax(sample.config_logits) for sample in samples], axis=0)
        chosen = int(ids[np.where(holds, liking, -np.inf).argmax()])
        if chosen == plan.config_id:
            return None
        return run_plan(
            catalogue, chosen, status="wait" if plan.status == "wait" else "ready", start_ms=min(starts), feasible=True,
            tool_confidence=float(np.mean([s.tool_probabilities[s.tool_id] for s in samples])), warnings=plan.warnings,
        )  # fmt: skip

    @staticmethod
    def _fits(case: Any, catalogue: Any, ids: Any, start_ms: float) -> Bools:
        return feasible_at(case.timeline, catalogue.requirement[ids], catalogue.latency_ms[ids], start_ms)


def _log_softmax(logits: Floats) -> Floats:
    shifted = logits - logits.max()
    result: Floats = shifted - np.log(np.exp(shifted).sum())
    return result
