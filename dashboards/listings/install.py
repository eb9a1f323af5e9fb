"""The first events of an installation: which arrived in the last hour, from which page, with which parameters."""

from dashboards.listings import Asked, Listing, ListingColumn

SHOWN = 10

# Reads the tenant's hosts: one row.
HOSTS = "select any(own_hosts) as hosts from enriched.tenant_rules where tenant_id = {tenant_id:String}"
# Reads the tenant's events of this month's part of the table, and of them those of the last hour.
NEWEST = """
select received_at, event_name, page_url, source, medium, campaign, device_type as device, browser, is_bot, sent_by
from enriched.events
where tenant_id = {tenant_id:String} and occurred_at > now() - interval 1 hour
    and received_at > now() - interval 1 hour
order by received_at desc
limit {rows:UInt32}
"""

NEWEST_EVENTS = Listing(
    "newest-events",
    (
        ListingColumn("received_at", "moment", title="received"),
        ListingColumn("event_name", words="event", title="event"),
        ListingColumn("page_url", title="page", width="large"),
        ListingColumn("source"),
        ListingColumn("medium"),
        ListingColumn("campaign"),
        ListingColumn("device", words="device"),
        ListingColumn("browser"),
        ListingColumn("sent_by", words="sender"),
        ListingColumn("is_bot", "flag"),
    ),
    lambda asked: asked.run(NEWEST),
)


def hosts(asked: Asked) -> list[str]:
    """The hosts of the tenant, which serve its script."""
    found = asked.query(HOSTS, asked.tenant_id)
    return [str(each) for each in found["hosts"].iloc[0]] if len(found) else []
