"""Groups of requests, without a queue."""

import asyncio

from ingest_api.metrics import Metrics
from ingest_api.queue.publish import MAX_IN_FLIGHT, Failure, PendingGroups, Publisher


async def test_a_request_is_notified_after_the_group_before_it_failed() -> None:
    """If the queue hangs, a group's deadline can pass while it waits, and later requests could join it."""
    publisher = Publisher(Metrics())
    publisher.loop = asyncio.get_running_loop()
    pending = PendingGroups(publisher, "events.acme")
    pending.in_flight = MAX_IN_FLIGHT
    told: list[Failure | None] = []
    pending.join(b"early", 1, "", told.append)
    pending.waiting[-1].settle(Failure.SLOW)
    pending.join(b"late", 1, "", told.append)
    pending.fail(Failure.DISCONNECTED)
    assert told == [Failure.SLOW, Failure.DISCONNECTED]
