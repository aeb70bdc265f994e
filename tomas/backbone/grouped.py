"""Attention as plain products, for training on a CPU: the fastest there with a backward pass behind it."""

from typing import Any

import torch
from torch import nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask

NAME = "tomas_grouped"


class Attend(torch.autograd.Function):
    """softmax(q k) v, where the keys and values before the last `own` are a frozen prefix, which gets no gradient.

    R is the queries of all heads that share a key head, S the keys. Nothing but the weights is kept for the backward.
    """

    @staticmethod
    def forward(
        ctx: Any, q_BGRE: torch.Tensor, k_BGSE: torch.Tensor, v_BGSE: torch.Tensor, mask_B1TS: torch.Tensor | None,
        own: int,
    ) -> torch.Tensor:  # fmt: skip
        """The mixed values."""
        scores_BGRS = q_BGRE @ k_BGSE.mT
        if mask_B1TS is not None:
            scores_BGRS.unflatten(2, (-1, own)).add_(mask_B1TS[:, :, None])
        weights_BGRS = scores_BGRS.softmax(dim=-1)
        ctx.save_for_backward(q_BGRE, k_BGSE, v_BGSE, weights_BGRS)
        ctx.own = own
        return weights_BGRS @ v_BGSE

    @staticmethod
    def backward(ctx: Any, slope_BGRE: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """The gradients of queries, keys and values."""
        q_BGRE, k_BGSE, v_BGSE, weights_BGRS = ctx.saved_tensors
        of_weights = slope_BGRE @ v_BGSE.mT
        of_scores = torch.ops.aten._softmax_backward_data(of_weights, weights_BGRS, -1, weights_BGRS.dtype)
        of_k, of_v = torch.empty_like(k_BGSE), torch.empty_like(v_BGSE)  # nobody reads the frozen part
        of_k[:, :, -ctx.own :] = of_scores[..., -ctx.own :].mT @ q_BGRE
        of_v[:, :, -ctx.own :] = weights_BGRS[..., -ctx.own :].mT @ slope_BGRE
        return of_scores @ k_BGSE, of_k, of_v, None, None


def grouped_attention(
    module: nn.Module,  # noqa: ARG001 - transformers calls every kernel alike
    q_BHTE: torch.Tensor,
    k_BGSE: torch.Tensor,
    v_BGSE: torch.Tensor,
    mask_B1TS: torch.Tensor | None,
    scaling: float,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Softmax attention in which the query heads that share a key head stand in one product with it.

    transformers' own plain products repeat keys and values for every query head and go to float32 for the softmax,
    which here only its sums do.
    """
    q_BGRE = (q_BHTE * scaling).reshape(len(q_BHTE), k_BGSE.shape[1], -1, q_BHTE.shape[3])
    mixed_BGRE: torch.Tensor = Attend.apply(  # type: ignore[no-untyped-call]
        q_BGRE, k_BGSE, v_BGSE, mask_B1TS, q_BHTE.shape[2]
    )
    return mixed_BGRE.view_as(q_BHTE).transpose(1, 2).contiguous(), None


AttentionInterface.register(NAME, grouped_attention)
AttentionMaskInterface.register(NAME, eager_mask)
