"""What is known of one lead beside its timeline: fields and who said them, results, deliveries, deals and chats."""

import pandas as pd

from dashboards.listings import Asked, Listing, ListingColumn
from dashboards.listings.timeline import LEAD_ID
from echolead.leads.record import CHATS, DEALS, FACTS, LEAD

MAX_ROWS = 50


def of_lead(asked: Asked, sql: str) -> pd.DataFrame:
    """The rows of one of the statements above for the lead of the address."""
    return asked.query(sql, asked.tenant_id, lead_id=asked.first(LEAD_ID), rows=MAX_ROWS)


def lead(asked: Asked) -> pd.Series | None:
    """The row of the lead of the address, None when there is none."""
    found = asked.query(LEAD, asked.tenant_id, lead_id=asked.first(LEAD_ID))
    return found.iloc[0] if len(found) else None


def _facts(asked: Asked) -> pd.DataFrame:
    row = lead(asked)
    visitors = [] if row is None else list(row["first_visitors"])
    return asked.run(FACTS, tracking_ids=visitors)


FIELDS = Listing(
    "lead-fields",
    (
        ListingColumn("field", words="identifier"),
        ListingColumn("value", width="medium"),
        ListingColumn("event", words="entry", title="said_with"),
        ListingColumn("sent_by", words="sender"),
        ListingColumn("page"),
        ListingColumn("first_said_at", "moment"),
        ListingColumn("last_said_at", "moment"),
        ListingColumn("tracking_id", title="visitor"),
    ),
    _facts,
)
LEAD_DEALS = Listing(
    "lead-deals",
    (
        ListingColumn("product"),
        ListingColumn("deal_id", title="deal"),
        ListingColumn("pipeline_label", title="pipeline"),
        ListingColumn("stage_label", title="stage"),
        ListingColumn("stage", words="deal", title="counts_as"),
        ListingColumn("converted_value", "money", title="value"),
        ListingColumn("updated_at", "moment", title="newest"),
    ),
    lambda asked: of_lead(asked, DEALS),
)
LEAD_CHATS = Listing(
    "lead-conversations",
    (
        ListingColumn("conversation_id", title="conversation"),
        ListingColumn("inbox"),
        ListingColumn("team"),
        ListingColumn("assignee"),
        ListingColumn("status", words="conversation", title="state"),
        ListingColumn("opened_at", "moment", title="opened"),
        ListingColumn("first_response_business_seconds", "seconds", title="first_response"),
        ListingColumn("customer_messages", "count"),
        ListingColumn("human_messages", "count"),
        ListingColumn("last_message_at", "moment", title="last_message"),
    ),
    lambda asked: of_lead(asked, CHATS),
)
