"""What the server counts, as Prometheus reads it."""

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
SIZES = (1, 2, 4, 8, 16, 32, 64)


class Meters:
    """One server's figures."""

    def __init__(self, waiting: Callable[[], int]) -> None:
        # When each series began, which nobody asks for.
        disable_created_metrics()
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self.calls = Counter("tomas_http_requests", "calls answered", ["path", "status"], registry=self._registry)
        self.plans = Counter("tomas_plans", "plans made, by status", ["status"], registry=self._registry)
        self.seconds = Histogram(
            "tomas_plan_seconds", "from call to answer, waiting included", registry=self._registry, buckets=SECONDS
        )
        self.batches = Histogram("tomas_batch_size", "requests a batch", registry=self._registry, buckets=SIZES)
        gauge = Gauge("tomas_queue_length", "requests that wait for a batch", registry=self._registry)
        gauge.set_function(waiting)

    def text(self) -> bytes:
        """All figures in Prometheus' text format."""
        return generate_latest(self._registry)
