"""The timeline of a lead: visits, pages, forms, chats, deals and deliveries, newest first, and where each comes from.

Every statement is bounded by `rows`, however much the lead has done. An entry of a visit names its visitor's device,
and by which identifier and when the visitor became part of the lead.
"""

from typing import Any

import pandas as pd

from dashboards.listings import Asked, Listing, ListingColumn

LEAD_ID = "lead_id"
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
COLUMNS = ("at", "kind", "tracking_id", "page", "detail", "proof")


def entries(asked: Asked) -> pd.DataFrame:
    """The newest entries of the lead of the address, at most `asked.rows`, with device and join of their visitors."""
    lead_id = asked.first(LEAD_ID)
    found = [asked.run(sql, lead_id=lead_id, **_more(sql)) for sql in STATEMENTS]
    filled = [each[list(COLUMNS)] for each in found if len(each)]
    if not filled:
        return pd.DataFrame(columns=[*COLUMNS, "device", "joined_by", "joined_at"])
    together = pd.concat([each.assign(at=pd.to_datetime(each["at"], utc=True)) for each in filled], ignore_index=True)
    newest = together.sort_values("at", ascending=False, kind="stable").head(asked.rows).reset_index(drop=True)
    return _with_visitors(asked, newest)


def _more(sql: str) -> dict[str, Any]:
    return {"visitors": VISITORS} if "{visitors:" in sql else {}


def _with_visitors(asked: Asked, rows: pd.DataFrame) -> pd.DataFrame:
    """The entries with the device of their visitor, and how the visitor became part of the lead."""
    tracking_ids = sorted({each for each in rows["tracking_id"] if each})[:VISITORS]
    devices = asked.query(DEVICES, asked.tenant_id, tracking_ids=tracking_ids)
    joins = asked.query(JOINS, asked.tenant_id, tracking_ids=tracking_ids)
    of_device = {
        str(row.tracking_id): " · ".join(str(part) for part in (row.device_type, row.browser, row.os) if part)
        for row in devices.itertuples()
    }
    of_join = {
        str(row.tracking_id): (str(row.email or row.phone or row.external_id), row.occurred_at)
        for row in joins.itertuples()
    }
    return rows.assign(
        device=[of_device.get(each, "") for each in rows["tracking_id"]],
        joined_by=[of_join.get(each, ("", None))[0] for each in rows["tracking_id"]],
        joined_at=[of_join.get(each, ("", None))[1] for each in rows["tracking_id"]],
    )


def number_of_entries(asked: Asked) -> int:
    """How many events the lead has in all; the other entries are few."""
    return int(asked.query(COUNTED, asked.tenant_id, lead_id=asked.first(LEAD_ID))["events"].iloc[0])


TIMELINE = Listing(
    "timeline",
    (
        ListingColumn("at", "moment", title="when"),
        ListingColumn("kind", words="entry", title="event"),
        ListingColumn("page"),
        ListingColumn("detail"),
        ListingColumn("device"),
        ListingColumn("joined_by"),
        ListingColumn("joined_at", "moment"),
        ListingColumn("tracking_id", title="visitor"),
        ListingColumn("proof"),
    ),
    entries,
)
