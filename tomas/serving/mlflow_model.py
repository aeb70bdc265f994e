"""The planner as MLflow runs it: this file is stored with the model and executed where the model is loaded."""

import json
from collections.abc import Mapping
from typing import Any

import mlflow
import pandas as pd
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from tomas.domain.request import Request
from tomas.planner import Planner


class PlannerModel(PythonModel):
    """Requests as rows in, plans as JSON objects out."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the planner that lies with the model."""
        self.planner = Planner.load(context.artifacts["planner"])

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002 - mlflow's own signature
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> list[dict[str, Any]]:
        """One plan a row; a cell without a value is as good as none."""
        rows = model_input.astype(object).to_dict(orient="records")
        return [plan.model_dump(mode="json") for plan in self.planner.plan_batch([_request(row) for row in rows])]


def _request(row: Mapping[Any, Any]) -> Request:
    given = {key: value for key, value in row.items() if pd.notna(value)}
    if "input" in given:
        given["input"] = json.loads(given["input"])
    return Request.model_validate(given)


mlflow.models.set_model(PlannerModel())
