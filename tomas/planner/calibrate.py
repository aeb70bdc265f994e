"""What is fitted on validation once the weights are final, with the planner as it will be loaded."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tomas.data.validated import Timelines
from tomas.domain.request import Request
from tomas.planner.artifact import read_artifact
from tomas.planner.calibration import fit_gate, fit_gate_threshold, fit_opinions, serviceable, softmax, weigh
from tomas.planner.learned_latency import LEARNED, Learned, record
from tomas.planner.predictor import Case, Predictor

VOTED_SHARE = 0.2
"""Share of validation requests that a voter, where there is one, would ask about again."""


def calibrate(folder: Path, frame: pd.DataFrame, timelines: Timelines) -> tuple[dict[str, Any], dict[str, Any]]:
    """How much each opinion on the tool and each evidence of the gate weighs, the threshold; and figures on validation.

    Each text is asked about once, at one moment: a second one of the same text says little more about its tool.
    Planning times are recorded here too, where the predictor of T_inf learns from them.
    """
    frame = frame.drop_duplicates("text")
    predictor = Predictor(read_artifact(folder))
    rows: Any = frame.astype(object).where(frame.notna(), None).itertuples()
    cases = [
        Case(Request(text=row.text, input_size=row.input_size), timelines[row.timeline], float(row.t_inf_ms))
        for row in rows
    ]
    if predictor.spec.t_inf.kind == LEARNED:
        learned = Learned(predictor.spec.t_inf.fixed_ms)
        learned.fit(record(predictor, cases))
        learned.save(folder)
    tools = frame["tool_id"].to_numpy(np.int64)
    predictions = predictor.predict(cases, tool_ids=np.maximum(tools, 0).tolist())
    opinions = np.stack([p.opinions for p in predictions])
    served = tools >= 0
    planned = frame["config_id"].to_numpy() >= 0
    chosen = np.array([p.ids[p.config_logits.argmax()] if len(p.ids) else -1 for p in predictions])
    tool_weights = fit_opinions(opinions[served], tools[served])
    probabilities = softmax(weigh(opinions, tool_weights))
    doubts = [replace(own, tool_probabilities=p).doubt for p, own in zip(probabilities, predictions, strict=True)]
    evidence_EF = np.stack([p.evidence for p in predictions])
    gate_weights = fit_gate(evidence_EF, served)
    threshold = fit_gate_threshold(serviceable(evidence_EF, gate_weights), served)
    right_E = probabilities.argmax(axis=1) == tools
    per_tool = [right_E[tools == tool].mean() for tool in np.unique(tools[served])]
    figures = {
        "val_tool_macro_recall": float(np.mean(per_tool)) if per_tool else None,
        "val_config_accuracy": float((chosen == frame["config_id"].to_numpy())[planned].mean())
        if planned.any()
        else None,
    }
    fitted = {
        "tool_weights": tool_weights,
        "gate_weights": gate_weights,
        "gate_threshold": threshold,
        "vote_threshold": float(np.quantile(doubts, 1 - VOTED_SHARE)) if len(doubts) else 1.0,
    }
    return fitted, figures
