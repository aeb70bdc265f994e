"""Splits go by name, in their shares, and leave none empty where there is enough to share."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomas.data.splits import share_out

SHARES = {"val": 0.10, "test": 0.20}
names = st.lists(st.text(max_size=5), unique=True)


@given(st.integers(0, 99), names)
def test_every_name_gets_one_split_whatever_the_order(seed, some):
    shared = share_out(seed, some, SHARES)
    assert set(shared) == set(some)
    assert shared == share_out(seed, list(reversed(some)), SHARES)


@given(st.integers(0, 99), names.filter(lambda some: len(some) >= 3))
def test_from_three_names_on_no_split_is_empty(seed, some):
    assert set(share_out(seed, some, SHARES).values()) == {"train", "val", "test"}


def test_the_shares_are_kept():
    counts = Counter(share_out(0, [str(number) for number in range(1000)], SHARES).values())
    assert counts == pytest.approx({"train": 700, "val": 100, "test": 200})
