"""Replays as a table: what was computed again, who asked for it and why."""

import pandas as pd

from dashboards.listings import Asked, Listing, ListingColumn, api_rows


def _replays(asked: Asked) -> pd.DataFrame:
    return api_rows(REPLAYS, asked.from_api().lines("/replays", most=asked.rows))


REPLAYS = Listing(
    "replays",
    (
        ListingColumn("created_at", "moment", title="made_at"),
        ListingColumn("kind", words="asked"),
        ListingColumn("state", words="request"),
        ListingColumn("reason", title="reason_why", width="medium"),
        ListingColumn("requested_by", words="requester"),
        ListingColumn("pieces", "count"),
        ListingColumn("visitors", "count"),
        ListingColumn("events", "count"),
        ListingColumn("ended_at", "moment"),
        ListingColumn("received_from", "moment", title="replay_first_day", is_shown=False),
        ListingColumn("received_before", "moment", title="replay_last_day", is_shown=False),
        ListingColumn("changes", is_shown=False),
        ListingColumn("request_id", is_shown=False),
    ),
    _replays,
)
