"""From checked events to durable messages: the accepted ones as one line, the rejected ones as dead letters."""

import secrets
from collections.abc import Callable
from uuid import UUID

from echolead.events import DeadLetter, ReceivedRequest, encode
from ingest_api.events.batch import CheckedBatch
from ingest_api.http.problems import BODY_TOO_LARGE, QUEUE_UNAVAILABLE, Problem
from ingest_api.metrics import Metrics
from ingest_api.queue.publish import Failure, MessageTooLarge, Publisher, QueueUnavailable, await_callback

StoreCallback = Callable[[Problem | None], object]
"""Called with None when the events are durable, else with the refusal."""


class EventStore:
    """Stores the events of a request; shared by the endpoints for script, servers and pixel."""

    def __init__(self, publisher: Publisher, metrics: Metrics) -> None:
        self._publisher = publisher
        self._metrics = metrics

    async def store(self, request: ReceivedRequest, batch: CheckedBatch) -> None:
        """Return when the accepted events and the dead letters are durable. Raises `Problem` when they may not be."""
        problem: Problem | None = await await_callback(lambda callback: self.send(request, batch, callback))
        if problem is not None:
            raise problem

    def send(self, request: ReceivedRequest, batch: CheckedBatch, callback: StoreCallback) -> None:
        """As `store`, without waiting: `callback` is called once, with None or with what `store` would raise.

        The dead letters follow when the accepted events are durable.
        """
        if not batch.rejected:
            self._publish(f"events.{request.tenant_id}", encode(request), len(batch.accepted), callback)
            return
        # Written before anything is stored: once events are stored, a failure here could not be answered.
        lines = b"\n".join(dead_letter_lines(request, batch))

        def count(problem: Problem | None) -> None:
            if problem is None:
                for rejection in batch.rejected:
                    self._metrics.rejected.labels(request.tenant_id, rejection.reason).inc()
            callback(problem)

        def send_dead_letters(problem: Problem | None) -> None:
            if problem is not None:
                callback(problem)
            else:
                self._publish(f"dead.{request.tenant_id}", lines, 0, count)

        if batch.accepted:
            self._publish(f"events.{request.tenant_id}", encode(request), len(batch.accepted), send_dead_letters)
        else:
            send_dead_letters(None)

    def _publish(self, subject: str, line: bytes, events: int, callback: StoreCallback) -> None:
        def published(failure: Failure | None) -> None:
            callback(None if failure is None else not_stored(QueueUnavailable(failure)))

        try:
            self._publisher.send(subject, line, events, published)
        except (QueueUnavailable, MessageTooLarge) as error:
            callback(not_stored(error))


def not_stored(error: QueueUnavailable | MessageTooLarge) -> Problem:
    """The answer when the queue did not store a message."""
    if isinstance(error, MessageTooLarge):
        return Problem(BODY_TOO_LARGE, "The request does not fit into one message of the queue; send less at once.")
    return Problem(QUEUE_UNAVAILABLE, f"{error} Send the same request again.")


def dead_letter_lines(request: ReceivedRequest, batch: CheckedBatch) -> list[bytes]:
    """One line for each rejected event, with its bytes."""
    lines = []
    for rejection in batch.rejected:
        payload, is_base64 = rejection.payload()
        letter = DeadLetter(
            dead_letter_id=UUID(bytes=secrets.token_bytes(16), version=4),
            tenant_id=request.tenant_id,
            received_at=request.received_at,
            stage="collector",
            reason=rejection.reason,
            detail=rejection.detail,
            index=rejection.position,
            event_id=rejection.event_id,
            payload=payload,
            is_base64=is_base64,
            host=request.host,
            trace_id=request.trace_id,
            source=request.source,
            ip=request.ip,
            user_agent=request.user_agent,
            sent_at=request.sent_at,
        )
        lines.append(encode(letter))
    return lines
