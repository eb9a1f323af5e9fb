"""Visitors that turns leave out, as the API releases them."""

import pandas as pd

from dashboards.listings import Asked, Listing, ListingColumn, api_rows
from dashboards.listings.health import IN_QUARANTINE


def _quarantined(asked: Asked) -> pd.DataFrame:
    """The entries of the API with the events that wait, which the warehouse counts."""
    rows = api_rows(QUARANTINED, asked.from_api().whole("/quarantine"))
    waiting = IN_QUARANTINE.rows(asked).set_index("tracking_id")["events"]
    rows["events"] = waiting.reindex(rows["tracking_id"]).to_numpy()
    return rows


QUARANTINED = Listing(
    "quarantined",
    (
        ListingColumn("tracking_id", title="visitor"),
        ListingColumn("quarantined_at", "moment", title="since"),
        ListingColumn("step"),
        ListingColumn("events", "count", title="waiting_events"),
        ListingColumn("message", title="detail", width="large"),
        ListingColumn("event_id", title="event", is_shown=False),
        ListingColumn("quarantine_id", is_shown=False),
    ),
    _quarantined,
)
