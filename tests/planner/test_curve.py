"""Does a planner use the curve? Trained on the shipped data at a fraction of the size, with room in the marks."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch

from tests.pipeline.imports import ROOT
from tests.planner.small_training import label_all, small_params, train
from tomas.domain.request import Request
from tomas.domain.resources import SIZES, Floats, Ints
from tomas.domain.timeline import Timeline
from tomas.evaluation.cases import Case, fits_from, labelled_cases
from tomas.paths import Paths
from tomas.planner import Planner

pytestmark = pytest.mark.slow
PARAMS = small_params(
    labelling={"train_examples": 6000, "eval_examples": 400},
    temporal={"points": 64, "dim": 128},
    decoder={"init": "random"},
    training={"max_epochs": 1, "warmup_epochs": 12, "batch_size": 64},
)
STEP_MS = 200.0


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    paths = Paths(tmp_path_factory.mktemp("curve"))
    for part in (paths.tools, paths.profiles, paths.requests, paths.timelines):
        part.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / part.relative_to(paths.root), part)
    label_all(paths, PARAMS)
    return paths


@pytest.fixture(scope="module")
def planner(paths: Paths) -> Iterator[Planner]:
    threads = torch.get_num_threads()
    train(paths, PARAMS, paths.planner)
    torch.set_num_threads(1)
    yield Planner.load(paths.planner)
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def cases(paths: Paths, planner: Planner) -> list[Case]:
    file = paths.labelled / "test.parquet"
    return [case for case in labelled_cases(file, paths.validated, planner.catalogue, planner.capacity) if case.runs]


def chosen(planner: Planner, cases: Sequence[Case], timelines: Sequence[Timeline]) -> Ints:
    """The configurations the model likes best for these requests on these timelines; no mask has a say."""
    requests = [
        case.request.model_copy(update={"timeline": timeline, "input_size": case.size})
        for case, timeline in zip(cases, timelines, strict=True)
    ]
    predictions = planner.predict(requests, tool_ids=[case.tool_id for case in cases])
    return np.array([prediction.ids[prediction.config_logits.argmax()] for prediction in predictions])


def accuracy(planner: Planner, cases: Sequence[Case], timelines: Sequence[Timeline]) -> float:
    """How often that is the oracle's choice on the cases' own timelines."""
    best = [case.decision.best for case in cases if case.decision]
    return float((chosen(planner, cases, timelines) == best).mean())


def test_with_another_requests_curve_or_a_shuffled_one_it_errs(planner: Planner, cases: list[Case]) -> None:
    own = [case.timeline for case in cases]
    generator = np.random.default_rng(0)
    others = [own[place] for place in generator.permutation(len(own))]
    shuffled = [replace(line, free=generator.permutation(line.free)) for line in own]
    with_own = accuracy(planner, cases, own)
    assert with_own >= 0.6
    assert accuracy(planner, cases, others) <= with_own - 0.3
    assert accuracy(planner, cases, shuffled) <= with_own - 0.2


def level(free: Floats, later: Floats | None = None, change_ms: float = 0.0) -> Timeline:
    """A machine that has this much free, and from a moment on another amount."""
    times = np.arange(0.0, 8000.0, STEP_MS)
    rows = [free if later is None or time < change_ms else later for time in times]
    return Timeline(times, np.stack(rows))


def on(planner: Planner, timeline: Timeline, t_inf_ms: float) -> list[tuple[int, bool]]:
    """For a request of each tool and size: the configuration chosen on a timeline, and whether it fits there."""
    tools, sizes = zip(*product(range(len(planner.catalogue.tools)), SIZES), strict=True)
    requests = [Request(text="do it", timeline=timeline, t_inf_ms=t_inf_ms, input_size=size) for size in sizes]
    found = []
    for prediction in planner.predict(requests, tool_ids=list(tools)):
        config = int(prediction.ids[prediction.config_logits.argmax()])
        found.append((config, fits_from(timeline, config, t_inf_ms, planner.catalogue)))
    return found


def test_another_curve_gives_another_configuration(planner: Planner) -> None:
    free = on(planner, level(planner.capacity), 500.0)
    tight = on(planner, level(planner.capacity * 0.3), 500.0)
    assert np.mean([wide[0] != narrow[0] for wide, narrow in zip(free, tight, strict=True)]) >= 0.8
    assert np.mean([fits for _, fits in free]) >= 0.9
    assert np.mean([fits for _, fits in tight]) >= 0.7


def test_a_later_start_reads_a_later_window(planner: Planner) -> None:
    capacity, tight = planner.capacity, planner.capacity * 0.3
    falling = level(capacity, tight, change_ms=4000.0)
    early, late = on(planner, falling, 0.0), on(planner, falling, 4000.0)
    assert np.mean([first[0] != second[0] for first, second in zip(early, late, strict=True)]) >= 0.7
    alone = on(planner, level(tight), 0.0)
    assert np.mean([one[0] == other[0] for one, other in zip(late, alone, strict=True)]) >= 0.9
