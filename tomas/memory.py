"""How a process of this project treats its memory: what it frees it keeps, and it seldom looks for garbage."""

import ctypes
import gc

COLLECT_EVERY = 50_000
"""New objects between two looks; with Python's own 700, importing torch and transformers takes a third longer."""
TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3
"""Numbers of glibc's options, from malloc.h."""


def collect_rarely() -> None:
    """Look for garbage less often: an import makes hundreds of thousands of objects, and all of them stay."""
    gc.set_threshold(COLLECT_EVERY)


def keep_freed() -> None:
    """Use freed memory again instead of giving it back, where the C library is glibc.

    It takes a tensor of some megabytes from the system anew each time, a page fault for every 4 kB of it: a tenth of
    the time of training and reading, a third of an elementwise product's.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, value in ((MMAP_THRESHOLD, 1 << 30), (TRIM_THRESHOLD, (1 << 31) - 1), (TOP_PAD, 1 << 26)):
            mallopt(option, value)
