"""Phase 0 as one call writes the same files for the same parameters."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.encoder.small import CATALOGUE
from tomas.config import Params, parse_params
from tomas.encoder.model import ResourceEncoder
from tomas.encoder.pretrain import pretrain_encoder
from tomas.training.hooks import PartFailed

RAW = {
    "backbone": {"name": "tiny", "dtype": "float32"},
    "encoder": {"max_epochs": 2, "exemplars": 1, "d_resource": 8, "epoch_share": 1.0},
}


def pretrain(folder: Path, params: Params, tracker: Any = None) -> dict[str, Any]:
    return pretrain_encoder(
        params, CATALOGUE, target=folder / "encoder.pt", curve=folder / "curve.csv", checkpoints=folder / "checkpoints",
        tracker=tracker,
    )  # fmt: skip


class StopsAt:
    """A tracker whose store is lost at a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def metrics(self, values: dict[str, float], step: int | None = None) -> None:
        if step == self.step:
            raise PartFailed("the store is gone")


def test_a_stopped_phase_0_ends_with_the_bytes_of_one_that_was_not(tmp_path: Path) -> None:
    params = parse_params(RAW)
    straight = pretrain(tmp_path / "straight", params)
    with pytest.raises(PartFailed):
        pretrain(tmp_path / "stopped", params, StopsAt(10))
    assert not (tmp_path / "stopped" / "encoder.pt").exists()
    resumed = pretrain(tmp_path / "stopped", params)
    assert resumed == straight
    for name in ("encoder.pt", "curve.csv"):
        assert (tmp_path / "straight" / name).read_bytes() == (tmp_path / "stopped" / name).read_bytes()


def test_the_figures_and_the_curve_are_those_of_the_encoder_that_was_written(tmp_path: Path) -> None:
    figures = pretrain(tmp_path, parse_params(RAW))
    assert figures["steps"] == 12  # 81 rows in batches of 16, twice
    assert ResourceEncoder.load(tmp_path / "encoder.pt").alpha == pytest.approx(figures["alpha"])
    curve = pd.read_csv(tmp_path / "curve.csv")
    assert {"step", "epoch", "lr", "loss", "accuracy", "value_accuracy", "alpha"} <= set(curve.columns)
    assert curve["step"].iloc[-1] == 12
