"""Conversations: first responses by team, agent and hour, and who waits beyond the target now."""

import pandas as pd

from dashboards.listings import Asked, Listing, ListingColumn
from echolead.metrics.chat import BREACHED_NOW, BY_AGENT, BY_HOUR, BY_TEAM, WHOLE
from echolead.metrics.periods import Window

MEASURES = (
    ListingColumn("conversations", "count"),
    ListingColumn("answered", "count"),
    ListingColumn("breached", "count"),
    ListingColumn("within_target", "share"),
    ListingColumn("response_p50", "seconds"),
    ListingColumn("response_p90", "seconds"),
)


def _bound(asked: Asked, window: Window) -> dict[str, str]:
    start, end = window.utc(asked.zone)
    return {"start": f"{start:%Y-%m-%d %H:%M:%S}", "end": f"{end:%Y-%m-%d %H:%M:%S}"}


def whole(asked: Asked, *, before: bool = False) -> pd.Series:
    """The figures of all conversations of the period, or of the time before."""
    window = asked.period.before if before else asked.period.current
    return asked.query(WHOLE, asked.tenant_id, **_bound(asked, window)).iloc[0]


RESPONSES_BY_TEAM = Listing(
    "responses-by-team",
    (ListingColumn("team", width="medium", empty="no_team"), *MEASURES),
    lambda asked: asked.run(BY_TEAM, **_bound(asked, asked.period.current)),
)
RESPONSES_BY_AGENT = Listing(
    "responses-by-agent",
    (ListingColumn("agent", width="medium", empty="no_agent"), *MEASURES),
    lambda asked: asked.run(BY_AGENT, **_bound(asked, asked.period.current)),
)
RESPONSES_BY_HOUR = Listing(
    "responses-by-hour",
    (ListingColumn("hour", "count", title="hour_of_day"), *MEASURES),
    lambda asked: asked.run(BY_HOUR, zone=asked.zone, **_bound(asked, asked.period.current)),
)
WAITING_NOW = Listing(
    "waiting-now",
    (
        ListingColumn("conversation_id", title="conversation"),
        ListingColumn("inbox"),
        ListingColumn("team", empty="no_team"),
        ListingColumn("assignee", empty="no_agent"),
        ListingColumn("asked_at", "moment"),
        ListingColumn("due_at", "moment"),
        ListingColumn("overdue_seconds", "seconds", title="overdue"),
        ListingColumn("lead_id", is_shown=False),
    ),
    lambda asked: asked.run(BREACHED_NOW),
)
