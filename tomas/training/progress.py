"""What a person sees while training: a bar on a terminal, a line now and then where output goes to a file."""

import logging
import time
from collections.abc import Mapping

from tqdm import tqdm

log = logging.getLogger(__name__)

LINE_EVERY_S = 15.0


class Progress:
    """Progress of one training, counted in updates."""

    def __init__(self, label: str, total: int, done: int, *, visible: bool) -> None:
        self._label, self._total, self._visible = label, total, visible
        self._bar = tqdm(total=total, initial=done, desc=label, unit="step", disable=None if visible else True)
        self._next_line = time.monotonic()

    def update(self, step: int, values: Mapping[str, float]) -> None:
        """One more update is done; `values` are shown when there are any."""
        self._bar.update()
        if not values:
            return
        text = " ".join(f"{name} {value:.4g}" for name, value in values.items() if name not in {"step", "epoch"})
        self._bar.set_postfix_str(text, refresh=False)
        if self._visible and self._bar.disable and (time.monotonic() >= self._next_line or step == self._total):
            self._next_line = time.monotonic() + LINE_EVERY_S
            log.info("%s %d/%d %s", self._label, step, self._total, text)

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._bar.close()
