"""The timeline of a lead as a table."""

from typing import Any

import pandas as pd

from dashboards.listings import Asked, Listing, ListingColumn
from echolead.leads import timeline
from echolead.leads.timeline import COUNTED, ENTRY_COLUMNS

LEAD_ID = "lead_id"


def entries(asked: Asked) -> pd.DataFrame:
    """The newest entries of the lead of the address, at most `asked.rows`, with device and join of their visitors."""

    def rows(sql: str, **bound: Any) -> list[dict[str, Any]]:
        frame = asked.query(sql, asked.tenant_id, **bound)
        return [dict(zip(frame.columns, row, strict=True)) for row in frame.itertuples(index=False, name=None)]

    found = timeline.entries(rows, asked.first(LEAD_ID), asked.rows)
    return pd.DataFrame(found, columns=list(ENTRY_COLUMNS))


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
