"""From a request's body to the events that are stored and the rejections of the others.

The common case costs one decode of the batch and one of each event. Everything else (pretty-printed JSON, a broken
event among good ones, text in another encoding) takes a slower path.
"""

import re
from datetime import datetime
from typing import NamedTuple

import msgspec
from msgspec import Raw, Struct

from echolead.events import (
    MAX_BATCH_EVENTS,
    ReceivedEvent,
    decode_batch,
    encode,
    text_or_base64,
)
from echolead.normalize import normalized
from ingest_api.events.scrubbing import scrubbed
from ingest_api.events.splitting import refuse_second_list, split_batch
from ingest_api.events.validation import (
    EventRejected,
    checks_for,
    decode,
    is_storable,
    is_without_repeated_keys,
    refuse_repeated_keys,
)
from ingest_api.http.problems import too_many_events

EVENT_ID = re.compile(rb'"event_id"\s*:\s*"([0-9A-Fa-f-]{32,36})"')


class Rejection(NamedTuple):
    """A rejected event: its place in the batch, its id as far as it can be read, why, and its bytes."""

    position: int
    event_id: str
    reason: str
    detail: str
    raw: bytes

    def payload(self) -> tuple[str, bool]:
        """The bytes as text, or as base64 (true) when they are not text."""
        return text_or_base64(self.raw)


class CheckedBatch(Struct, frozen=True):
    """The events of a request, sorted into accepted and rejected ones."""

    sent_at: datetime | None
    accepted: list[ReceivedEvent]
    rejected: list[Rejection]


def check_batch(body: bytes, region: str) -> CheckedBatch:
    """Sort the events of a request. Raises `Problem` when the body is not a batch of 1 to 500 events."""
    is_plain = False
    try:
        batch = decode_batch(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        batch = split_batch(body, error)
    else:
        is_plain = is_without_repeated_keys(body)
        if not is_plain:
            refuse_second_list(body)
    if len(batch.events) > MAX_BATCH_EVENTS:
        raise too_many_events(len(batch.events))
    accepted: list[ReceivedEvent] = []
    rejected: list[Rejection] = []
    checks = checks_for(body, len(batch.events), is_plain)
    for index, raw in enumerate(batch.events):
        try:
            if checks:
                content = bytes(raw)
                for check in checks:
                    check(content)
            said, event = decode(raw)
            if not is_plain:
                refuse_repeated_keys(raw)
            stored = scrubbed(said if is_plain else on_one_line(said), event)
            accepted.append(ReceivedEvent(event=stored, user=normalized(event.user, region)))
        except EventRejected as error:
            rejected.append(rejection(index, bytes(raw), error))
    # `sent_at` only corrects the clock of the events; a time out of range cannot.
    sent_at = batch.sent_at if is_storable(batch.sent_at) else None
    return CheckedBatch(sent_at, accepted, rejected)


def rejection(index: int, content: bytes, error: EventRejected) -> Rejection:
    """The rejection of the event at `index`."""
    found = EVENT_ID.search(content)
    return Rejection(index, found[1].decode() if found else "", error.reason, error.detail, content)


def accepted_body(batch: CheckedBatch) -> bytes:
    """The body of the 202: how many events are stored, and which were rejected and why."""
    return encode(
        {
            "accepted": len(batch.accepted),
            "rejected": [
                {"index": each.position, "event_id": each.event_id, "reason": each.reason, "detail": each.detail}
                for each in batch.rejected
            ],
        }
    )


def on_one_line(raw: Raw) -> Raw:
    """The same JSON without line breaks, as the queue keeps one request a line.

    Outside a JSON string they are white space. Inside one the decoder has refused them.
    """
    content = bytes(raw)
    return Raw(content.replace(b"\n", b" ").replace(b"\r", b" ")) if b"\n" in content or b"\r" in content else raw
