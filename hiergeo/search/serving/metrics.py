"""What a server counts and times, in the text format of Prometheus."""

from typing import Any, final

from hiergeo._core import extras

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


@final
class Metrics:
    """The metrics of one server, in a registry of its own; their help texts say what each of them is."""

    def __init__(self) -> None:
        for module in ("fastapi", "prometheus_client", "uvicorn"):
            extras.require(module, "a server")
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self.registry = CollectorRegistry()
        own: dict[str, Any] = {"registry": self.registry, "namespace": "hiergeo"}
        timed: dict[str, Any] = {**own, "buckets": SECONDS}
        self.requests = Counter("requests", "Requests by route, method, status.", ["route", "method", "status"], **own)
        self.latency = Histogram("request_seconds", "Seconds from request to answer, by route.", ["route"], **timed)
        self.in_flight = Gauge("requests_in_flight", "Requests that are read, queued or answered.", **own)
        self.waiting = Gauge("queue_queries", "Queries that wait for a sweep.", **own)
        self.batch = Histogram("batch_queries", "Queries of one sweep.", buckets=SIZES, **own)
        self.sweep = Histogram("sweep_seconds", "Seconds of one sweep of the index.", **timed)
        self.embedding = Histogram("embedding_seconds", "Seconds of embedding the queries of one sweep.", **timed)
        self.rows = Gauge("index_rows", "Items in the index.", **own)
        self.generation = Gauge("index_generation", "Generation of the index.", **own)
        self.refreshes = Counter("refreshes", "Changes of the index: taken over or failed.", ["result"], **own)
