"""What does not arrive where it should: fields and events of destinations, ads outside of campaigns."""

from dashboards.listings import Listing, ListingColumn

# Each reads what is missing now, of this tenant.
LEFT_OUT = """
select destination_name, field, reason from ops.left_out_fields
where tenant_id = {tenant_id:String}
order by destination_name, field
limit {rows:UInt32}
"""
UNKNOWN = """
select destination_name, lead_id, event_id from ops.unknown_events
where tenant_id = {tenant_id:String}
order by destination_name, lead_id, event_id
limit {rows:UInt32}
"""
GAPS = """
select
    platform,
    reason,
    arrayStringConcat(campaigns, ', ') as campaigns,
    visits,
    leads,
    arrayStringConcat(arrayMap((currency, amount) -> concat(toString(amount), ' ', currency),
        mapKeys(cost), mapValues(cost)), ', ') as cost
from ops.spend_gaps
where tenant_id = {tenant_id:String}
order by leads desc, visits desc, platform, reason
limit {rows:UInt32}
"""
UNREPLACED = """
select platform, landing_page, value, visits, last_started_at from ops.unreplaced_parameters
where tenant_id = {tenant_id:String}
order by visits desc, landing_page, value
limit {rows:UInt32}
"""

LEFT_OUT_FIELDS = Listing(
    "left-out-fields",
    (
        ListingColumn("destination_name", title="destination"),
        ListingColumn("field"),
        ListingColumn("reason", width="large"),
    ),
    lambda asked: asked.run(LEFT_OUT),
)
UNKNOWN_EVENTS = Listing(
    "unknown-events",
    (
        ListingColumn("destination_name", title="destination"),
        ListingColumn("lead_id"),
        ListingColumn("event_id", title="event"),
    ),
    lambda asked: asked.run(UNKNOWN),
)
SPEND_GAPS = Listing(
    "spend-gaps",
    (
        ListingColumn("platform", words="platform"),
        ListingColumn("reason", words="gap"),
        ListingColumn("campaigns", title="campaign"),
        ListingColumn("visits", "count", title="sessions"),
        ListingColumn("leads", "count"),
        ListingColumn("cost"),
    ),
    lambda asked: asked.run(GAPS),
)
UNREPLACED_PARAMETERS = Listing(
    "unreplaced-parameters",
    (
        ListingColumn("platform", words="platform"),
        ListingColumn("landing_page"),
        ListingColumn("value", title="utm_campaign"),
        ListingColumn("visits", "count", title="sessions"),
        ListingColumn("last_started_at", "moment", title="newest"),
    ),
    lambda asked: asked.run(UNREPLACED),
)
