"""Which of training, validation and test a thing belongs to: by its name, in fixed shares, none left empty."""

import zlib
from collections.abc import Mapping, Sequence

SPLITS = ("train", "val", "test")


def share_out(seed: int, names: Sequence[str], shares: Mapping[str, float]) -> dict[str, str]:
    """Give each name's split; from three names on, validation and test have at least one each."""
    ranked = sorted(set(names), key=lambda name: (zlib.crc32(f"{seed} {name}".encode()), name))
    least = 1 if len(ranked) >= len(SPLITS) else 0
    num_val = max(least, round(shares["val"] * len(ranked)))
    num_test = max(least, round(shares["test"] * len(ranked)))
    parts = {
        "test": ranked[:num_test],
        "val": ranked[num_test : num_test + num_val],
        "train": ranked[num_test + num_val :],
    }
    return {name: split for split, members in parts.items() for name in members}
