"""The semantic stream: what a tool is, in the frozen model's own terms, one vector a tool."""

import torch

from tomas.backbone.loading import Backbone
from tomas.domain.tools import ToolRegistry

MAX_TOKENS = 256


@torch.no_grad()
def tool_semantics(backbone: Backbone, registry: ToolRegistry) -> torch.Tensor:
    """Semantic vectors [K, hidden]: means of the last hidden states, centred over tools, as long as a token embedding.

    Raw means point almost the same way for every tool and are ten times too long to be read as an input.
    """
    texts = [f"Tool: {tool.name}\nDescription: {tool.description}" for tool in registry.tools]
    means = []
    for ids in backbone.tokenize(texts, MAX_TOKENS):
        tokens = torch.tensor([ids], device=backbone.model.device)
        hidden = backbone.body(input_ids=tokens, use_cache=False).last_hidden_state
        means.append(hidden[0].float().mean(dim=0))
    semantics_KH = torch.stack(means)
    if len(means) > 1:
        semantics_KH = semantics_KH - semantics_KH.mean(dim=0)
    return torch.nn.functional.normalize(semantics_KH, dim=1).cpu() * backbone.embedding_norm
