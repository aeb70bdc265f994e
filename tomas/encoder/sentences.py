"""Configurations as the frozen model reads their sentences: what the config head starts from in an ablation."""

import numpy as np
import torch

from tomas.backbone.loading import Backbone
from tomas.domain.catalogue import Catalogue
from tomas.encoder.template import sentence

BATCH = 32
MAX_TOKENS = 128


@torch.no_grad()
def sentence_vectors(backbone: Backbone, catalogue: Catalogue) -> torch.Tensor:
    """Means of the last hidden states over each row's sentence [N, hidden], centred, as long as a token embedding."""
    texts = [
        sentence(catalogue.tools[int(tool)].name, int(row[0]), row[1:].tolist()).text
        for tool, row in zip(catalogue.tool_id, catalogue.vector6(), strict=True)
    ]
    tokens = backbone.tokenize(texts, MAX_TOKENS)
    order = np.argsort([len(ids) for ids in tokens], kind="stable").tolist()
    vectors_NH = torch.zeros(len(texts), backbone.hidden_size)
    for start in range(0, len(order), BATCH):
        rows = order[start : start + BATCH]
        length = max(len(tokens[row]) for row in rows)
        device = backbone.model.device
        batch = torch.tensor([tokens[row] + [0] * (length - len(tokens[row])) for row in rows], device=device)
        mask = torch.tensor([[1] * len(tokens[row]) + [0] * (length - len(tokens[row])) for row in rows], device=device)
        hidden = backbone.body(input_ids=batch, attention_mask=mask, use_cache=False).last_hidden_state.float()
        vectors_NH[rows] = ((hidden * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)).cpu()
    vectors_NH -= vectors_NH.mean(dim=0)
    return torch.nn.functional.normalize(vectors_NH, dim=1) * backbone.embedding_norm
