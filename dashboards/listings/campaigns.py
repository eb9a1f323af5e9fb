"""Campaigns: what each cost and brought, and the credit of conversions under one model beside another."""

from datetime import date, timedelta

import pandas as pd

from dashboards.listings import Asked, Listing, ListingColumn
from echolead.metrics.credit import (
    COST_TOTALS,
    COSTS,
    DIMENSIONS,
    MODELS,
    PATHS,
    credit_statement,
    days,
)
from echolead.metrics.periods import Period

LATE_AFTER_DAYS = 2
MODEL, OTHER, CREDIT_BY = "model", "other", "credit_by"


def model(asked: Asked) -> str:
    """The attribution model of the address."""
    return asked.first(MODEL) if asked.first(MODEL) in MODELS else MODELS[0]


def other_model(asked: Asked) -> str:
    """The model it is set beside: another one than the chosen."""
    said = asked.first(OTHER)
    if said in MODELS and said != model(asked):
        return said
    return next(each for each in MODELS if each != model(asked))


def credit_by(asked: Asked) -> str:
    """What the credit is split by."""
    return asked.first(CREDIT_BY) if asked.first(CREDIT_BY) in DIMENSIONS else "campaign"


def _credit(asked: Asked) -> pd.DataFrame:
    held = {name: list(asked.filters.values.get(name, ())) for name in DIMENSIONS}
    sql = credit_statement(credit_by(asked), held)
    bound = {f"of_{name}": values for name, values in held.items() if values}
    return asked.run(sql, model=model(asked), other=other_model(asked), **days(asked.period), **bound)


CREDITS = Listing(
    "credit",
    (
        ListingColumn("key", title="split_value", width="medium"),
        ListingColumn("lead_credit", "number"),
        ListingColumn("other_lead_credit", "number"),
        ListingColumn("moved", "number"),
        ListingColumn("converted_leads", "count"),
        ListingColumn("event_credit", "number"),
        ListingColumn("revenue", "money", title="conversion_revenue"),
        ListingColumn("other_revenue", "money"),
    ),
    _credit,
)
CAMPAIGN_COSTS = Listing(
    "campaign-costs",
    (
        ListingColumn("platform", words="platform"),
        ListingColumn("campaign", width="medium"),
        ListingColumn("cost", "money"),
        ListingColumn("clicks", "count"),
        ListingColumn("visits", "count"),
        ListingColumn("leads", "number"),
        ListingColumn("cpl", "money"),
        ListingColumn("won", "number"),
        ListingColumn("cac", "money"),
        ListingColumn("revenue", "money"),
        ListingColumn("roas", "number"),
        ListingColumn("last_day", "date"),
    ),
    lambda asked: asked.run(COSTS, model=model(asked), **days(asked.period)),
)
PATHS_TO_LEAD = Listing(
    "paths",
    (
        ListingColumn("path", width="medium"),
        ListingColumn("leads", "count"),
        ListingColumn("touches", "number"),
        ListingColumn("days_seconds", "seconds", title="path_time"),
    ),
    lambda asked: asked.run(PATHS, **days(asked.period)),
)


def late_since(totals: pd.Series, period: Period) -> date | None:
    """The last day with a cost when costs are later than usual; None when they are not, or when there are none."""
    if pd.isna(totals["last_day_with_cost"]):
        return None
    last = pd.Timestamp(totals["last_day_with_cost"]).date()
    return last if last < (period.current.end - timedelta(days=LATE_AFTER_DAYS)).date() else None


def cost_totals(asked: Asked) -> pd.Series:
    """Cost of the period and of the time before, the last day with a cost, and rows without a rate."""
    return asked.query(COST_TOTALS, asked.tenant_id, **days(asked.period)).iloc[0]
