"""Leads as the console shows them: a search, and all that is known of one, read as the tenant in the warehouse."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from echolead.leads import record, timeline
from echolead.leads.search import BY_IDENTIFIER, LEADS, MAX_SEARCH, SORTS, searched
from echolead.operational.errors import NotFound
from ingest_api.control.answers import Cursor, ListPage, Moment, PageSize, View, after, answer, page
from ingest_api.control.call import Calling, operation
from ingest_api.control.refusals import refusals
from ingest_api.control.warehouse import asking, moment_and_id

PATH = "/v1/tenants/{tenant_id}/leads"
ENTRIES = 50
"""Rows of each part of a record: the newest."""
LeadPath = Annotated[str, Path(min_length=1, max_length=200, examples=["1f0c6b1e7d9a4c55"])]
# The order of the list without a sort of its own: newest first, then by id.
BEHIND = """ and (created_at < {before:DateTime64(3, 'UTC')}
    or created_at = {before:DateTime64(3, 'UTC')} and lead_id > {before_id:String})"""

routes = APIRouter(tags=["leads"])


class LeadLine(View):
    """A lead in a list. `score` and `stage` are null for a tenant without rules."""

    lead_id: str
    name: str
    email: str
    phone: str
    company: str
    channel: str
    source: str
    campaign: str
    created_at: Moment
    last_event_at: Moment
    score: int | None
    stage: str | None


class TouchView(View):
    """An arrival: when, where from, where to. `source_rule` is what named its source."""

    touch_at: Moment
    source: str
    medium: str
    campaign: str
    channel: str
    landing_page: str
    referrer: str
    source_rule: str
    click_ids: dict[str, str]


class ReasonView(View):
    """A rule's part of the score: its points and the facts it saw."""

    rule_id: str
    name: str
    points: int
    facts: str


class LeadResultView(View):
    """What the tenant's rules make of the lead."""

    version: int
    score: int
    reasons: list[ReasonView]
    segments: list[str]
    stage: str
    priority: str
    team: str
    owner: str
    route_reason: str


class FieldView(View):
    """A value of a field: who said it first, with which event on which page, and when it was said last."""

    field: str
    value: str
    sent_by: str
    event: str
    page: str
    first_said_at: Moment
    last_said_at: Moment
    tracking_id: str


class EntryView(View):
    """An entry of the journey, the device of its visitor, and by what and when the visitor became part of the lead."""

    at: Moment
    kind: str
    tracking_id: str
    page: str
    detail: str
    proof: str
    device: str
    joined_by: str
    joined_at: Moment | None


class LeadCall(View):
    """One call of a delivery, as JSON texts without secrets."""

    attempt: int
    operation: str
    response_status: int | None
    outcome: str
    error_class: str | None
    latency_ms: int | None
    started_at: Moment
    request: str | None
    response: str | None


class LeadDelivery(View):
    """A delivery of the lead, with its newest calls."""

    delivery_id: str
    destination_name: str
    destination_kind: str
    state: str
    attempts: int
    created_at: Moment
    delivered_at: Moment | None
    verified_at: Moment | None
    last_error_class: str | None
    last_error: str | None
    calls: list[LeadCall]


class RemoteRecord(View):
    """What the lead is in a product."""

    destination_name: str
    destination_kind: str
    remote_kind: str
    remote_id: str


class LeadRecord(View):
    """All that is known of a lead, each part with its newest 50 rows.

    `lead_id` is the present one, where the lead that was asked for has become part of another.
    """

    lead_id: str
    name: str
    email: str
    phone: str
    company: str
    external_id: str
    created_at: Moment
    last_event_at: Moment
    identified_by: str
    identifying_event_id: str
    marketing_consent: str
    sessions_count: int
    visitors_count: int
    visitors: list[str]
    source: str
    medium: str
    campaign: str
    channel: str
    source_reason: str
    first_touch: TouchView
    last_touch: TouchView
    last_non_direct_touch: TouchView
    result: LeadResultView | None
    fields_said: list[FieldView]
    events_count: int
    journey: list[EntryView]
    deliveries: list[LeadDelivery]
    records: list[RemoteRecord]


@routes.get(PATH, summary="Search leads", response_model=ListPage[LeadLine], **operation("leads.read"))
def search(
    call: Calling,
    q: Annotated[
        str, Query(max_length=MAX_SEARCH, description="A whole e-mail, phone or id, or a part of a name or company")
    ] = "",
    limit: PageSize = 50,
    cursor: Cursor = None,
) -> Response:
    """The leads, newest first. A whole e-mail, phone or id is read by its key; another text reads the names of all
    leads of the tenant.
    """
    behind = after(call, cursor, moment_and_id)
    with asking(call) as ask:
        where, bound = "true", dict[str, Any]()
        if q.strip():
            where, bound = searched(q, lambda values: [row["lead_id"] for row in ask(BY_IDENTIFIER, values=values)])
        if behind is not None:
            where, bound = f"({where}){BEHIND}", {**bound, "before": behind[0], "before_id": behind[1]}
        sql = LEADS.format(where=where, order=SORTS["newest"], total="0")
        rows = ask(sql, rows=limit + 1, offset=0, **bound)
    return answer(page(call, rows, limit, LeadLine.model_validate, lambda row: [row["created_at"], row["lead_id"]]))


@routes.get(f"{PATH}/{{lead_id}}", summary="A lead", response_model=LeadRecord, **operation("leads.read"))
def show(call: Calling, lead_id: LeadPath) -> Response:
    """Who the lead is, its score with reasons, its source and why, its journey, and what was delivered.

    Each part reads the rows of the lead by its key, or those of the tenant that are about leads.
    """
    with asking(call) as ask:
        row = _lead(ask, call.tenant_id, lead_id)
        place = {"lead_id": row["lead_id"], "rows": ENTRIES}
        results = ask(record.RESULT, **place)
        calls = ask(record.ATTEMPTS, **place)
        return answer(
            LeadRecord(
                **{name: value for name, value in row.items() if name in LeadRecord.model_fields},
                visitors=row["first_visitors"],
                first_touch=_touch(row, "first_"),
                last_touch=_touch(row, "last_"),
                last_non_direct_touch=_touch(row, "last_non_direct_"),
                result=_result(results[0]) if results else None,
                fields_said=[
                    FieldView.model_validate(each)
                    for each in ask(record.FACTS, tracking_ids=row["first_visitors"], rows=ENTRIES)
                ],
                events_count=ask(timeline.COUNTED, lead_id=row["lead_id"])[0]["events"],
                journey=[EntryView.model_validate(each) for each in timeline.entries(ask, row["lead_id"], ENTRIES)],
                deliveries=[_delivery(each, calls) for each in ask(record.DELIVERIES, **place)],
                records=[RemoteRecord.model_validate(each) for each in ask(record.RECORDS, **place)],
            )
        )


def _lead(ask: timeline.TenantRows, tenant_id: str, lead_id: str) -> dict[str, Any]:
    """The row of the lead, or of the one it is part of now. Raises `Problem`."""
    found = ask(record.LEAD, lead_id=lead_id)
    if not found and (present := ask(record.ALIAS, lead_id=lead_id)):
        found = ask(record.LEAD, lead_id=present[0]["lead_id"])
    with refusals():
        if not found:
            raise NotFound(f"Tenant {tenant_id} has no lead {lead_id}.")
    return found[0]


def _touch(row: dict[str, Any], prefix: str) -> TouchView:
    return TouchView(**{name: row[f"{prefix}{name}"] for name in TouchView.model_fields})


def _result(row: dict[str, Any]) -> LeadResultView:
    reasons = [ReasonView(**dict(zip(ReasonView.model_fields, each, strict=True))) for each in row["reasons"]]
    return LeadResultView(**{**row, "reasons": reasons})


def _delivery(row: dict[str, Any], calls: Sequence[dict[str, Any]]) -> LeadDelivery:
    own = [LeadCall.model_validate(each) for each in calls if each["delivery_id"] == row["delivery_id"]]
    return LeadDelivery(**row, calls=own)
