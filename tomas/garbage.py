"""How often Python looks for garbage, in every process of this project."""

import gc

COLLECT_EVERY = 50_000
"""New objects between two looks; with Python's own 700, importing torch and transformers takes a third longer."""


def collect_rarely() -> None:
    """Look less often: an import makes hundreds of thousands of objects, and all of them stay."""
    gc.set_threshold(COLLECT_EVERY)
