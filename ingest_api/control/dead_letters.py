"""Dead letters: what was refused and why, and sending it again, as it is or corrected.

Read through the tenant's account in the warehouse; sent as `echolead dead-letter replay` sends it.
"""

import json
from collections.abc import Sequence
from typing import Annotated, Any

import nats.errors
from fastapi import APIRouter, Path, Query
from pydantic import Field
from sqlalchemy.orm import Session
from starlette.responses import Response

from echolead.corrections import (
    MOST_LETTERS,
    CollectorAnswer,
    Correction,
    NotSent,
    not_sent,
    of_letter,
    record,
    sent_before,
)
from echolead.operational.errors import NotFound
from echolead.operational.tenants import get_tenant
from echolead.publishing import NotQueued
from ingest_api.control.answers import ControlBody, Cursor, ListPage, Moment, PageSize, View, after, answer, page
from ingest_api.control.call import Call, Calling, operation
from ingest_api.control.once import once
from ingest_api.control.refusals import refusals
from ingest_api.control.warehouse import asking, moment_and_id
from ingest_api.http.problems import CONTROL_UNAVAILABLE, Problem
from ingest_api.replay import Sent, replay

PATH = "/v1/tenants/{tenant_id}/dead-letters"
LetterId = Annotated[str, Path(min_length=1, max_length=200, examples=["0197c1ae-0d11-7c55-9b0e-5f7d0a3c2b10"])]
Why = Annotated[str, Field(min_length=1, max_length=1000, examples=["The form sent the date of birth as text"])]

# A letter that was loaded twice counts once. Reads the letters of one tenant by the key, without what was sent.
PAGE = """
select dead_letter_id, received_at, stage, reason, detail, event_id
from ops.dead_letters
where tenant_id = {tenant_id:String} and {reason:String} in ('', reason)
    and (received_at, dead_letter_id) < ({before:DateTime64(3, 'UTC')}, {before_id:String})
order by received_at desc, dead_letter_id desc
limit 1 by dead_letter_id
limit {rows:UInt32}
"""
# Reads the letters of one tenant, and what was sent of those that are named.
LETTERS = """
select * from ops.dead_letters
where tenant_id = {tenant_id:String} and dead_letter_id in {ids:Array(String)}
order by received_at, dead_letter_id, loaded_at
limit 1 by dead_letter_id
"""
TIMES_SHOWN = 10
NOTED = {"is_queued": False, "is_corrected": False, "why": ""}
LAST = "2299-12-31 00:00:00.000"

routes = APIRouter(tags=["dead letters"])


class DeadLetterLine(View):
    """An event or message that was refused: where (`stage`), why (`reason` is a code, `detail` a sentence)."""

    dead_letter_id: str
    received_at: Moment
    stage: str
    reason: str
    detail: str
    event_id: Annotated[str, Field(description="'' where it could not be read")]


class SentAgain(View):
    """A time at which an event of a letter was sent again, and whether the collector's checks passed it then."""

    at: Moment
    by: str
    is_queued: bool
    is_corrected: bool
    why: str


class WholeDeadLetter(DeadLetterLine):
    """A dead letter with what was sent, its request, and the last times at which it was sent again, newest first."""

    payload: Annotated[str, Field(description="Text, or base64 where is_base64")]
    is_base64: bool
    source: Annotated[str, Field(description="browser or server")]
    host: str
    ip: str
    user_agent: str
    trace_id: str
    sent_at: Moment | None
    sent_again: list[SentAgain]


class DeadLettersToReplay(ControlBody):
    """Dead letters to send again as they are, and why."""

    dead_letter_ids: Annotated[
        list[str],
        Field(min_length=1, max_length=MOST_LETTERS, examples=[["0197c1ae-0d11-7c55-9b0e-5f7d0a3c2b10"]]),
    ]
    reason: Why


class CorrectedEvent(ControlBody):
    """The event in place of what the letter holds, and why."""

    event: Annotated[
        dict[str, Any],
        Field(
            description="docs/reference/event-contract.md",
            examples=[{"name": "form_submit", "event_id": "0197c1ae-0d11-7c55-9b0e-5f7d0a3c2b11"}],
        ),
    ]
    reason: Why


class ReplayedLetter(View):
    """What the collector's checks said of an event: queued, or the code and sentence of the reason."""

    dead_letter_id: str
    is_queued: bool
    reason: str
    detail: str


class ReplayedLetters(View):
    """An answer for each event; a letter that holds several has several."""

    items: list[ReplayedLetter]


@routes.get(PATH, summary="Dead letters", response_model=ListPage[DeadLetterLine], **operation("dead_letters.read"))
def list_(
    call: Calling,
    reason: Annotated[str, Query(max_length=100, description="Only those with this reason")] = "",
    limit: PageSize = 50,
    cursor: Cursor = None,
) -> Response:
    """What was refused of the tenant, newest first."""
    at, letter_id = after(call, cursor, moment_and_id) or (LAST, "")
    with asking(call) as ask:
        rows = ask(PAGE, reason=reason, before=at, before_id=letter_id, rows=limit + 1)
    return answer(
        page(call, rows, limit, DeadLetterLine.model_validate, lambda row: [row["received_at"], row["dead_letter_id"]])
    )


@routes.get(
    f"{PATH}/{{letter_id}}", summary="A dead letter", response_model=WholeDeadLetter, **operation("dead_letters.read")
)
def show(call: Calling, letter_id: LetterId) -> Response:
    """One dead letter with what was sent."""
    [letter] = _letters(call, [letter_id])
    with call.session() as session:
        before = sent_before(session, call.tenant_id, letter_id, limit=TIMES_SHOWN)
        times = [SentAgain(at=each.at, by=each.actor, **_said(each.detail)) for each in before]
    return answer(WholeDeadLetter.model_validate({**letter, "sent_again": times}))


@routes.post(
    f"{PATH}/replays", summary="Send again", response_model=ReplayedLetters, **operation("dead_letters.replay")
)
def replay_all(call: Calling, body: DeadLettersToReplay) -> Response:
    """Send dead letters through the collector's checks again, with the time at which they were received.

    The ids of events stay, so that nothing counts twice.
    """
    letters = _letters(call, list(dict.fromkeys(body.dead_letter_ids)))
    found = [each for letter in letters for each in of_letter(letter, None)]
    return once(call, lambda session: answer(_sent(session, call, found, why=body.reason)))


@routes.post(
    f"{PATH}/{{letter_id}}/corrections",
    summary="Correct and send again",
    response_model=ReplayedLetters,
    **operation("dead_letters.replay"),
)
def correct(call: Calling, letter_id: LetterId, body: CorrectedEvent) -> Response:
    """Send the event as edited, with the request and the time of the letter. An event that is refused again is no new
    dead letter: the answer says why.
    """
    [letter] = _letters(call, [letter_id])
    found = of_letter(letter, json.dumps(body.event, ensure_ascii=False).encode())
    return once(call, lambda session: answer(_sent(session, call, found, why=body.reason, is_corrected=True)))


def _letters(call: Call, ids: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of these dead letters. Raises `Problem` when one is not there."""
    with asking(call) as ask:
        found = list(ask(LETTERS, ids=list(ids)))
    missing = set(ids) - {row["dead_letter_id"] for row in found}
    with refusals():
        if missing:
            raise NotFound(f"Tenant {call.tenant_id} has no dead letter {min(missing)}.")
    return found


def _sent(
    session: Session, call: Call, found: Sequence[Correction | NotSent], *, why: str, is_corrected: bool = False
) -> ReplayedLetters:
    """Check and queue what can be sent, and write each into the audit log. Raises `Problem`."""
    corrections = [each for each in found if isinstance(each, Correction)]
    region = get_tenant(session, call.tenant_id).default_region
    sent = [Sent(region=region, request=each.request, content=each.content) for each in corrections]
    try:
        verdicts = replay(call.control.settings, sent) if sent else []
    except (NotQueued, nats.errors.Error, OSError) as error:
        raise Problem(
            CONTROL_UNAVAILABLE, "The queue did not take the events, or not all of them; sending them again is safe."
        ) from error
    said = [CollectorAnswer(each.is_queued, each.reason, each.detail) for each in verdicts]
    for correction, told in zip(corrections, said, strict=True):
        record(session, correction, told, actor=call.actor, is_corrected=is_corrected, why=why)
    lines = [_line(each.subject, told) for each, told in zip(corrections, said, strict=True)]
    lines += [_line(each.subject, not_sent(each)) for each in found if isinstance(each, NotSent)]
    return ReplayedLetters(items=lines)


def _said(detail: dict[str, Any]) -> dict[str, Any]:
    """What an entry of the audit log says; those of an earlier version have no reason."""
    return {name: detail.get(name, otherwise) for name, otherwise in NOTED.items()}


def _line(subject: str, said: CollectorAnswer) -> ReplayedLetter:
    return ReplayedLetter(dead_letter_id=subject, is_queued=said.is_queued, reason=said.reason, detail=said.detail)
