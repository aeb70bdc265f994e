"""T_inf learned: a small network says which requests take longer to plan, and its level follows the machine."""

import math
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from tomas import registry
from tomas.config import TInf
from tomas.domain.latency import FIXED_MS, LatencyPredictor, PlanningCase, checked
from tomas.domain.resources import SIZES
from tomas.planner.artifact import readable
from tomas.planner.predictor import Case, Predictor

LEARNED = "learned"
FILE = "latency.safetensors"
QUANTILE = 0.9
"""Share of plans that are ready by the predicted time: too early a start costs more than a little waiting."""
NUM_FEATURES = 6
WIDTH = 16
UPDATES = 500
GAIN = 0.1
MAX_RECORDS = 200

Record = tuple[PlanningCase, float]
"""A case, and how long planning it took in ms."""


def features(case: PlanningCase) -> list[float]:
    """Length of the text, three numbers for the size, none where it is not stated, whether the tool is, and the GPU."""
    sizes = [float(case.size == size) for size in SIZES]
    return [math.log1p(case.text_chars), *sizes, float(case.tool is not None), float(case.has_gpu)]


class Network(nn.Module):
    """Six numbers to one: the logarithm of a time in ms."""

    mean: torch.Tensor
    std: torch.Tensor
    lowest: torch.Tensor
    highest: torch.Tensor
    typical: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("mean", "std", "lowest", "highest"):
            self.register_buffer(name, torch.zeros(NUM_FEATURES))
        self.register_buffer("typical", torch.zeros(()))
        self.layers = nn.Sequential(nn.Linear(NUM_FEATURES, WIDTH), nn.GELU(), nn.Linear(WIDTH, 1))

    def forward(self, features_B6: torch.Tensor) -> torch.Tensor:
        """One logarithm a case; what lies outside of the records is taken for their edge."""
        within_B6 = features_B6.clamp(self.lowest, self.highest)
        return self.typical + self.layers((within_B6 - self.mean) / self.std)[:, 0]  # type: ignore[no-any-return]


class Learned:
    """The time that nine in ten plans of a kind keep to; before it is trained, the start value."""

    def __init__(self, start_ms: float = FIXED_MS) -> None:
        self._start_ms = checked(start_ms)
        self._network: Network | None = None
        self._level = 0.0
        self._lock = threading.Lock()

    def predict(self, case: PlanningCase) -> float:
        """Give the time in ms that planning this case will hardly exceed."""
        with self._lock:
            level = self._level
        return self._base_ms(case) * math.exp(level)

    def observe(self, case: PlanningCase, elapsed_ms: float) -> None:
        """Move the level so that in the long run nine in ten plans are in time; what is no time is left out."""
        if not math.isfinite(elapsed_ms) or elapsed_ms <= 0:
            return
        base_ms = self._base_ms(case)
        with self._lock:
            late = elapsed_ms > base_ms * math.exp(self._level)
            self._level += GAIN * (QUANTILE if late else QUANTILE - 1)

    def fit(self, records: Sequence[Record]) -> None:
        """Learn from recorded planning times, from the start; the same records give the same network."""
        x_B6 = torch.tensor([features(case) for case, _ in records])
        y_B = torch.tensor([math.log(checked(elapsed_ms)) for _, elapsed_ms in records])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = Network()
        std = x_B6.std(dim=0, correction=0)
        network.mean.copy_(x_B6.mean(dim=0))
        network.lowest.copy_(x_B6.amin(dim=0))
        network.highest.copy_(x_B6.amax(dim=0))
        network.std.copy_(torch.where(std > 1e-6, std, torch.ones(())))  # what never differed keeps its own scale
        network.typical.copy_(y_B.median())
        optimizer = torch.optim.AdamW(network.parameters(), lr=0.01, weight_decay=0.1)
        for _ in range(UPDATES):
            error_B = y_B - network(x_B6)
            loss = torch.maximum(QUANTILE * error_B, (QUANTILE - 1) * error_B).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        self._network, self._level = network.eval().requires_grad_(False), 0.0

    def save(self, folder: Path) -> None:
        """Write what was learnt beside the planner."""
        if self._network is not None:
            save_file(self._network.state_dict(), folder / FILE)

    def load(self, folder: Path) -> None:
        """Read what `save` wrote."""
        network = Network()
        with readable(folder):
            network.load_state_dict(load_file(folder / FILE))
        self._network = network.eval().requires_grad_(False)

    def _base_ms(self, case: PlanningCase) -> float:
        if self._network is None:
            return self._start_ms
        with torch.inference_mode():
            return math.exp(float(self._network(torch.tensor([features(case)]))))


def thinking_time(params: TInf, folder: Path) -> LatencyPredictor:
    """The predictor of T_inf that a planner was trained with."""
    predictor: LatencyPredictor = registry.load("latency", params.kind)(params.fixed_ms)
    if isinstance(predictor, Learned):
        predictor.load(folder)
    return predictor


def record(predictor: Predictor, cases: Sequence[Case]) -> list[Record]:
    """Plan some of these cases one by one and give how long each took; every second one states its size."""
    records = []
    has_gpu = bool(predictor.capacity[2] > 0)
    predictor.predict(cases[:1])  # the first one pays for what is made on first use
    for place, case in enumerate(cases[:MAX_RECORDS]):
        began = time.perf_counter()
        predictor.predict([case])
        elapsed_ms = (time.perf_counter() - began) * 1000
        size = case.request.input_size if place % 2 else None
        records.append((PlanningCase(len(case.request.text), None, size, has_gpu), elapsed_ms))
    return records
