"""When a tenant is open, as tables: the week, its own days, and the public holidays of this year and the next."""

from datetime import date
from zoneinfo import ZoneInfo

import pandas as pd

from dashboards.listings import Asked, Listing, ListingColumn
from echolead.business_hours import DAYS, public_holidays

YEARS = 2


def times_text(times: list[str]) -> str:
    """Times of opening as they are written in a field."""
    return ", ".join(times)


def _week(asked: Asked) -> pd.DataFrame:
    weekly = asked.from_api().get("/hours").body["weekly"]
    return pd.DataFrame([(day, times_text(weekly.get(day, [])) or "closed") for day in DAYS], columns=_names(WEEK))


def _own_days(asked: Asked) -> pd.DataFrame:
    days = asked.from_api().get("/hours").body["own_days"][: asked.rows]
    rows = [(date.fromisoformat(each["date"]), each["name"], times_text(each["times"]) or "closed") for each in days]
    return pd.DataFrame(rows, columns=_names(OWN_DAYS))


def _closed_days(asked: Asked) -> pd.DataFrame:
    hours = asked.from_api().get("/hours").body
    this_year = asked.now.astimezone(ZoneInfo(asked.zone)).year
    found = [
        (day, name)
        for year in range(this_year, this_year + YEARS)
        for day, name in sorted(public_holidays(hours["country"], hours["subdivision"], year).items())
    ]
    return pd.DataFrame(found[: asked.rows], columns=_names(CLOSED_DAYS))


def _names(listing: Listing) -> list[str]:
    return [each.name for each in listing.columns]


WEEK = Listing(
    "week",
    (ListingColumn("weekday", words="day"), ListingColumn("opening_times", words="opening")),
    _week,
)
OWN_DAYS = Listing(
    "own-days",
    (
        ListingColumn("date", "date", title="day"),
        ListingColumn("own_day_name", width="medium"),
        ListingColumn("opening_times", words="opening"),
    ),
    _own_days,
)
CLOSED_DAYS = Listing(
    "public-holidays",
    (ListingColumn("date", "date", title="day"), ListingColumn("own_day_name", title="public_holidays", width="large")),
    _closed_days,
)
