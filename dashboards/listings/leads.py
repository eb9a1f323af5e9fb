"""The leads: the list with its search, and what is known of one lead.

A filter by period or source asks for the same people as the figures do, so that the list has as
many leads as the figure that led to it.
"""

from typing import Any

import pandas as pd

from dashboards.listings import Asked, Listing, ListingColumn
from echolead.leads.search import BY_IDENTIFIER, COUNT, LEADS, SORTS, searched
from echolead.metrics.people import PEOPLE, Question, bound_parameters, conditions
from echolead.metrics.periods import ALL

REACHED = ("lead", "chat", "qualified", "won")
SEARCH, SORT, STAGE = "q", "sort", "reached"

IN_PERIOD = (
    "lead_id in (select person_id from people where part = 'current' and is_lead and stage >= {stage} and {narrowed})"
)


def _where(asked: Asked) -> tuple[str, str, dict[str, Any]]:
    """The common table expressions ('' for none), the condition and the parameters of what the address asks for."""
    if text := asked.first(SEARCH).strip():
        return "", *searched(
            text, lambda values: asked.query(BY_IDENTIFIER, asked.tenant_id, values=values)["lead_id"].tolist()
        )
    filters = asked.filters
    stage = REACHED.index(asked.first(STAGE)) + 1 if asked.first(STAGE) in REACHED else 0
    if filters.period_name == ALL and not any(filters.values.values()) and not stage:
        return "", "true", {}
    question = Question(asked.period, filters.values)
    where = IN_PERIOD.format(stage=stage, narrowed=conditions(question) or "true")
    return PEOPLE, where, bound_parameters(question)


def leads(asked: Asked) -> pd.DataFrame:
    """One page of the leads that the address asks for."""
    before, where, bound = _where(asked)
    order = SORTS.get(asked.first(SORT), SORTS["newest"])
    offset = (asked.page() - 1) * asked.rows
    # Those of a period are few enough to be counted in passing; all leads of a tenant are counted by their key.
    total = "count() over ()" if before else "0"
    return asked.run(before + LEADS.format(where=where, order=order, total=total), offset=offset, **bound)


def number_of_leads(asked: Asked, rows: pd.DataFrame) -> int:
    """How many leads the address asks for; `rows` is the page of them that is shown."""
    before, where, bound = _where(asked)
    if before:
        return int(rows["total"].iloc[0]) if len(rows) else 0
    return int(asked.query(COUNT.format(where=where), asked.tenant_id, **bound)["number"].iloc[0])


LEADS_LIST = Listing(
    "leads",
    (
        ListingColumn("name", width="medium", empty="unnamed"),
        ListingColumn("email", width="medium"),
        ListingColumn("phone"),
        ListingColumn("score", "count", width="small"),
        ListingColumn("stage"),
        ListingColumn("channel"),
        ListingColumn("campaign"),
        ListingColumn("created_at", "moment", title="created"),
        ListingColumn("last_event_at", "moment", title="last_seen"),
        ListingColumn("source", is_shown=False),
        ListingColumn("company", is_shown=False),
        ListingColumn("lead_id", is_shown=False),
    ),
    leads,
)
