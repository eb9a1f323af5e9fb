"""The answer to a request of which the queue stores only a part; without a real queue."""

import pytest
from msgspec import Raw

from echolead.events import ReceivedEvent, ReceivedRequest
from ingest_api.events.batch import CheckedBatch, Rejection
from ingest_api.http.problems import QUEUE_UNAVAILABLE, Problem
from ingest_api.http.received import now
from ingest_api.metrics import Metrics
from ingest_api.queue.event_store import EventStore
from ingest_api.queue.publish import Failure, PublishCallback, Publisher

EVENT = ReceivedEvent(event=Raw(b"{}"))
REJECTION = Rejection(1, "", "invalid_event", "It has no id.", b"{}")
REQUEST = ReceivedRequest(
    tenant_id="acme", received_at=now(), host="acme.test", trace_id="0" * 32, source="script", events=[EVENT]
)


class PartlyFull(Publisher):
    """Stores nothing on the subjects that begin with one of `full`."""

    def __init__(self, metrics: Metrics, full: str) -> None:
        super().__init__(metrics)
        self._full = full
        self.subjects: list[str] = []

    def send(self, subject: str, line: bytes, events: int, callback: PublishCallback, message_id: str = "") -> None:
        """Call back at once."""
        self.subjects.append(subject)
        callback(Failure.FULL if subject.startswith(self._full) else None)


@pytest.mark.parametrize(
    ("full", "subjects"),
    [
        pytest.param("events", ["events.acme"], id="the events, then no dead letter is sent"),
        pytest.param("dead", ["events.acme", "dead.acme"], id="the dead letters"),
    ],
)
async def test_a_request_stored_in_part_is_not_accepted(full: str, subjects: list[str]) -> None:
    metrics = Metrics()
    publisher = PartlyFull(metrics, full)
    with pytest.raises(Problem) as caught:
        await EventStore(publisher, metrics).store(REQUEST, CheckedBatch(None, [EVENT], [REJECTION]))
    assert caught.value.kind is QUEUE_UNAVAILABLE
    assert publisher.subjects == subjects
    assert rejected_count(metrics) is None


async def test_a_request_that_is_stored_whole_counts_its_rejected_events() -> None:
    metrics = Metrics()
    publisher = PartlyFull(metrics, "nothing")
    await EventStore(publisher, metrics).store(REQUEST, CheckedBatch(None, [EVENT], [REJECTION]))
    assert publisher.subjects == ["events.acme", "dead.acme"]
    assert rejected_count(metrics) == 1


def rejected_count(metrics: Metrics) -> float | None:
    """Rejected events of the tenant, None before the first."""
    labels = {"tenant_id": "acme", "reason": "invalid_event"}
    return metrics.registry.get_sample_value("echolead_collector_events_rejected_total", labels)
