"""The timeline of a lead: visits, pages, forms, chats, deals and deliveries, newest first, and where each comes from.

Every statement is bounded by `rows`, however much the lead has done. An entry of a visit names its visitor's device,
and by which identifier and when the visitor became part of the lead.
"""

from collections.abc import Callable, Sequence
from datetime import UTC
from typing import Any

TenantRows = Callable[..., Sequence[dict[str, Any]]]
"""Runs a statement as one tenant, with its parameters by name; the rows by their columns."""
VISITORS = 200
"""The visitors of the newest arrivals whose events are read."""

# Each reads the rows of one lead by the table's key, but for conversations, deals and deliveries: those of the tenant.
ARRIVALS = """
select touch_at as at, 'arrival' as kind, tracking_id, landing_page as page,
    concat(channel, ' · ', source, ' / ', medium, if(campaign = '', '', concat(' · ', campaign))) as detail,
    arrayStringConcat(
        arrayMap(each -> concat(each.1, ' = ', each.2), click_ids::Array(Tuple(String, String))), ', '
    ) as proof
from marts.lead_touches
where tenant_id = {tenant_id:String} and lead_id = {lead_id:String}
order by touch_at desc
limit {rows:UInt32}
"""
EVENTS = """
select occurred_at as at, concat('event_', event_name) as kind, tracking_id, page_path as page, page_title as detail,
    event_id as proof
from enriched.events
where tenant_id = {tenant_id:String} and event_name != 'page_ping' and tracking_id in (
    select tracking_id from marts.lead_touches
    where tenant_id = {tenant_id:String} and lead_id = {lead_id:String}
    order by touch_at desc limit 1 by tracking_id limit {visitors:UInt32}
)
order by occurred_at desc
limit {rows:UInt32}
"""
CHATS = """
select moment.1 as at, moment.2 as kind, '' as tracking_id, inbox as page, moment.3 as detail,
    toString(conversation_id) as proof
from marts.conversations
array join arrayFilter(each -> each.1 is not null, [
    (toNullable(opened_at), 'chat_opened', opened_by), (first_response_at, 'chat_answered', responder),
    (resolved_at, 'chat_resolved', assignee)
]) as moment
where tenant_id = {tenant_id:String} and lead_id = {lead_id:String}
order by at desc
limit {rows:UInt32}
"""
DEALS = """
select entered_at as at, 'deal_stage' as kind, '' as tracking_id, pipeline_label as page, stage_label as detail,
    deal_id as proof
from marts.deal_stage_history
where tenant_id = {tenant_id:String} and (destination_id, deal_id) in (
    select destination_id, deal_id from marts.deals where tenant_id = {tenant_id:String} and lead_id = {lead_id:String}
)
order by at desc
limit {rows:UInt32}
"""
DELIVERIES = """
select coalesce(verified_at, delivered_at, updated_at) as at, concat('delivery_', state) as kind, '' as tracking_id,
    destination_name as page, last_error as detail, delivery_id as proof
from marts.deliveries
where tenant_id = {tenant_id:String} and lead_id = {lead_id:String} and state != 'superseded'
order by at desc
limit {rows:UInt32}
"""
# Reads the newest visitors of one lead with their devices, and its identifiers.
DEVICES = """
select tracking_id, device_type, browser, os, min(started_at) as first_visit_at from marts.sessions
where tenant_id = {tenant_id:String} and tracking_id in {tracking_ids:Array(String)}
group by tracking_id, device_type, browser, os
order by first_visit_at
limit 1 by tracking_id
"""
JOINS = """
select tracking_id, event_name, sent_by, email, phone, external_id, occurred_at from enriched.lead_events
where tenant_id = {tenant_id:String} and tracking_id in {tracking_ids:Array(String)}
    and (email != '' or phone != '' or external_id != '')
order by tracking_id, occurred_at
limit 1 by tracking_id
"""
COUNTED = """
select count() as events from enriched.events
where tenant_id = {tenant_id:String} and event_name != 'page_ping' and tracking_id in (
    select tracking_id from marts.lead_touches where tenant_id = {tenant_id:String} and lead_id = {lead_id:String}
)
"""
STATEMENTS = (ARRIVALS, EVENTS, CHATS, DEALS, DELIVERIES)
ENTRY_COLUMNS = ("at", "kind", "tracking_id", "page", "detail", "proof", "device", "joined_by", "joined_at")


def entries(ask: TenantRows, lead_id: str, rows: int) -> list[dict[str, Any]]:
    """The newest entries of a lead, at most `rows` (`ENTRY_COLUMNS`), with device and join of their visitors."""
    found = [
        {**row, "at": _aware(row["at"])}
        for sql in STATEMENTS
        for row in ask(sql, lead_id=lead_id, rows=rows, **({"visitors": VISITORS} if "{visitors:" in sql else {}))
    ]
    newest = sorted(found, key=lambda row: row["at"], reverse=True)[:rows]
    tracking_ids = sorted({str(row["tracking_id"]) for row in newest if row["tracking_id"]})[:VISITORS]
    devices = {str(row["tracking_id"]): _device(row) for row in ask(DEVICES, tracking_ids=tracking_ids)}
    joins = {str(row["tracking_id"]): _join(row) for row in ask(JOINS, tracking_ids=tracking_ids)}
    nothing = {"joined_by": "", "joined_at": None}
    return [
        {**row, "device": devices.get(row["tracking_id"], ""), **joins.get(row["tracking_id"], nothing)}
        for row in newest
    ]


def _device(row: dict[str, Any]) -> str:
    return " · ".join(str(row[name]) for name in ("device_type", "browser", "os") if row[name])


def _join(row: dict[str, Any]) -> dict[str, Any]:
    said = str(row["email"] or row["phone"] or row["external_id"])
    return {"joined_by": said, "joined_at": _aware(row["occurred_at"])}


def _aware(moment: Any) -> Any:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
