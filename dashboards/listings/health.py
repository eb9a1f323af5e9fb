"""The state of the pipeline for one tenant: what is late, refused, left out or stuck."""

from dashboards.listings import Listing, ListingColumn

# Reads the tenant's newest rows of each layer.
FRESHNESS = """
select layer, newest_received_at, age_seconds, row_count from ops.freshness
where tenant_id = {tenant_id:String}
order by indexOf(['raw', 'enriched', 'leads', 'deliveries'], layer)
limit {rows:UInt32}
"""
# Reads the events of the last seven days.
LAG = """
select hour, events, p50_seconds, p95_seconds from ops.load_lag
where tenant_id = {tenant_id:String} and hour > now() - interval 24 hour
order by hour
limit {rows:UInt32}
"""
REJECTED = """
select reason, stage, sum(rejected) as rejected_count, max(last_received_at) as newest,
    argMax(last_detail, last_received_at) as detail
from ops.rejected_by_reason
where tenant_id = {tenant_id:String} and date >= today() - 1
group by reason, stage
order by rejected_count desc
limit {rows:UInt32}
"""
STATES = """
select state, count() as deliveries, max(updated_at) as newest from marts.deliveries
where tenant_id = {tenant_id:String}
group by state
order by deliveries desc
limit {rows:UInt32}
"""
STUCK = """
select destination_name, delivers, state, lead_id, attempts, last_error_class, last_error, waiting_seconds,
    count() over () as total
from ops.stuck_deliveries
where tenant_id = {tenant_id:String}
order by waiting_seconds desc
limit {rows:UInt32}
"""
SET_ASIDE = """
select field, reason, source, count() as number, max(received_at) as newest, argMax(event_id, received_at) as event_id,
    argMax(value, received_at) as value
from ops.set_aside
where tenant_id = {tenant_id:String}
group by field, reason, source
order by newest desc
limit {rows:UInt32}
"""
UNMAPPED = """
select destination_name, pipeline_label, stage_label, deals
from ops.unmapped_stages where tenant_id = {tenant_id:String} order by deals desc, destination_name, position
limit {rows:UInt32}
"""
SHARED = """
select kind, value, reason, visitors, leads, last_stated_at from ops.shared_values
where tenant_id = {tenant_id:String}
order by reason, visitors desc, kind, value
limit {rows:UInt32}
"""
QUARANTINE = """
select tracking_id, event_id, step, quarantined_at, events, message from ops.quarantine
where tenant_id = {tenant_id:String}
order by quarantined_at
limit {rows:UInt32}
"""
FAILING = """
select step, failing_since, event_id, message from ops.failing_steps
where tenant_id = {tenant_id:String}
order by failing_since
limit {rows:UInt32}
"""

LAYERS = Listing(
    "freshness",
    (
        ListingColumn("layer", words="layer"),
        ListingColumn("newest_received_at", "moment", title="newest"),
        ListingColumn("age_seconds", "seconds", title="age"),
        ListingColumn("row_count", "count", title="rows"),
    ),
    lambda asked: asked.run(FRESHNESS),
)
LOAD_LAG = Listing(
    "load-lag",
    (
        ListingColumn("hour", "moment"),
        ListingColumn("events", "count"),
        ListingColumn("p50_seconds", "number"),
        ListingColumn("p95_seconds", "number"),
    ),
    lambda asked: asked.run(LAG),
)
REFUSALS = Listing(
    "rejected",
    (
        ListingColumn("reason", words="refused"),
        ListingColumn("stage", title="refused_by", words="refuser"),
        ListingColumn("rejected_count", "count", title="number"),
        ListingColumn("newest", "moment"),
        ListingColumn("detail", width="large"),
    ),
    lambda asked: asked.run(REJECTED),
)
DELIVERY_STATES = Listing(
    "deliveries-by-state",
    (
        ListingColumn("state", words="state"),
        ListingColumn("deliveries", "count"),
        ListingColumn("newest", "moment"),
    ),
    lambda asked: asked.run(STATES),
)
STUCK_DELIVERIES = Listing(
    "stuck-deliveries",
    (
        ListingColumn("destination_name", title="destination"),
        ListingColumn("delivers", words="delivers"),
        ListingColumn("state", words="state"),
        ListingColumn("lead_id"),
        ListingColumn("attempts", "count"),
        ListingColumn("last_error_class", title="reason"),
        ListingColumn("last_error", title="detail", width="large"),
        ListingColumn("waiting_seconds", "seconds", title="waiting"),
    ),
    lambda asked: asked.run(STUCK),
)
ASIDE = Listing(
    "set-aside",
    (
        ListingColumn("field"),
        ListingColumn("reason", words="aside"),
        ListingColumn("source", title="sent_by", words="sender"),
        ListingColumn("number", "count"),
        ListingColumn("newest", "moment"),
        ListingColumn("event_id", title="event"),
        ListingColumn("value", width="medium"),
    ),
    lambda asked: asked.run(SET_ASIDE),
)
SHARED_CONTACTS = Listing(
    "shared-contacts",
    (
        ListingColumn("kind", words="identifier", title="field"),
        ListingColumn("value"),
        ListingColumn("reason", words="shared"),
        ListingColumn("visitors", "count"),
        ListingColumn("leads", "count"),
        ListingColumn("last_stated_at", "moment", title="newest"),
    ),
    lambda asked: asked.run(SHARED),
)
IN_QUARANTINE = Listing(
    "quarantine",
    (
        ListingColumn("tracking_id", title="visitor", empty="all_visitors"),
        ListingColumn("event_id", title="event"),
        ListingColumn("step"),
        ListingColumn("quarantined_at", "moment", title="since"),
        ListingColumn("events", "count", title="waiting_events"),
        ListingColumn("message", title="detail", width="large"),
    ),
    lambda asked: asked.run(QUARANTINE),
)
UNMAPPED_STAGES = Listing(
    "unmapped-stages",
    (
        ListingColumn("destination_name", title="destination"),
        ListingColumn("pipeline_label", title="pipeline"),
        ListingColumn("stage_label", title="stage"),
        ListingColumn("deals", "count"),
    ),
    lambda asked: asked.run(UNMAPPED),
)
FAILING_STEPS = Listing(
    "failing-steps",
    (
        ListingColumn("step"),
        ListingColumn("failing_since", "moment", title="since"),
        ListingColumn("event_id", title="event"),
        ListingColumn("message", title="detail", width="large"),
    ),
    lambda asked: asked.run(FAILING),
)
