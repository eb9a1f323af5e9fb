"""Delivering again: trying it, asking for it, and stopping and resuming it while the delivery engine works it off."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field
from sqlalchemy import text
from sqlalchemy.orm import Session
from starlette.responses import Response

from echolead.operational import resync, resync_runs
from echolead.operational.models import Destination, Resync
from echolead.operational.named_rows import get_named, list_named
from echolead.operational.resync import FieldChange, Selection
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
from ingest_api.control.quotas import QuotaView, quota_view

PATH = "/v1/tenants/{tenant_id}/resyncs"
ONE = f"{PATH}/{{resync_id}}"
SECONDS = 20
"""A trial that takes longer is refused."""

routes = APIRouter(tags=["deliveries"])


class ResyncExtent(ControlBody):
    """What to deliver again: what did not arrive; with `force` what arrived as well."""

    destination: Annotated[str | None, Field(max_length=200, examples=["hubspot"])] = None
    lead_ids: Annotated[list[str] | None, Field(min_length=1, max_length=1000)] = None
    error_class: Annotated[str | None, Field(max_length=100, examples=["Rejected"])] = None
    force: bool = False


class ResyncBody(ResyncExtent):
    """The same, with the reason."""

    reason: Annotated[str, Field(min_length=1, max_length=1000, examples=["The account was restored from a copy"])]


class ResyncLine(View):
    """Deliveries of a destination that have one state, and about how many calls they take."""

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


class ResyncTrial(View):
    """What would be delivered again; `arrived` counts what has arrived and would not be sent again.

    `changes` compares the first leads with what they got last.
    """

    deliveries: list[ResyncLine]
    arrived: int
    quotas: list[QuotaView]
    changes: list[ResyncField]


class ResyncView(View):
    """A resync. `total` is null until the deliveries are listed, `due` counts those that were made due so far.

    `stopping`: it is stopped, and deliveries are still under way. Of one resync `states` counts its deliveries by their
    present state, `not due` those that wait for their turn; in a list it is null until the resync is done.
    """

    resync_id: UUID
    destination: str | None
    lead_ids: list[str] | None
    error_class: str | None
    force: bool
    reason: str
    requested_by: str
    state: Literal["waiting", "running", "stopping", "stopped", "done"]
    total: int | None
    due: int
    states: dict[str, int] | None
    created_at: Moment
    started_at: Moment | None
    ended_at: Moment | None


@routes.post(f"{PATH}/trials", summary="Try a re-sync", response_model=ResyncTrial, **operation("deliveries.try"))
def try_(call: Calling, body: ResyncExtent) -> Response:
    """How much would be delivered again, what it costs, and what the first leads have other. Nothing changes."""
    with call.session() as session:
        session.execute(text(f"set local statement_timeout = {SECONDS * 1000}"))
        wanted = _selection(session, call, body)
        rows = {row.destination_id: row for row in list_named(session, Destination, call.tenant_id)}
        lines = []
        for each in resync.count_again(session, wanted):
            row = rows[each.destination_id]
            calls = resync.calls_per_delivery(session, call.tenant_id, row.destination_id, row.kind)
            spent = round(calls * each.deliveries)
            lines.append(ResyncLine(destination=row.name, state=each.state, deliveries=each.deliveries, calls=spent))
        names = {destination_id: row.name for destination_id, row in rows.items()}
        return answer(
            ResyncTrial(
                deliveries=lines,
                arrived=resync.count_arrived(session, wanted),
                quotas=[
                    quota_view(row, names[row.destination_id]) for row in resync.present_quotas(session, call.tenant_id)
                ],
                changes=_fields(resync.changes(session, wanted), names),
            )
        )


@routes.post(
    PATH, summary="Deliver again", status_code=202, response_model=ResyncView, **operation("deliveries.resync")
)
def run(call: Calling, body: ResyncBody) -> Response:
    """Deliver the newest state of each selected lead again. The delivery engine makes 500 at a time due, and new leads
    go first, whatever is delivered again.
    """

    def work(session: Session) -> Response:
        made = resync_runs.ask(session, _selection(session, call, body), actor=call.actor, reason=body.reason)
        accepted = answer(_view(made, _names(session, call.tenant_id), None), 202)
        accepted.headers["Location"] = f"/v1/tenants/{call.tenant_id}/resyncs/{made.resync_id}"
        return accepted

    return once(call, work)


@routes.get(PATH, summary="Re-syncs", response_model=ListPage[ResyncView], **operation("deliveries.read"))
def list_(call: Calling, limit: PageSize = 50, cursor: Cursor = None) -> Response:
    """The resyncs of the tenant, newest first."""
    before = after(call, cursor, time_and_id)
    with call.session() as session:
        rows = resync_runs.page_of_resyncs(session, call.tenant_id, limit=limit + 1, before=before)
        names = _names(session, call.tenant_id)
        return answer(
            page(
                call,
                rows,
                limit,
                lambda row: _view(row, names, row.outcome),
                lambda row: [row.created_at, row.resync_id],
            )
        )


@routes.get(ONE, summary="A re-sync", response_model=ResyncView, **operation("deliveries.read"))
def show(call: Calling, resync_id: UUID) -> Response:
    """How far a resync is. Reads the list of its deliveries."""
    with call.session() as session:
        return _shown(session, resync_runs.get_resync(session, call.tenant_id, resync_id))


@routes.post(f"{ONE}/stop", summary="Stop a re-sync", response_model=ResyncView, **operation("deliveries.resync"))
def stop(call: Calling, resync_id: UUID) -> Response:
    """Send nothing more of it: what is due is put back, what is under way comes to its end. Repeating it is not an
    error.
    """

    def work(session: Session) -> Response:
        row = resync_runs.get_resync(session, call.tenant_id, resync_id, is_changed=True)
        resync_runs.stop(session, row, actor=call.actor)
        return _shown(session, row)

    return once(call, work)


@routes.post(f"{ONE}/resume", summary="Resume a re-sync", response_model=ResyncView, **operation("deliveries.resync"))
def resume(call: Calling, resync_id: UUID) -> Response:
    """Go on with what was not sent."""

    def work(session: Session) -> Response:
        row = resync_runs.get_resync(session, call.tenant_id, resync_id, is_changed=True)
        resync_runs.resume(session, row, actor=call.actor)
        return _shown(session, row)

    return once(call, work)


def _selection(session: Session, call: Call, body: ResyncExtent) -> Selection:
    chosen = (
        get_named(session, Destination, call.tenant_id, body.destination).destination_id if body.destination else None
    )
    return Selection(call.tenant_id, chosen, body.lead_ids, body.error_class, body.force)


def _fields(changes: Sequence[FieldChange], names: dict[UUID, str]) -> list[ResyncField]:
    return [
        ResyncField(
            destination=names[each.destination_id],
            **{name: value for name, value in vars(each).items() if name != "destination_id"},
        )
        for each in changes
    ]


def _shown(session: Session, row: Resync) -> Response:
    session.refresh(row)
    states = row.outcome or resync_runs.states_of(session, row)
    return answer(_view(row, _names(session, row.tenant_id), states))


def _view(row: Resync, names: dict[UUID, str], states: dict[str, int] | None) -> ResyncView:
    is_stopping = row.state == "stopped" and bool((states or {}).get("in_flight"))
    shown: dict[str, Any] = {
        "destination": names[row.destination_id] if row.destination_id else None,
        "force": row.is_forced,
        "state": "stopping" if is_stopping else row.state,
        "states": states,
    }
    own = {name: getattr(row, name) for name in ResyncView.model_fields if name not in shown}
    return ResyncView(**own, **shown)


def _names(session: Session, tenant_id: str) -> dict[UUID, str]:
    return {row.destination_id: row.name for row in list_named(session, Destination, tenant_id)}
