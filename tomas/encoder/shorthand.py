"""A configuration in shorthand, as tokens in fixed columns: what a vector is spelled as before its sentence."""

from dataclasses import dataclass

import torch

from tomas.backbone.loading import Backbone
from tomas.encoder.template import Sentence

END = " =>\n"


@dataclass(frozen=True)
class Shorthand:
    """`super_resolution small  4  4 50  2   5800 =>`: the tool and the row's values, each column filled up with spaces.

    Columns are as wide as the table needs, so that a value stands at the same places in every row. With such a line in
    front of each exemplar's sentence, the frozen model looks a value up at its place and copies it.
    """

    tokens_NS: torch.Tensor
    end_E: torch.Tensor
    """The tokens between a line and its sentence."""

    @classmethod
    def of(cls, backbone: Backbone, tools: list[str], sentences: list[Sentence]) -> "Shorthand":
        """The table's rows, given each row's tool and sentence."""
        columns = [tools, *zip(*([" " + word for word in row.words] for row in sentences), strict=True)]
        blank = _tokens(backbone, [" "])[0][0]
        filled = [torch.tensor(_filled(_tokens(backbone, list(column)), blank)) for column in columns]
        device = backbone.model.device
        return cls(torch.cat(filled, dim=1).to(device), torch.tensor(_tokens(backbone, [END])[0], device=device))

    def line(self, row: int) -> list[int]:
        """A row's line with what ends it."""
        return [*self.tokens_NS[row].tolist(), *self.end_E.tolist()]


def _tokens(backbone: Backbone, texts: list[str]) -> list[list[int]]:
    return [list(ids) for ids in backbone.tokenizer(texts, add_special_tokens=False)["input_ids"]]


def _filled(column: list[list[int]], blank: int) -> list[list[int]]:
    width = max(map(len, column))
    return [[blank] * (width - len(ids)) + ids for ids in column]
