"""Three tools profiled on a grid, and an encoder for them."""

from itertools import product
from typing import Any

import torch

from tests.backbone.small import tiny
from tests.domain.cases import registry
from tomas.backbone.loading import Backbone
from tomas.config import Encoder as EncoderParams
from tomas.domain.catalogue import ROW_COLUMNS, Catalogue
from tomas.domain.resources import SIZES
from tomas.encoder.model import ResourceEncoder
from tomas.encoder.pretraining import PretrainingTask
from tomas.encoder.semantic import tool_semantics

TOOLS = ("alpha", "beta", "gamma")
PARAMS = EncoderParams(exemplars=2, batch_size=5, epoch_share=1.0)


def grid() -> Catalogue:
    """3 tools x 3 sizes x 3 amounts of cores x 3 of GPU memory; the rows are given in another order than the IDs'."""
    rows = [
        (tool, size, cores, 0.3, 20 * cores, memory, 700 * (place + 1) * (1 + SIZES.index(size)) / cores + memory)
        for memory, cores, size, (place, tool) in product((1.5, 2, 4), (1, 2, 4), SIZES, enumerate(TOOLS))
    ]
    return Catalogue.from_rows(registry(TOOLS), [dict(zip(ROW_COLUMNS, row, strict=True)) for row in rows])


CATALOGUE = grid()


def encoder(backbone: Backbone, fusion: str = "gated", alpha: float | None = None) -> ResourceEncoder:
    """An untrained encoder; `alpha` opens its gate."""
    torch.manual_seed(0)
    table = torch.tensor(CATALOGUE.vector6(), dtype=torch.float32)
    made = ResourceEncoder(tool_semantics(backbone, CATALOGUE.tools), table, fusion, d_resource=16)
    if alpha is not None:
        with torch.no_grad():
            made.fusion.alpha.fill_(alpha)
    return made


def task(kind: Any = PretrainingTask, alpha: float | None = 0.5, **params: Any) -> Any:
    """The pretraining task on the tiny backbone."""
    backbone = tiny()
    return kind(backbone, encoder(backbone, alpha=alpha), CATALOGUE, PARAMS.model_copy(update=params), 0)
