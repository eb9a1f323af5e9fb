"""Refused events, and those of which something was set aside, as they go through the front door again.

The command line and the control API make their corrections here; `ingest_api.replay` checks and queues them.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from echolead.events import ReceivedRequest, decode_received_request
from echolead.operational import audit
from echolead.operational.models import AuditEntry

OF_REQUESTS = {"unreadable_request", "delivered_too_often"}
"""Reasons of letters that hold whole requests, each a line, as the queue had them."""
NO_EVENTS = {"unreadable_webhook", "unreadable_dead_letter"}
MOST_LETTERS = 200
"""Dead letters that one request to the control API sends again."""
REPLAYED = "dead_letter.replayed"
"""The action of the audit log."""
BEFORE_ITS_COPIES = timedelta(milliseconds=1)


@dataclass(frozen=True)
class CollectorAnswer:
    """What the collector said of an event."""

    is_queued: bool
    reason: str
    detail: str


@dataclass(frozen=True)
class Correction:
    """One event to be sent: of which letter or event it is, its content, and its request without events."""

    subject: str
    content: bytes
    request: ReceivedRequest = field(repr=False)


@dataclass(frozen=True)
class NotSent:
    """A letter, or a part of one, that holds nothing to send; `detail` says why, and what to do instead."""

    subject: str
    detail: str


def of_letter(letter: Mapping[str, Any], corrected: bytes | None) -> list[Correction | NotSent]:
    """The events of a row of `raw.rejected_events`, at the time it was received; `corrected` in place of what it holds.

    A letter of an earlier version does not say who sent it: its event counts as a server's, which needs no browser.
    """
    subject = str(letter["dead_letter_id"])
    said = base64.b64decode(letter["payload"]) if letter["is_base64"] else letter["payload"].encode()
    if letter["reason"] in NO_EVENTS:
        return [NotSent(subject, "It holds no event: its product can send it again.")]
    if letter["reason"] in OF_REQUESTS and corrected is None:
        return [each for line in said.splitlines() if line.strip() for each in _of_request(subject, line)]
    return [
        Correction(subject, corrected or said, _request(letter, letter["received_at"], letter["source"] or "server"))
    ]


def of_event(event: Mapping[str, Any], corrected: bytes) -> Correction:
    """A correction of a row of `raw.events`: the copy received first.

    Of copies of an event the one received first counts, so that a correction is dated a millisecond before it.
    """
    received_at = event["received_at"] - BEFORE_ITS_COPIES
    return Correction(str(event["event_id"]), corrected, _request(event, received_at, event["source"]))


def not_sent(each: NotSent) -> CollectorAnswer:
    """The result of this one, beside the collector's answers about the others."""
    return CollectorAnswer(is_queued=False, reason="not_sent", detail=each.detail)


def record(
    session: Session, correction: Correction, said: CollectorAnswer, *, actor: str, is_corrected: bool, why: str = ""
) -> None:
    """Write into the audit log what became of it."""
    audit.record(
        session, actor=actor, action=REPLAYED, subject=correction.subject,
        tenant_id=correction.request.tenant_id, is_queued=said.is_queued, reason=said.reason, is_corrected=is_corrected,
        why=why,
    )  # fmt: skip


def sent_before(session: Session, tenant_id: str, letter_id: str, *, limit: int) -> Sequence[AuditEntry]:
    """When the events of a letter were sent again, newest first: entries of the audit log, found by the letter."""
    mine = (AuditEntry.tenant_id == tenant_id, AuditEntry.action == REPLAYED, AuditEntry.subject == letter_id)
    return session.scalars(select(AuditEntry).where(*mine).order_by(AuditEntry.at.desc()).limit(limit)).all()


def _of_request(subject: str, line: bytes) -> list[Correction | NotSent]:
    try:
        request = decode_received_request(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return [NotSent(subject, f"A request of it cannot be read ({error}): give its event with --payload.")]
    alone = msgspec.structs.replace(request, events=[])
    return [Correction(subject, bytes(received.event), alone) for received in request.events]


def _request(row: Mapping[str, Any], received_at: datetime, source: str) -> ReceivedRequest:
    return ReceivedRequest(
        tenant_id=row["tenant_id"],
        received_at=received_at,
        sent_at=row["sent_at"],
        host=row["host"],
        ip=row["ip"],
        user_agent=row["user_agent"],
        trace_id=row["trace_id"],
        source=source,
        events=[],
    )
