"""Refused events and messages of the tenant, newest first, as the API lists them."""

import pandas as pd

from dashboards.control import MAX_LINES
from dashboards.listings import Asked, Listing, ListingColumn, api_rows
from echolead.events import REASONS

REASON = "reason"
"""The parameter of an address that says the code of a reason."""


def reason_of(asked: Asked) -> str:
    """The reason of the address; '' where it says none, or one that there is not."""
    said = asked.first(REASON)
    return said if said in REASONS else ""


def last_page(asked: Asked) -> int:
    """The number of the last page that can be opened: the API lists from the newest on, so that the rows before a page
    are read as well.
    """
    return max(MAX_LINES // asked.rows, 1)


def _dead_letters(asked: Asked) -> pd.DataFrame:
    before = (min(asked.page(), last_page(asked)) - 1) * asked.rows
    lines = asked.from_api().lines("/dead-letters", most=before + asked.rows, reason=reason_of(asked))
    return api_rows(DEAD_LETTERS, lines[before:])


DEAD_LETTERS = Listing(
    "dead-letters",
    (
        ListingColumn("received_at", "moment", title="received"),
        ListingColumn("reason", words="refused"),
        ListingColumn("detail", width="large"),
        ListingColumn("stage", title="refused_by", words="refuser"),
        ListingColumn("event_id", title="event"),
        ListingColumn("dead_letter_id", is_shown=False),
    ),
    _dead_letters,
)
