"""Decisions about identity: two leads are one person, or visitors of a lead are another person."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from echolead.operational import lead_decisions
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
from ingest_api.control.warehouse import check_leads, check_visitors

PATH = "/v1/tenants/{tenant_id}/lead-decisions"
LeadName = Annotated[
    str, Field(min_length=1, max_length=200, description="As the console shows it", examples=["1f0c6b1e7d9a4c55"])
]
Why = Annotated[str, Field(min_length=1, max_length=1000, examples=["Same person, as she said on the phone"])]

routes = APIRouter(tags=["leads"])


class DecisionView(View):
    """A decision. Its leads are called as they were when it was made."""

    decision_id: UUID
    kind: Literal["merge", "split"]
    lead_id: str
    other_lead_id: Annotated[str, Field(description="Of a merge, else empty")]
    tracking_ids: Annotated[list[str], Field(description="Of a split: the visitors that are another person")]
    decided_at: Moment
    decided_by: str
    reason: str
    is_reverted: bool


class Merge(ControlBody):
    """Two leads that are one person."""

    lead_id: LeadName
    other_lead_id: LeadName
    reason: Why


class Split(ControlBody):
    """Visitors of a lead that are another person."""

    lead_id: LeadName
    tracking_ids: Annotated[list[LeadName], Field(min_length=1, max_length=1000)]
    reason: Why


class Takeback(ControlBody):
    """Why a decision is taken back."""

    reason: Why


@routes.get(PATH, summary="Decisions", response_model=ListPage[DecisionView], **operation("leads.read"))
def list_(
    call: Calling,
    lead_id: Annotated[str, Query(max_length=200, description="Only those about this lead")] = "",
    limit: PageSize = 50,
    cursor: Cursor = None,
) -> Response:
    """Decisions about the tenant's leads, newest first; reverted ones too."""
    before = after(call, cursor, time_and_id)
    with call.session() as session:
        rows = lead_decisions.page_of_decisions(
            session, call.tenant_id, limit=limit + 1, before=before, lead_id=lead_id
        )
        return answer(
            page(call, rows, limit, DecisionView.model_validate, lambda row: [row.decided_at, row.decision_id])
        )


@routes.post(
    f"{PATH}/merges", summary="Merge leads", status_code=201, response_model=DecisionView, **operation("leads.decide")
)
def merge(call: Calling, body: Merge) -> Response:
    """Two leads are one person. Their rows are computed again at once, by a replay of the kind `decision`."""
    check_leads(call, body.lead_id, body.other_lead_id)
    return once(
        call,
        lambda session: answer(
            DecisionView.model_validate(
                lead_decisions.merge(session, call.tenant_id, **body.model_dump(), actor=call.actor)
            ),
            201,
        ),
    )


@routes.post(
    f"{PATH}/splits", summary="Split a lead", status_code=201, response_model=DecisionView, **operation("leads.decide")
)
def split(call: Calling, body: Split) -> Response:
    """Some visitors of a lead are another person. Their identifiers no longer connect them with the others."""
    check_visitors(call, body.lead_id, body.tracking_ids)
    return once(
        call,
        lambda session: answer(
            DecisionView.model_validate(
                lead_decisions.split(session, call.tenant_id, **body.model_dump(), actor=call.actor)
            ),
            201,
        ),
    )


@routes.post(
    f"{PATH}/{{decision_id}}/reversion",
    summary="Take a decision back",
    response_model=DecisionView,
    **operation("leads.decide"),
)
def revert(call: Calling, decision_id: UUID, body: Takeback) -> Response:
    """The leads are again what their visitors said."""
    return once(
        call,
        lambda session: answer(
            DecisionView.model_validate(
                lead_decisions.revert(session, decision_id, actor=call.actor, reason=body.reason)
            )
        ),
    )
