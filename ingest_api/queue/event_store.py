"""From events that were checked to durable messages, whichever way they came in."""

import itertools
import re
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from time import time_ns
from uuid import UUID

from echolead.events import DeadLetter, ReceivedRequest, encode
from ingest_api.events.validation import Checked
from ingest_api.http.problems import BODY_TOO_LARGE, QUEUE_UNAVAILABLE, Problem
from ingest_api.metrics import Metrics
from ingest_api.queue.publish import Failure, MessageTooLarge, Publisher, QueueUnavailable, told

TRACE_PARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
NO_TRACE = "0" * 32

Tell = Callable[[Problem | None], object]


class Intake:
    """Everything between a request's bytes and a durable message, shared by the ways in: script, server, pixel."""

    def __init__(self, publisher: Publisher, metrics: Metrics) -> None:
        self.publisher = publisher
        self.metrics = metrics
        self._trace_prefix = secrets.token_hex(10)
        self._trace_numbers = itertools.count(1)

    def trace_id(self, headers: Mapping[bytes, bytes]) -> str:
        """The caller's W3C trace id, or one of our own."""
        parent = headers.get(b"traceparent")
        if parent is not None and (found := TRACE_PARENT.fullmatch(parent)) and found[1] != NO_TRACE.encode():
            return found[1].decode()
        return f"{self._trace_prefix}{next(self._trace_numbers):012x}"

    async def store(self, request: ReceivedRequest, checked: Checked) -> None:
        """Return when the accepted events and the dead letters are durable. Raises `Problem` when they may not be."""
        problem: Problem | None = await told(lambda tell: self.send(request, checked, tell))
        if problem is not None:
            raise problem

    def send(self, request: ReceivedRequest, checked: Checked, tell: Tell) -> None:
        """As `store`, without waiting: `tell` is called once, with None or with what `store` would raise."""
        if checked.rejected:
            # Before anything is stored: later there is nobody to tell that they could not be written down.
            lines = b"\n".join(dead_letters(request, checked))
            dead = partial(self._send_dead_letters, request.tenant_id, lines, checked, tell)
            if not checked.accepted:
                dead(None)
                return
            tell = dead
        self._publish(f"events.{request.tenant_id}", encode(request), len(checked.accepted), tell)

    def _send_dead_letters(
        self, tenant_id: str, lines: bytes, checked: Checked, tell: Tell, problem: Problem | None
    ) -> None:
        """After the accepted events, of which `problem` says why they were not stored."""

        def count(problem: Problem | None) -> None:
            if problem is None:
                for rejection in checked.rejected:
                    self.metrics.rejected.labels(tenant_id, rejection.reason).inc()
            tell(problem)

        if problem is not None:
            tell(problem)
        else:
            self._publish(f"dead.{tenant_id}", lines, 0, count)

    def _publish(self, subject: str, line: bytes, events: int, tell: Tell) -> None:
        def hear(failure: Failure | None) -> None:
            tell(None if failure is None else not_stored(QueueUnavailable(failure)))

        try:
            self.publisher.send(subject, line, events, hear)
        except (QueueUnavailable, MessageTooLarge) as error:
            tell(not_stored(error))


def not_stored(error: QueueUnavailable | MessageTooLarge) -> Problem:
    """What is answered when the queue did not take a message."""
    if isinstance(error, MessageTooLarge):
        return Problem(BODY_TOO_LARGE, "The events do not fit into one message; send fewer at once.")
    return Problem(QUEUE_UNAVAILABLE, f"{error} Send the same request again.")


def dead_letters(request: ReceivedRequest, checked: Checked) -> list[bytes]:
    """One line for each refused event, with its bytes."""
    lines = []
    for rejection in checked.rejected:
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
        )
        lines.append(encode(letter))
    return lines


def now() -> datetime:
    """The collector's clock, in the milliseconds that every store keeps."""
    return datetime.fromtimestamp(time_ns() // 1_000_000 / 1000, UTC)
