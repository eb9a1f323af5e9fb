"""Destinations as tables: how each stands, and the errors of one."""

import pandas as pd

from dashboards.listings import Asked, Listing, ListingColumn, api_rows

NAME = "destination"
"""The parameter of an address that says a destination."""
UNSENT = "state in ('pending', 'in_flight', 'retry')"
# Reads the tenant's deliveries that wait, were given up, or were changed in the last day.
STANDING = f"""
select
    destination_name,
    countIf({UNSENT}) as destination_waiting,
    if(destination_waiting = 0, null, dateDiff('second', minIf(created_at, {UNSENT}), now64(3))) as destination_oldest,
    countIf(state = 'dead') as destination_dead,
    countIf(delivered_at > now64(3) - interval 1 day) as destination_delivered,
    max(delivered_at) as last_delivered
from marts.deliveries
where tenant_id = {{tenant_id:String}}
    and ({UNSENT} or state = 'dead' or updated_at > now64(3) - interval 1 day)
group by destination_name
limit {{rows:UInt32}}
"""  # noqa: S608  # constants alone
# Reads the deliveries of one destination that wait because of an error.
ERRORS_OF_ONE = """
select
    last_error_class as error_class,
    state,
    count() as number,
    max(updated_at) as newest,
    argMax(last_error, updated_at) as error_example
from marts.deliveries
where tenant_id = {tenant_id:String} and destination_name = {destination:String}
    and state in ('retry', 'dead', 'withheld') and last_error_class != ''
group by last_error_class, state
order by number desc
limit {rows:UInt32}
"""
QUOTA = ("destination_calls_left", "destination_calls_limit")
COUNTS = ("destination_waiting", "destination_dead", "destination_delivered")


def state_of(destination: dict[str, object]) -> str:
    """On, paused by a user, or switched off by the engine."""
    if destination["is_enabled"]:
        return "on"
    return "off" if destination["disabled_at"] else "paused"


def _destinations(asked: Asked) -> pd.DataFrame:
    lines = asked.from_api().whole("/destinations")
    named = [
        {
            "destination_name": each["name"],
            "destination_kind": each["kind"],
            "destination_state": state_of(each),
            "destination_calls_left": (each["quota"] or {}).get("calls_left"),
            "destination_calls_limit": (each["quota"] or {}).get("calls_limit"),
        }
        for each in lines
    ]
    frame = api_rows(DESTINATIONS, named)
    standing = asked.run(STANDING).set_index("destination_name").reindex(frame["destination_name"])
    for column in standing.columns:
        frame[column] = standing[column].to_numpy()
    for column in COUNTS:
        frame[column] = frame[column].fillna(0).astype("int64")
    for column in QUOTA:
        frame[column] = frame[column].astype("Int64")
    frame["last_delivered"] = pd.to_datetime(frame["last_delivered"], utc=True)
    return frame


DESTINATIONS = Listing(
    "destinations",
    (
        ListingColumn("destination_name"),
        ListingColumn("destination_kind"),
        ListingColumn("destination_state", words="destination"),
        ListingColumn("destination_waiting", "count"),
        ListingColumn("destination_oldest", "seconds"),
        ListingColumn("destination_dead", "count"),
        ListingColumn("destination_delivered", "count"),
        ListingColumn("last_delivered", "moment"),
        ListingColumn("destination_calls_left", "count"),
        ListingColumn("destination_calls_limit", "count", is_shown=False),
    ),
    _destinations,
)
ERRORS = Listing(
    "destination-errors",
    (
        ListingColumn("error_class"),
        ListingColumn("state", words="state"),
        ListingColumn("number", "count"),
        ListingColumn("newest", "moment"),
        ListingColumn("error_example", width="large"),
    ),
    lambda asked: asked.run(ERRORS_OF_ONE, destination=asked.first(NAME)),
)
