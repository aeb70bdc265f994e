"""What a server takes from its clients at most."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds on what one client may send and on what may wait."""

    body_bytes: int = 8 << 20
    timeline_rows: int = 10_000
    requests_per_call: int = 256
    """Requests of one `POST /plan/batch`."""
    queue: int = 512
    """Requests that may wait for a batch; more are answered 429."""
    batch: int = 32
    """Requests planned together."""
