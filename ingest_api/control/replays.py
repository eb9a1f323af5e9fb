"""Computing again under present rules, lists and models; and visitors that are left out because a model fails."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from echolead.operational import control_tasks, quarantine, warehouse_requests
from echolead.operational.models import WarehouseRequest
from echolead.operational.warehouse_requests import Extent
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
from ingest_api.control.call import Calling, operation
from ingest_api.control.once import once
from ingest_api.control.refusals import refusals
from ingest_api.control.tasks import TaskView, task_answer

PATH = "/v1/tenants/{tenant_id}/replays"
QUARANTINE = "/v1/tenants/{tenant_id}/quarantine"

routes = APIRouter(tags=["replays"])


class ExtentBody(ControlBody):
    """What is computed again: all of the tenant, what was received in a time (the end is not in it), or some leads."""

    received_from: Annotated[Moment | None, Field(examples=["2026-03-10T00:00:00-03:00"])] = None
    received_before: Moment | None = None
    lead_ids: Annotated[list[str], Field(max_length=1000, default_factory=list)]
    origin: Annotated[
        Literal["raw", "queue"],
        Field(description="`queue`: add what the queue holds of these days and raw lacks. It takes no leads."),
    ] = "raw"

    @property
    def kind(self) -> str:
        """The kind of the request."""
        return warehouse_requests.OF_QUEUE if self.origin == "queue" else "replay"


class ReplayBody(ExtentBody):
    """The same, with the reason."""

    reason: Annotated[str, Field(min_length=1, max_length=1000, examples=["Channel rules were changed"])]


class ReplayView(View):
    """A request to compute again: an operator's replay, a decision about leads, or other settings of the tenant. Or, of
    kind `queue`, to add to raw what the queue holds and raw lacks.

    `pieces`, `visitors` and `events` count what is done; `changes` what became of the rows.
    """

    request_id: UUID
    kind: str
    state: str
    reason: str
    received_from: Moment | None
    received_before: Moment | None
    lead_ids: list[str]
    requested_by: str
    pieces: int
    visitors: int
    events: int
    changes: dict[str, Any]
    message: str
    created_at: Moment
    started_at: Moment | None
    ended_at: Moment | None


class QuarantineLine(View):
    """A visitor, or with `tracking_id` '' the whole tenant, that turns leave out."""

    quarantine_id: UUID
    tracking_id: str
    event_id: str
    step: str
    message: str
    quarantined_at: Moment
    released_at: Moment | None
    released_by: str
    release_reason: str


class ReleaseBody(ControlBody):
    """Why the rows are taken again."""

    reason: Annotated[str, Field(min_length=1, max_length=1000, examples=["The model was corrected"])]


@routes.get(PATH, summary="Replays", response_model=ListPage[ReplayView], **operation("replays.read"))
def list_(call: Calling, limit: PageSize = 50, cursor: Cursor = None) -> Response:
    """The requests of the tenant, newest first."""
    before = after(call, cursor, time_and_id)
    with call.session() as session:
        rows = warehouse_requests.page_of_requests(session, call.tenant_id, limit=limit + 1, before=before)
        return answer(page(call, rows, limit, ReplayView.model_validate, lambda row: [row.created_at, row.request_id]))


@routes.post(
    f"{PATH}/trials", summary="Try a replay", status_code=202, response_model=TaskView, **operation("replays.try")
)
def try_(call: Calling, body: ExtentBody) -> Response:
    """A task that finds what a replay would change: `result` has the counts of `changes`. Nothing changes."""
    asked = {"tenant_id": call.tenant_id, **body.model_dump(mode="json")}
    with refusals():
        warehouse_requests.check_extent(_extent(body), body.kind)
    return once(
        call,
        lambda session: task_answer(
            control_tasks.ask(session, call.tenant_id, "replay_trial", asked, actor=call.actor)
        ),
    )


@routes.post(PATH, summary="Replay", status_code=201, response_model=ReplayView, **operation("replays.run"))
def run(call: Calling, body: ReplayBody) -> Response:
    """Compute again. The live run does it in pieces between its turns; new events go first."""
    return once(
        call,
        lambda session: answer(
            ReplayView.model_validate(
                warehouse_requests.ask(
                    session, call.tenant_id, _extent(body), actor=call.actor, reason=body.reason, kind=body.kind
                )
            ),
            201,
        ),
    )


@routes.get(f"{PATH}/{{request_id}}", summary="A replay", response_model=ReplayView, **operation("replays.read"))
def show(call: Calling, request_id: UUID) -> Response:
    """How far a request has come, and what it changed."""
    with call.session() as session:
        return _shown(warehouse_requests.get_request(session, request_id))


@routes.post(
    f"{PATH}/{{request_id}}/stop", summary="Stop a replay", response_model=ReplayView, **operation("replays.run")
)
def stop(call: Calling, request_id: UUID) -> Response:
    """Let it wait until it is resumed; the piece that is under way comes to its end. Repeating it is not an error."""
    return once(call, lambda session: _shown(warehouse_requests.stop(session, request_id, actor=call.actor)))


@routes.post(
    f"{PATH}/{{request_id}}/resume", summary="Resume a replay", response_model=ReplayView, **operation("replays.run")
)
def resume(call: Calling, request_id: UUID) -> Response:
    """Let a stopped or failed request go on behind its last piece."""
    return once(call, lambda session: _shown(warehouse_requests.resume(session, request_id, actor=call.actor)))


@routes.get(QUARANTINE, summary="Quarantine", response_model=ListPage[QuarantineLine], **operation("quarantine.read"))
def quarantined(call: Calling) -> Response:
    """Visitors that are left out, newest first, in one page: at most 20 and the tenant itself wait at once."""
    with call.session() as session:
        rows = quarantine.list_entries(session, call.tenant_id)
        return answer(ListPage[QuarantineLine](items=[QuarantineLine.model_validate(row) for row in rows]))


@routes.post(
    f"{QUARANTINE}/{{quarantine_id}}/release",
    summary="Release a visitor",
    response_model=QuarantineLine,
    **operation("quarantine.release"),
)
def release(call: Calling, quarantine_id: UUID, body: ReleaseBody) -> Response:
    """Take the rows again: a replay computes them between the turns."""
    return once(
        call,
        lambda session: answer(
            QuarantineLine.model_validate(
                quarantine.release(session, quarantine_id, actor=call.actor, reason=body.reason)
            )
        ),
    )


def _extent(body: ExtentBody) -> Extent:
    return Extent(body.received_from, body.received_before, tuple(body.lead_ids))


def _shown(request: WarehouseRequest) -> Response:
    return answer(ReplayView.model_validate(request))
