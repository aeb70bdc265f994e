"""Where the random numbers of a part's first weights come from."""

from collections.abc import Iterator
from contextlib import contextmanager
from zlib import crc32

import torch


@contextmanager
def own_start(part: str) -> Iterator[None]:
    """Draw in this block from a stream that seed and name alone determine.

    Another kind of one part then leaves the first weights of all others as they were: trainings that differ in it can
    be compared, and share what does not depend on it.
    """
    seed = crc32(f"{torch.initial_seed()} {part}".encode())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
