"""`Planner`: from a request in words to a plan; the command line, HTTP, Python and MLflow all go through it."""

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tomas.config import Params, load_params
from tomas.domain.latency import PlanningCase
from tomas.domain.plan import Plan, infeasible_plan, run_plan
from tomas.domain.request import Request
from tomas.domain.resources import RESOURCES, Floats, Size
from tomas.domain.timeline import Timeline
from tomas.kernel.tables import PLANNING_KINDS
from tomas.paths import project
from tomas.planner.artifact import Artifact, read_artifact, read_parts
from tomas.planner.learned_latency import thinking_time
from tomas.planner.predictor import Case, Prediction, Predictor
from tomas.planner.words import Words
from tomas.training.hooks import Hooks
from tomas.training.plugins import hooks_for

CONFIDENCE_DIGITS = 3
"""More would depend on which requests were planned together."""


class Planner:
    """A trained planner; safe to call from several threads, which take turns at the model."""

    def __init__(self, artifact: Artifact, hooks: Hooks | None = None) -> None:
        self.hooks = hooks or Hooks()
        self.folder, self.catalogue, spec = artifact.folder, artifact.catalogue, artifact.spec
        self.predictor = Predictor(artifact)
        self.capacity, self.gate_threshold = self.predictor.capacity, spec.gate_threshold
        self.vote_threshold = spec.vote_threshold
        self.parts = read_parts(artifact.folder)
        self.t_inf = thinking_time(spec.t_inf, artifact.folder)
        self._whole = Timeline.constant(self.capacity)
        self._words = Words(self.predictor.backbone, self.predictor.adapters, self.catalogue.tools)
        self._lock = threading.Lock()

    @classmethod
    def load(cls, folder: Path | str, params: Params | None = None) -> "Planner":
        """Read a planner that `dvc repro` wrote to assets/planner; params name the plug-ins it plans with."""
        return cls(read_artifact(Path(folder)), None if params is None else hooks_for(params, PLANNING_KINDS))

    @classmethod
    def of_project(cls, folder: Path | None = None) -> "Planner":
        """The planner of this project, or of a folder, with the plug-ins that the project's params.yaml names."""
        paths = project()
        return cls.load(folder or paths.planner, load_params(paths.params) if paths.params.exists() else None)

    def plan(
        self,
        text: str | Request,
        *,
        input: Mapping[str, float] | None = None,
        input_size: Size | None = None,
        timeline: Timeline | None = None,
        t_inf_ms: float | None = None,
        explain: bool = False,
    ) -> Plan:
        """The plan for one request: its words, what is known of its input, and what is free when."""
        if not isinstance(text, Request):
            amounts = None if input is None else dict(input)
            text = Request(text=text, input=amounts, input_size=input_size, timeline=timeline, t_inf_ms=t_inf_ms)
        return self.plan_batch([text], explain=explain)[0]

    def plan_batch(self, requests: Sequence[Request], explain: bool = False) -> list[Plan]:
        """The plans for several requests, in order."""
        began = time.perf_counter()
        cases = [self._case(request) for request in requests]
        predictions = self._predict(cases)
        plans = [self._conclude(case, prediction) for case, prediction in zip(cases, predictions, strict=True)]
        elapsed_ms = (time.perf_counter() - began) * 1000
        for request in requests:
            self.t_inf.observe(self._planning_case(request), elapsed_ms)
        return self._with_words(requests, plans, explain)

    def predict(self, requests: Sequence[Request], tool_ids: Sequence[int] | None = None) -> list[Prediction]:
        """What the model says, before the timeline has; `tool_ids` gives the tools instead of asking for them."""
        return self._predict([self._case(request) for request in requests], tool_ids)

    def complete(self, request: Request, prediction: Prediction) -> Plan:
        """The plan a prediction leads to on the request's timeline, without the model's words."""
        return self._conclude(self._case(request), prediction)

    def imagine(
        self, case: Case, variations: Sequence[tuple[str, float]], tool_id: int | None = None
    ) -> list[Prediction]:
        """What the model would say of a case in other words or after another thinking time: (text, T_inf in ms)."""
        cases = [
            Case(case.request.model_copy(update={"text": text}), case.timeline, t_inf_ms)
            for text, t_inf_ms in variations
        ]
        return self._predict(cases, None if tool_id is None else [tool_id] * len(cases))

    def alternatives(self, request: Request, prediction: Prediction, count: int) -> list[dict[str, Any]]:
        """The next best configurations that fit at the plan's start, best first, and what they would cost."""
        case, ids = self._case(request), prediction.ids
        found = case.decide(self.catalogue, ids, self.capacity)
        order = [int(i) for i in np.argsort(-prediction.config_logits, kind="stable") if found.feasible[i]]
        rows = []
        for place in order[1 : count + 1]:
            row = self.catalogue.row(int(ids[place]))
            resources = {name: row[name] for name in RESOURCES}
            latency = float(row["latency_ms"])
            rows.append(
                {"config_id": int(ids[place]), "resource_config": resources, "expected_latency_ms": latency,
                 "start_ms": found.start_ms, "end_ms": found.start_ms + latency}
            )  # fmt: skip
        return rows

    def thinking_ms(self, request: Request) -> float:
        """T_inf of the request: what it says itself, else what is predicted now."""
        if request.t_inf_ms is not None:
            return request.t_inf_ms
        return self.t_inf.predict(self._planning_case(request))

    def _case(self, request: Request) -> Case:
        return Case(request, request.timeline or self._whole, self.thinking_ms(request))

    def _planning_case(self, request: Request) -> PlanningCase:
        return PlanningCase(len(request.text), None, request.input_size, has_gpu=bool(self.capacity[2] > 0))

    def _predict(self, cases: Sequence[Case], tool_ids: Sequence[int] | None = None) -> list[Prediction]:
        for case in cases:
            self.hooks.call.on_plan_start(planner=self, case=case)
        change = self._changed_logits if self.hooks.plugins else None
        with self._lock:
            return self.predictor.predict(cases, tool_ids, change)

    def _changed_logits(self, case: Case, logits: Floats) -> Floats | None:
        changed: Floats | None = self.hooks.call.on_plan_logits(planner=self, case=case, logits=logits)
        return changed

    def _conclude(self, case: Case, prediction: Prediction) -> Plan:
        """The plan a prediction leads to, after the plug-ins have had their say."""
        plan = self._plan(case, prediction)
        changed: Plan | None = self.hooks.call.on_plan_end(planner=self, case=case, prediction=prediction, plan=plan)
        return plan if changed is None else changed

    def _plan(self, case: Case, prediction: Prediction) -> Plan:
        """Which tool, then which of its configurations that fit at the earliest moment one does."""
        confidence = round(float(prediction.tool_probabilities[prediction.tool_id]), CONFIDENCE_DIGITS)
        if prediction.serviceable < self.gate_threshold:
            return Plan(status="no_tool", tool_confidence=round(1 - prediction.serviceable, CONFIDENCE_DIGITS))
        warnings = (*([] if prediction.size_warning is None else [prediction.size_warning]), *case.warnings)
        more = {"tool_confidence": confidence, "warnings": warnings}
        tool, ids = prediction.tool_id, prediction.ids
        if not len(ids):
            reason = f"{self.catalogue.tools[tool].name} was never profiled with {prediction.size} input"
            return infeasible_plan(self.catalogue, tool, prediction.size, reason=reason, **more)
        found = case.decide(self.catalogue, ids, self.capacity)
        if found.status == "infeasible":
            reason = found.reason or "nothing fits"
            return infeasible_plan(self.catalogue, tool, prediction.size, reason=reason, **more)
        config = int(ids[np.where(found.feasible, prediction.config_logits, -np.inf).argmax()])
        return run_plan(self.catalogue, config, status=found.status, start_ms=found.start_ms, feasible=True, **more)

    def _with_words(self, requests: Sequence[Request], plans: list[Plan], explain: bool) -> list[Plan]:
        """Answers for requests no tool serves; explanations where they are asked for."""
        unserved = [place for place, plan in enumerate(plans) if plan.status == "no_tool"]
        served = [place for place, plan in enumerate(plans) if explain and plan.status != "no_tool"]
        with self._lock:
            answers = self._words.answers([requests[place].text for place in unserved])
            reasons = self._words.explanations([requests[place].text for place in served], [plans[i] for i in served])
        for place, said in zip(unserved, answers, strict=True):
            plans[place] = plans[place].model_copy(update={"text": said})
        for place, said in zip(served, reasons, strict=True):
            plans[place] = plans[place].model_copy(update={"explanation": said})
        return plans
