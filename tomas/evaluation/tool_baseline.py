"""The tool baseline: TF-IDF of words and letters with logistic regression, no language model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tomas.domain.resources import Floats, Ints
from tomas.domain.tools import ToolRegistry
from tomas.evaluation.metrics import NO_TOOL


@dataclass(frozen=True)
class TfidfLogreg:
    """A classifier over the tools, with one class more for requests that no tool serves."""

    model: Any
    tool_count: int

    @classmethod
    def fit(cls, texts: Sequence[str], tool_id: Ints, tool_count: int) -> "TfidfLogreg":
        """Learn from texts and their Tool IDs (-1 = no tool)."""
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import SGDClassifier
        from sklearn.pipeline import make_pipeline, make_union

        features = make_union(
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
            # Chinese has no spaces between words: letters carry it
            TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), min_df=2, max_features=60_000, sublinear_tf=True),
        )
        # logistic regression by averaged SGD: as accurate here as lbfgs or liblinear, in a fifth of the time
        regression = SGDClassifier(loss="log_loss", alpha=1e-5, max_iter=15, tol=None, average=True, random_state=0)
        model = make_pipeline(features, regression)
        model.fit(list(texts), tool_id)
        return cls(model, tool_count)

    @classmethod
    def of_requests(cls, requests: pd.DataFrame, tools: ToolRegistry) -> "TfidfLogreg":
        """Learn from the training split of the validated requests."""
        rows = requests[requests["split"] == "train"]
        tool_id = [NO_TOOL if tool is None else tools.index(tool) for tool in rows["tool"]]
        return cls.fit(rows["text"].tolist(), np.array(tool_id, dtype=np.int64), len(tools))

    def predict(self, texts: Sequence[str]) -> tuple[Floats, Floats]:
        """Give probabilities of the tools [E, K], and that any of them serves the request [E]."""
        table = np.zeros((len(texts), self.tool_count + 1))
        # NO_TOOL = -1 is the last column
        table[:, self.model.classes_] = self.model.predict_proba(list(texts))
        served = 1.0 - table[:, NO_TOOL]
        tools = table[:, :NO_TOOL]
        return tools / np.maximum(tools.sum(axis=1, keepdims=True), 1e-12), served
