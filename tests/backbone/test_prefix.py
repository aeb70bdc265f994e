"""A prefix read from its keys and values is the prefix read in full, however often it is used."""

import pytest
import torch

from tests.backbone.small import TOKENS_BT, tiny
from tomas.backbone.prefix import as_cache, positions, prefill


@torch.no_grad()
@pytest.mark.parametrize("cut", [1, 5, 7])
def test_a_continuation_over_the_cache_gives_the_numbers_of_one_pass(cut: int) -> None:
    backbone = tiny()
    whole = backbone.body(input_ids=TOKENS_BT, use_cache=False).last_hidden_state
    cache = as_cache(prefill(backbone, TOKENS_BT[:, :cut]))
    rest = backbone.body(input_ids=TOKENS_BT[:, cut:], past_key_values=cache, use_cache=False).last_hidden_state
    torch.testing.assert_close(rest, whole[:, cut:])


@torch.no_grad()
def test_one_row_serves_a_whole_batch_and_is_not_written_to() -> None:
    backbone = tiny()
    prefix = prefill(backbone, TOKENS_BT[:1, :5])
    before = [(keys.clone(), values.clone()) for keys, values in prefix]
    after_BT = torch.cat([TOKENS_BT[:1, :5].expand(2, -1), TOKENS_BT[:, 5:]], dim=1)
    whole = backbone.body(input_ids=after_BT, use_cache=False).last_hidden_state[:, 5:]
    for _ in range(2):
        cache = as_cache(prefix, batch=2)
        rest = backbone.body(input_ids=TOKENS_BT[:, 5:], past_key_values=cache, use_cache=False).last_hidden_state
        torch.testing.assert_close(rest, whole)
    assert all(
        torch.equal(a, b) for old, new in zip(before, prefix, strict=True) for a, b in zip(old, new, strict=True)
    )


@torch.no_grad()
def test_padding_on_the_left_changes_no_key() -> None:
    backbone = tiny()
    padded_BT = torch.cat([torch.full((1, 3), 250), TOKENS_BT[:1]], dim=1)
    mask_BT = torch.tensor([[0, 0, 0, *[1] * TOKENS_BT.shape[1]]])
    for (keys, values), (bare_keys, bare_values) in zip(
        prefill(backbone, padded_BT, mask_BT), prefill(backbone, TOKENS_BT[:1]), strict=True
    ):
        torch.testing.assert_close(keys[:, :, 3:], bare_keys)
        torch.testing.assert_close(values[:, :, 3:], bare_values)


def test_positions_count_real_tokens_only() -> None:
    mask_BT = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]])
    assert positions(mask_BT).tolist() == [[0, 0, 0, 1, 2], [0, 1, 2, 3, 4]]
