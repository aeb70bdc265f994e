"""Several texts continued by the frozen model, each as it would be alone."""

import time
from collections.abc import Sequence

import torch

from tomas.backbone.loading import Backbone
from tomas.backbone.packed import NAME, Packing

MAX_NEW_TOKENS = 48
MAX_SECONDS = 12.0
REPETITION_PENALTY = 1.1


@torch.inference_mode()
def continued(backbone: Backbone, prompts: Sequence[list[int]]) -> list[list[int]]:
    """Greedy continuations, bounded in length and time: the likeliest token each time, those already there less so."""
    before = backbone.model.config._attn_implementation
    backbone.model.set_attn_implementation(NAME)
    try:
        return _continue(backbone, prompts)
    finally:
        backbone.model.set_attn_implementation(before)


def _continue(backbone: Backbone, prompts: Sequence[list[int]]) -> list[list[int]]:
    until, ends, device = time.monotonic() + MAX_SECONDS, _end_tokens(backbone), backbone.model.device
    said: list[list[int]] = [[] for _ in prompts]
    alive = list(range(len(prompts)))
    packing = Packing([len(ids) for ids in prompts], room=MAX_NEW_TOKENS)
    following = [token for ids in prompts for token in ids]
    for _ in range(MAX_NEW_TOKENS):
        last = torch.tensor(packing.ends, device=device) - 1
        states_MH = packing.run(backbone, backbone.embed(torch.tensor(following, device=device))).last_hidden_state[0]
        logits_BV = backbone.model.lm_head(states_MH[last]).float()
        following = [
            _likeliest(logits_V, [*prompts[place], *said[place]])
            for logits_V, place in zip(logits_BV, alive, strict=True)
        ]
        going = [i for i, token in enumerate(following) if token not in ends]
        if not going or time.monotonic() > until:
            break
        if len(going) < len(alive):
            packing.keep(going)
            alive, following = [alive[i] for i in going], [following[i] for i in going]
        for place, token in zip(alive, following, strict=True):
            said[place].append(token)
    return said


def _likeliest(logits_V: torch.Tensor, present: list[int]) -> int:
    known = torch.tensor(present, device=logits_V.device)
    own = logits_V[known]
    logits_V[known] = torch.where(own < 0, own * REPETITION_PENALTY, own / REPETITION_PENALTY)
    return int(logits_V.argmax())


def _end_tokens(backbone: Backbone) -> set[int]:
    ends = backbone.model.generation_config.eos_token_id
    if ends is None:
        ends = backbone.tokenizer.eos_token_id
    return set(ends) if isinstance(ends, list) else {ends}
