"""The collector's metrics for Prometheus. With several workers each one counts, and each can render the sum."""

import os
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

LATENCY_BUCKETS = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.25, 0.5, 1.0, 2.0)


class Metrics:
    """The collector's metrics in a registry of their own, so that an application can be made twice in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.accepted = Counter(
            "echolead_collector_events_accepted",
            "Events answered with 202 as accepted: durable in the queue.",
            ["tenant_id"],
            registry=self.registry,
        )
        self.rejected = Counter(
            "echolead_collector_events_rejected",
            "Events queued as dead letters, by reason code.",
            ["tenant_id", "reason"],
            registry=self.registry,
        )
        self.webhooks = Counter(
            "echolead_collector_webhooks_accepted",
            "Webhooks answered with 200: their sender is verified, and they are durable in the queue.",
            ["tenant_id", "source"],
            registry=self.registry,
        )
        self.refused = Counter(
            "echolead_collector_requests_refused",
            "Requests answered with a problem document, by its type; nothing of them is stored for certain.",
            ["problem"],
            registry=self.registry,
        )
        self.publish_seconds = Histogram(
            "echolead_collector_publish_seconds",
            "From a group's first request to the queue's acknowledgement.",
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )
        self.group_requests = Counter(
            "echolead_collector_group_requests",
            "Requests that shared a message; over the number of publishes it gives the size of a group.",
            registry=self.registry,
        )
        self.in_flight_bytes = Gauge(
            "echolead_collector_in_flight_bytes",
            "Bytes of request bodies being served.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )

        self._accepted_of: dict[str, Counter] = {}

    def count_accepted(self, tenant_id: str, count: int) -> None:
        """Count accepted events of a tenant; finding a labelled counter costs more than adding to it."""
        counter = self._accepted_of.get(tenant_id)
        if counter is None:
            counter = self._accepted_of[tenant_id] = self.accepted.labels(tenant_id)
        counter.inc(count)

    def render(self) -> bytes:
        """All metrics in Prometheus' text format; of every worker when there are several."""
        folder = multi_process_dir()
        if folder is None:
            return generate_latest(self.registry)
        everyone = CollectorRegistry()
        everyone.register(SharedCounts(folder))
        return generate_latest(everyone)


class SharedCounts(Collector):
    """The sums of the counts that the workers share in `folder`.

    A worker creates an empty file before it gives the file a length. If it is killed in between, the file stays empty,
    and `prometheus_client` cannot read it.
    """

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def collect(self) -> Iterator[Metric]:
        """The sums."""
        files = [str(file) for file in self._folder.glob("*.db") if not is_empty(file)]
        yield from MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]


def is_empty(file: Path) -> bool:
    """Whether the file is empty or gone. The gauges of a worker that ended are removed."""
    try:
        return file.stat().st_size == 0
    except FileNotFoundError:
        return True


MULTI_PROCESS_DIR = "PROMETHEUS_MULTIPROC_DIR"


def multi_process_dir() -> str | None:
    """The folder in which workers share their counts; `prometheus_client` reads this variable when it is imported."""
    return os.environ.get(MULTI_PROCESS_DIR)
