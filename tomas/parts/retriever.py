"""A shortlist of tools for large catalogues, drawn by what their descriptions have in common with the request."""

from typing import Any, Protocol

import numpy as np

from tomas.config import Retriever as RetrieverParams
from tomas.domain.resources import Floats
from tomas.domain.tools import ToolRegistry

SENTENCE_MODEL = "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2"


class Index(Protocol):
    """Tools as something that can be searched."""

    def scores(self, text: str) -> Floats:
        """How well each tool fits a text [K]; all zero where the text has nothing in common with any."""


class TfidfIndex:
    """Weighted pieces of words: needs nothing but scikit-learn, and forgives endings and typos."""

    def __init__(self, tools: ToolRegistry) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self._vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True)
        self._tools = self._vectorizer.fit_transform(map(words_of, tools.tools))

    def scores(self, text: str) -> Floats:
        """Cosines of the weighted pieces."""
        found: Floats = (self._tools @ self._vectorizer.transform([text]).T).toarray()[:, 0]
        return found


class SentenceIndex:
    """Vectors of a multilingual sentence encoder."""

    def __init__(self, tools: ToolRegistry) -> None:
        from sentence_transformers import SentenceTransformer

        self._encoder = SentenceTransformer(SENTENCE_MODEL)
        self._tools = self._encoder.encode([words_of(tool) for tool in tools.tools], normalize_embeddings=True)

    def scores(self, text: str) -> Floats:
        """Cosines of the vectors."""
        found: Floats = self._tools @ self._encoder.encode(text, normalize_embeddings=True)
        return found


def words_of(tool: Any) -> str:
    """What a tool says of itself."""
    return f"{tool.name.replace('_', ' ')}. {tool.description}"


class Retriever:
    """The plug-in: takes tools that are not on the shortlist out of the choice.

    A request that has nothing in common with any description is planned over all tools, and so is every request where
    the index fails: its plan then carries a warning that begins with `degraded`.
    """

    index: type[Index] = TfidfIndex

    def __init__(self, params: RetrieverParams) -> None:
        self.params = params
        self._index: Index | None = None
        self._failure: str | None = None

    def on_plan_logits(self, planner: Any, case: Any, logits: Floats) -> Floats | None:
        """The tool logits [K], -inf off the shortlist; None where there is nothing to change."""
        tools: ToolRegistry = planner.catalogue.tools
        if len(tools) < max(self.params.min_tools, self.params.shortlist + 1):
            return None
        scores = self._scores(case.request.text, tools)
        if self._failure is not None:
            case.warnings.append(f"degraded: no shortlist of tools ({self._failure}); all {len(tools)} were looked at")
        if scores is None or not scores.any():
            return None
        listed = np.argsort(-scores, kind="stable")[: self.params.shortlist]
        changed = np.full(len(logits), -np.inf)
        changed[listed] = logits[listed]
        return changed

    def _scores(self, text: str, tools: ToolRegistry) -> Floats | None:
        """The index's answer; an index that failed once is not asked again."""
        if self._failure is not None:
            return None
        try:
            if self._index is None:
                self._index = self.index(tools)  # type: ignore[call-arg]
            return self._index.scores(text)
        except Exception as error:
            self._failure = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            return None


class SentenceRetriever(Retriever):
    """The same by sentence vectors."""

    index = SentenceIndex
