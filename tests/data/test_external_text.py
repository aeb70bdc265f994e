"""Public sets we measure on: no sentence of theirs is in ours, and ours are varied enough to understand theirs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tomas.data.frames import read_frames
from tomas.data.readers import load_tools
from tomas.data.requests import normalised

ROOT = Path(__file__).parents[2]
EXTERNAL = Path(os.environ.get("TOMAS_EXTERNAL") or ROOT.parent / "shared" / "external")
SHORTEST = 4
"""Words; shorter ones ("thank you") say nothing about where they come from."""


pytestmark = pytest.mark.skipif(
    not (EXTERNAL / "requests").is_dir(),
    reason="the external requests are not here; TOMAS_EXTERNAL names their folder",
)


def test_no_external_sentence_is_among_our_requests_or_frames():
    theirs = {
        normalised(json.loads(line)["text"])
        for path in (EXTERNAL / "requests").glob("*.jsonl")
        for line in path.read_text(encoding="utf-8").splitlines()
    }
    theirs = {text for text in theirs if len(text.split()) >= SHORTEST}
    assert len(theirs) > 1000
    lines = (ROOT / "data/requests/requests.jsonl").read_text(encoding="utf-8").splitlines()
    frames = read_frames(ROOT / "data/requests/frames", load_tools(ROOT / "data/tool_registry/tools.json").names)
    ours = {normalised(json.loads(line)["text"]) for line in lines} | {normalised(frame.text) for frame in frames}
    assert ours & theirs == set()


@pytest.mark.slow
def test_bare_words_of_our_requests_already_tell_the_tools_of_others_apart():
    words = [sys.executable, str(ROOT / "benchmarks/request_diversity.py"), "--external", str(EXTERNAL)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    recall = {
        source: found["mean_recall"] for source, found in json.loads(ran.stdout).items() if isinstance(found, dict)
    }
    assert recall["toole"] >= 0.85
    assert recall["taskbench_huggingface"] >= 0.85
    assert recall["apibench_tensorflow"] >= 0.75
