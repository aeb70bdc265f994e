"""Are the requests varied? TF-IDF with logistic regression learns from them alone and is tried on words of others.

Run as `python benchmarks/request_diversity.py --external FOLDER`, where FOLDER holds `requests/tool_choice.jsonl`
(lines with source, label quality, text, tool) and `requests/no_tool.jsonl`. Prints one JSON object: the mean per-tool
recall of each source and of our own test split, and how well "no tool" is told apart. The external files are only read.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score, roc_auc_score
from sklearn.pipeline import make_pipeline, make_union

from tomas.paths import project

NO_TOOL = "no_tool"


def main(argv: Sequence[str] | None = None) -> int:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--external", type=Path, help="folder with requests/tool_choice.jsonl of public requests")
    args = parser.parse_args(argv)
    ours = _lines(project().requests)
    train = [row for row in ours if row["split"] == "train"]
    model = make_pipeline(
        make_union(
            TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=2),
            TfidfVectorizer(sublinear_tf=True, ngram_range=(2, 5), analyzer="char_wb", min_df=3),
        ),
        LogisticRegression(C=10, max_iter=1000, tol=1e-3),
    )
    model.fit([row["text"] for row in train], [row["tool"] or NO_TOOL for row in train])
    result: dict[str, Any] = {"train_requests": len(train)}
    result["own_test"] = _measure(model, [row for row in ours if row["split"] == "test"])
    external = args.external and args.external / "requests"
    if external is None or not external.exists():
        result["skipped"] = "no folder with external requests was given"
    else:
        rows = _lines(external / "tool_choice.jsonl")
        for source in sorted({row["source"] for row in rows}):
            result[source] = _measure(model, [row for row in rows if row["source"] == source])
        published = [row for row in rows if row["label"] == "published"]
        result["no_tool_auroc"] = _auroc(model, published, _lines(external / "no_tool.jsonl"))
    print(json.dumps(result, indent=2, sort_keys=True))
    return 0


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _measure(model: Any, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Accuracy and mean per-tool recall among the tools, "no tool" being told apart by another number."""
    rows = [row for row in rows if row["tool"] is not None]
    truth = np.array([row["tool"] for row in rows])
    scores = model.predict_proba([row["text"] for row in rows])
    tools = model.classes_ != NO_TOOL
    found = model.classes_[tools][scores[:, tools].argmax(axis=1)]
    recall = {tool: round(float((found[truth == tool] == tool).mean()), 4) for tool in sorted(set(truth))}
    mean = recall_score(truth, found, average="macro", labels=sorted(set(truth)))
    return {
        "requests": len(rows),
        "accuracy": round(float((found == truth).mean()), 4),
        "mean_recall": round(mean, 4),
        "recall": recall,
    }


def _auroc(model: Any, with_tool: list[dict[str, Any]], without: list[dict[str, Any]]) -> float:
    scores = model.predict_proba([row["text"] for row in with_tool + without])[:, list(model.classes_).index(NO_TOOL)]
    return round(float(roc_auc_score([0] * len(with_tool) + [1] * len(without), scores)), 4)


if __name__ == "__main__":
    sys.exit(main())
