"""Requests of people: what is held of a lead, and erasing it (docs/reference/privacy.md)."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field
from sqlalchemy.orm import Session
from starlette.responses import Response

from echolead.erasure.person import check_erasable
from echolead.operational import control_tasks, erasures
from echolead.operational.models import ControlTask
from ingest_api.control.answers import (
    ControlBody,
    Cursor,
    ListPage,
    Moment,
    PageSize,
    View,
    after,
    answer,
    page,
    time_and_id,
)
from ingest_api.control.call import Call, Calling, operation
from ingest_api.control.once import once
from ingest_api.control.refusals import refusals
from ingest_api.control.tasks import TaskView, task_answer
from ingest_api.control.warehouse import check_leads, reading

PATH = "/v1/tenants/{tenant_id}/erasures"
GIVEN_UP = f"{PATH}/{{erasure_id}}/given-up"
EXPORTS = "/v1/tenants/{tenant_id}/lead-exports"
LeadName = Annotated[
    str, Field(min_length=1, max_length=200, description="As the console shows it", examples=["1f0c6b1e7d9a4c55"])
]

routes = APIRouter(tags=["leads"])


class WithdrawalView(View):
    """What becomes of EchoLead's fields at a destination. `told`: a webhook's receiver was asked to erase what it has;
    `impossible`: the product takes nothing back; `given up`: an operator's word, or 30 days are over.
    """

    destination: str
    kind: str
    state: Literal["waiting", "withdrawn", "told", "impossible", "given up"]
    message: str
    at: Annotated[str, Field(description="When it ended, ISO 8601; empty while it waits")]


class ErasureView(View):
    """An erasure. `lead_id` is empty once no store has anything; `message` says what its step waits for, or why it
    failed. In the step `destinations` only these are waited for.
    """

    erasure_id: UUID
    lead_id: str
    lead_hash: Annotated[str, Field(description="SHA-256 of tenant, / and lead id, in hexadecimal")]
    reason: str
    requested_by: str
    with_others: bool
    received_before: Moment
    state: Literal["waiting", "running", "done"]
    step: str
    counts: Annotated[dict[str, int], Field(description="Rows that were deleted, by store")]
    remote_records: Annotated[
        list[dict[str, Any]],
        Field(description="Records that stay at destinations: destination, kind, remote_kind, remote_id"),
    ]
    withdrawals: list[WithdrawalView]
    message: str
    created_at: Moment
    ended_at: Moment | None


class LeadToErase(ControlBody):
    """Whom to erase. `with_others`: also what other leads did at the same devices."""

    lead_id: LeadName
    reason: Annotated[str, Field(min_length=1, max_length=1000, examples=["Request of 2 March, ticket 4711"])]
    with_others: bool = False


class DestinationGivenUp(ControlBody):
    """A destination that an erasure waits for no longer."""

    destination: Annotated[str, Field(min_length=1, max_length=200, examples=["crm"])]
    reason: Annotated[str, Field(min_length=1, max_length=1000, examples=["The account was closed in May"])]


class LeadNamed(ControlBody):
    """A lead."""

    lead_id: LeadName


@routes.get(PATH, summary="Erasures", response_model=ListPage[ErasureView], **operation("leads.export"))
def list_(call: Calling, limit: PageSize = 50, cursor: Cursor = None) -> Response:
    """The tenant's erasures, newest first."""
    before = after(call, cursor, time_and_id)
    with call.session() as session:
        rows = erasures.page_of_erasures(session, call.tenant_id, limit=limit + 1, before=before)
        return answer(page(call, rows, limit, ErasureView.model_validate, lambda row: [row.created_at, row.erasure_id]))


@routes.get(f"{PATH}/{{erasure_id}}", summary="An erasure", response_model=ErasureView, **operation("leads.export"))
def show(call: Calling, erasure_id: UUID) -> Response:
    """How far an erasure is, what was deleted, and what becomes of what destinations have."""
    with call.session() as session:
        return answer(ErasureView.model_validate(erasures.get_erasure(session, erasure_id)))


@routes.post(PATH, summary="Erase a lead", status_code=201, response_model=ErasureView, **operation("leads.erase"))
def erase(call: Calling, body: LeadToErase) -> Response:
    """Everything received of the lead until now is deleted in every store. It cannot be taken back."""
    with refusals(), reading(call) as client:
        check_erasable(client, call.tenant_id, body.lead_id, with_others=body.with_others)
    return once(
        call,
        lambda session: answer(
            ErasureView.model_validate(erasures.ask(session, call.tenant_id, **body.model_dump(), actor=call.actor)),
            201,
        ),
    )


@routes.post(GIVEN_UP, summary="Give up a destination", response_model=ErasureView, **operation("leads.erase"))
def give_up(call: Calling, erasure_id: UUID, body: DestinationGivenUp) -> Response:
    """Wait no longer for a destination: what it was sent stays there. The audit log has who did so, and why."""
    return once(
        call,
        lambda session: answer(
            ErasureView.model_validate(erasures.give_up(session, erasure_id, **body.model_dump(), actor=call.actor))
        ),
    )


@routes.post(
    f"{PATH}/trials", summary="Try an erasure", status_code=202, response_model=TaskView, **operation("leads.erase")
)
def try_(call: Calling, body: LeadNamed) -> Response:
    """A task that finds what is held of a lead: rows by store, and what destinations have. Nothing changes."""
    return _task(call, "erasure_trial", body)


@routes.post(EXPORTS, summary="Export a lead", status_code=202, response_model=TaskView, **operation("leads.export"))
def export(call: Calling, body: LeadNamed) -> Response:
    """A task whose result is all that is held of a lead, by table. It is kept for a day."""
    return _task(call, control_tasks.EXPORT, body)


def _task(call: Call, kind: str, body: LeadNamed) -> Response:
    check_leads(call, body.lead_id)
    return once(call, lambda session: task_answer(_asked(session, call, kind, body)))


def _asked(session: Session, call: Call, kind: str, body: LeadNamed) -> ControlTask:
    if kind == control_tasks.EXPORT:
        erasures.record_export(session, call.tenant_id, body.lead_id, actor=call.actor)
    return control_tasks.ask(session, call.tenant_id, kind, body.model_dump(), actor=call.actor)
