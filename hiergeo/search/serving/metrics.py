"""What a server counts and times, in the text format of Prometheus."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, final

from hiergeo._core import extras

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


@final
class Metrics:
    """The metrics of one server, in a registry of its own.

    Attributes:
        requests: by route, method and status.
        latency: seconds from the first byte of a request to its answer, by route.
        in_flight: requests that are read, queued or answered.
        waiting: queries in the queue.
        batch: queries of one sweep.
        sweep: seconds of one sweep, its embedding left out.
        embedding: seconds of embedding the texts and images of one sweep.
        cached: texts whose embedding was known.
        embedded: texts and images that were embedded.
        scored: rows whose exact score was computed.
        rows: in the index.
        generation: of the index.
        added: items that were added.
        refreshes: by result: how often the changes of another process were taken over, or could not be.
    """

    def __init__(self) -> None:
        extras.require("prometheus_client", "a server")
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self.registry = CollectorRegistry()
        held: dict[str, Any] = {"registry": self.registry, "namespace": "hiergeo"}
        self.requests = Counter("requests", "Requests.", ["route", "method", "status"], **held)
        self.latency = Histogram(
            "request_seconds", "Seconds from request to answer.", ["route"], buckets=SECONDS, **held
        )
        self.in_flight = Gauge("requests_in_flight", "Requests that are read, queued or answered.", **held)
        self.waiting = Gauge("queue_queries", "Queries that wait for a sweep.", **held)
        self.batch = Histogram("batch_queries", "Queries of one sweep.", buckets=SIZES, **held)
        self.sweep = Histogram("sweep_seconds", "Seconds of one sweep of the index.", buckets=SECONDS, **held)
        self.embedding = Histogram(
            "embedding_seconds", "Seconds of embedding the queries of one sweep.", buckets=SECONDS, **held
        )
        self.cached = Counter("cached_texts", "Texts whose embedding was known.", **held)
        self.embedded = Counter("embedded_queries", "Texts and images that were embedded.", **held)
        self.scored = Counter("scored_rows", "Rows whose exact score was computed.", **held)
        self.rows = Gauge("index_rows", "Items in the index.", **held)
        self.generation = Gauge("index_generation", "Generation of the index.", **held)
        self.added = Counter("added_items", "Items that were added.", **held)
        self.refreshes = Counter(
            "refreshes", "Changes of the index by other processes: taken over or failed.", ["result"], **held
        )

    def text(self) -> tuple[bytes, str]:
        """All metrics, and the content type of their format."""
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

        return generate_latest(self.registry), CONTENT_TYPE_LATEST

    @contextmanager
    def timed(self, histogram: Any) -> Iterator[None]:
        """Observe the seconds of a block in one of the histograms."""
        start = time.perf_counter()
        try:
            yield
        finally:
            histogram.observe(time.perf_counter() - start)
