"""Deliveries and their attempts."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from sqlalchemy.orm import Session
from starlette.responses import Response

from echolead.operational.deliveries import Wanted, get_delivery, newest_attempts, page_of_deliveries
from echolead.operational.models import DELIVERY_STATES, Delivery, Destination
from echolead.operational.named_rows import get_named, list_named
from ingest_api.control.answers import (
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

PATH = "/v1/tenants/{tenant_id}/deliveries"
SHOWN_ATTEMPTS = 50

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
    before = after(call, cursor, time_and_id)
    with call.session() as session:
        names = _names(session, call)
        chosen = get_named(session, Destination, call.tenant_id, destination).destination_id if destination else None
        rows = page_of_deliveries(
            session, call.tenant_id, Wanted(chosen, lead_id, state, error_class), limit=limit + 1, before=before
        )
        return answer(
            page(call, rows, limit, lambda row: _line(row, names), lambda row: [row.created_at, row.delivery_id])
        )


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


def _names(session: Session, call: Call) -> dict[UUID, str]:
    return {row.destination_id: row.name for row in list_named(session, Destination, call.tenant_id)}


def _line(row: Delivery, names: dict[UUID, str]) -> DeliveryLine:
    shown = {name: getattr(row, name) for name in DeliveryLine.model_fields if name != "destination"}
    return DeliveryLine(destination=names[row.destination_id], **shown)
