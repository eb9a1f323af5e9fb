"""Deliveries and their attempts, and delivering again."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field
from sqlalchemy import text
from sqlalchemy.orm import Session
from starlette.responses import Response

from echolead.operational import resync
from echolead.operational.deliveries import Wanted, get_delivery, newest_attempts, page_of_deliveries
from echolead.operational.models import DELIVERY_STATES, Delivery, Destination
from echolead.operational.named_rows import get_named, list_named
from echolead.operational.resync import Selection
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

PATH = "/v1/tenants/{tenant_id}/deliveries"
RESYNCS = "/v1/tenants/{tenant_id}/resyncs"
SHOWN_ATTEMPTS = 50
SECONDS = 20
"""A selection that takes longer is refused and changes nothing."""

routes = APIRouter(tags=["deliveries"])


class DeliveryLine(View):
    """One state of one lead for one destination, and how it stands."""

    delivery_id: UUID
    destination: str
    lead_id: str
    state: str
    attempts: int
    created_at: Moment
    next_attempt_at: Moment | None
    delivered_at: Moment | None
    verified_at: Moment | None
    last_error_class: str | None
    last_error: str | None


class AttemptView(View):
    """One call: the request without secrets, the answer (cut to 4 KB), the latency."""

    attempt_id: UUID
    attempt: int
    operation: str
    request: dict[str, Any]
    response_status: int | None
    response: str | None
    latency_ms: int | None
    outcome: str
    error_class: str | None
    started_at: Moment


class WholeDelivery(DeliveryLine):
    """A delivery with what is delivered, and its newest calls, newest first."""

    payload: dict[str, Any]
    calls: list[AttemptView]


class ResyncBody(ControlBody):
    """What to deliver again: what did not arrive; with `force` what arrived as well."""

    destination: Annotated[str | None, Field(max_length=200, examples=["hubspot"])] = None
    lead_ids: Annotated[list[str] | None, Field(min_length=1, max_length=1000)] = None
    error_class: Annotated[str | None, Field(max_length=100, examples=["Rejected"])] = None
    force: bool = False


class ResyncLine(View):
    """Deliveries of a destination that had one state, and about how many calls they take."""

    destination: str
    state: str
    deliveries: int
    calls: int


class ResyncField(View):
    """A field of a lead that the destination has other than it would be delivered, as JSON."""

    destination: str
    lead_id: str
    field: str
    delivered: str
    wanted: str


class ResyncView(View):
    """What is delivered again, or would be; `changes` compares the first leads with what they got last."""

    deliveries: list[ResyncLine]
    changes: list[ResyncField]


@routes.get(PATH, summary="Deliveries", response_model=ListPage[DeliveryLine], **operation("deliveries.read"))
def list_(
    call: Calling,
    destination: Annotated[str | None, Query(max_length=200)] = None,
    lead_id: Annotated[str | None, Query(max_length=200)] = None,
    state: Annotated[str | None, Query(pattern=f"^({'|'.join(DELIVERY_STATES)})$")] = None,
    error_class: Annotated[str | None, Query(max_length=100)] = None,
    limit: PageSize = 50,
    cursor: Cursor = None,
) -> Response:
    """The deliveries of the tenant, newest first."""
    before = after(cursor, time_and_id)
    with call.session() as session:
        names = _names(session, call)
        chosen = get_named(session, Destination, call.tenant_id, destination).destination_id if destination else None
        rows = page_of_deliveries(
            session, call.tenant_id, Wanted(chosen, lead_id, state, error_class), limit=limit + 1, before=before
        )
        return answer(page(rows, limit, lambda row: _line(row, names), lambda row: [row.created_at, row.delivery_id]))


@routes.get(
    f"{PATH}/{{delivery_id}}", summary="A delivery", response_model=WholeDelivery, **operation("deliveries.read")
)
def show(call: Calling, delivery_id: UUID) -> Response:
    """One delivery with its payload and its newest calls."""
    with call.session() as session:
        row = get_delivery(session, call.tenant_id, delivery_id)
        calls = [AttemptView.model_validate(each) for each in newest_attempts(session, row, SHOWN_ATTEMPTS)]
        line = _line(row, _names(session, call)).model_dump()
        return answer(WholeDelivery(**line, payload=row.payload, calls=calls))


@routes.post(f"{RESYNCS}/trials", summary="Try a re-sync", response_model=ResyncView, **operation("deliveries.try"))
def try_(call: Calling, body: ResyncBody) -> Response:
    """How much would be delivered again, what it costs, and what the first leads have other. Nothing changes."""
    with call.session() as session:
        answered = _resynced(session, call, body, is_trial=True)
        session.rollback()
    return answered


@routes.post(RESYNCS, summary="Deliver again", response_model=ResyncView, **operation("deliveries.resync"))
def run(call: Calling, body: ResyncBody) -> Response:
    """Make the newest state of each selected lead due again. New leads go first, whatever is delivered again."""
    return once(call, lambda session: _resynced(session, call, body, is_trial=False))


def _resynced(session: Session, call: Call, body: ResyncBody, *, is_trial: bool) -> Response:
    session.execute(text(f"set local statement_timeout = {SECONDS * 1000}"))
    found = {row.destination_id: row for row in list_named(session, Destination, call.tenant_id)}
    chosen = (
        get_named(session, Destination, call.tenant_id, body.destination).destination_id if body.destination else None
    )
    wanted = Selection(call.tenant_id, chosen, body.lead_ids, body.error_class, body.force)
    changes = resync.changes(session, wanted) if is_trial else []
    lines = []
    for each in resync.plan_again(session, wanted):
        row = found[each.destination_id]
        calls = resync.calls_per_delivery(session, call.tenant_id, row.destination_id, row.kind)
        lines.append(
            ResyncLine(
                destination=row.name, state=each.state, deliveries=each.deliveries, calls=round(calls * each.deliveries)
            )
        )
    if not is_trial:
        states = {state: sum(x.deliveries for x in lines if x.state == state) for state in {x.state for x in lines}}
        resync.record(session, wanted, states, actor=call.actor, subject=body.destination or "all destinations")
    fields = [
        ResyncField(
            destination=found[each.destination_id].name,
            **{k: v for k, v in vars(each).items() if k != "destination_id"},
        )
        for each in changes
    ]
    return answer(ResyncView(deliveries=lines, changes=fields))


def _names(session: Session, call: Call) -> dict[UUID, str]:
    return {row.destination_id: row.name for row in list_named(session, Destination, call.tenant_id)}


def _line(row: Delivery, names: dict[UUID, str]) -> DeliveryLine:
    shown = {name: getattr(row, name) for name in DeliveryLine.model_fields if name != "destination"}
    return DeliveryLine(destination=names[row.destination_id], **shown)
