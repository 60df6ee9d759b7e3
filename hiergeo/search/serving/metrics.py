"""What a server counts and times, in the text format of Prometheus."""

from typing import Any, final

from hiergeo._core import extras

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


@final
class Metrics:
    """The metrics of one server, in a registry of its own; their help texts say what each of them is."""

    def __init__(self) -> None:
        for module in ("fastapi", "prometheus_client"):
            extras.require(module, "a server")
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self.registry = CollectorRegistry()
        shared: dict[str, Any] = {"registry": self.registry, "namespace": "hiergeo"}
        self.requests = Counter(
            "requests", "Requests by route, method and status.", ["route", "method", "status"], **shared
        )
        self.latency = Histogram(
            "request_seconds", "Seconds from request to answer, by route.", ["route"], buckets=SECONDS, **shared
        )
        self.in_flight = Gauge("requests_in_flight", "Requests that are read, queued or answered.", **shared)
        self.waiting = Gauge("queue_queries", "Queries that wait for a sweep.", **shared)
        self.batch = Histogram("batch_queries", "Queries of one sweep.", buckets=SIZES, **shared)
        self.sweep = Histogram("sweep_seconds", "Seconds of one sweep of the index.", buckets=SECONDS, **shared)
        self.embedding = Histogram(
            "embedding_seconds", "Seconds of embedding the queries of one sweep.", buckets=SECONDS, **shared
        )
        self.cached = Counter("cached_texts", "Texts whose embedding was known.", **shared)
        self.embedded = Counter("embedded_queries", "Texts and images that were embedded.", **shared)
        self.scored = Counter("scored_rows", "Rows whose exact score was computed.", **shared)
        self.rows = Gauge("index_rows", "Items in the index.", **shared)
        self.generation = Gauge("index_generation", "Generation of the index.", **shared)
        self.added = Counter("added_items", "Items that were added.", **shared)
        self.refreshes = Counter(
            "refreshes", "Changes of the index by other processes: taken over or failed.", ["result"], **shared
        )

    def text(self) -> tuple[bytes, str]:
        """All metrics, and the content type of their format."""
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

        return generate_latest(self.registry), CONTENT_TYPE_LATEST
