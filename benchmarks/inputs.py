"""The project's inputs as training and planning see them: requests before machines, labelled by the oracle."""

import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tomas.config import Labelling, Params
from tomas.data.labelling import label
from tomas.data.validate import validate
from tomas.data.validated import Timelines, load_catalogue, load_requests, load_timelines
from tomas.domain.catalogue import Catalogue
from tomas.domain.request import Request
from tomas.domain.resources import capacity_of
from tomas.paths import project


@dataclass(frozen=True)
class Inputs:
    """What data/ holds, validated."""

    params: Params
    catalogue: Catalogue
    timelines: Timelines
    requests: pd.DataFrame
    count: int
    """Labelled examples of each split."""

    @cached_property
    def examples(self) -> dict[str, pd.DataFrame]:
        """Labelled examples by split."""
        few = Labelling(train_examples=self.count, eval_examples=self.count, t_inf_ms=self.params.labelling.t_inf_ms)
        capacity = capacity_of(self.params.machine)
        return label(self.params.seed, self.requests, self.timelines, self.catalogue, capacity, few)

    @property
    def asked(self) -> list[Request]:
        """Requests of the test split that a tool serves, each with a machine and a T_inf."""
        test = self.examples["test"]
        rows = test[test["tool_id"] >= 0].itertuples()
        return [
            Request(text=row.text, timeline=self.timelines[str(row.timeline)], t_inf_ms=row.t_inf_ms) for row in rows
        ]

    @property
    def texts_an_example(self) -> "TextsAnExample":
        """How many distinct texts the default run reads, and trains on jointly, per example of joint training."""
        texts = self.requests.loc[self.requests["split"] == "train", "text"].nunique()
        labelled, training = self.params.labelling.train_examples, self.params.training
        trained = labelled * training.epoch_share * training.max_epochs
        read = min(texts, labelled)
        return TextsAnExample(read=read / trained, drawn=min(read, trained) / trained)


class TextsAnExample(NamedTuple):
    """Per example of joint training. Requests come round in turn, so examples share texts only where they must."""

    read: float
    drawn: float


def read_inputs(params: Params, count: int) -> Inputs:
    """Validate the project's files, as the first stage does, and read them."""
    with tempfile.TemporaryDirectory() as folder:
        validated = Path(folder) / "validated"
        validate(project(), capacity_of(params.machine), validated)
        return Inputs(params, load_catalogue(validated), load_timelines(validated), load_requests(validated), count)
