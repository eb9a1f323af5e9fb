"""The leads: the list with its search, and what is known of one lead.

A search for a whole e-mail, phone or id reads the identifiers by their key. Any other text is looked for in the names
of the tenant's leads. A filter by period or source asks for the same people as the figures do, so that the list has as
many leads as the figure that led to it.
"""

from typing import Any

import pandas as pd

from dashboards.listings import Asked, Listing, ListingColumn
from echolead.metrics.people import PEOPLE, Question, bound_parameters, conditions
from echolead.metrics.periods import ALL

SORTS = {"newest": "created_at desc", "active": "last_event_at desc", "score": "score desc"}
REACHED = ("lead", "chat", "qualified", "won")
SEARCH, SORT, STAGE = "q", "sort", "reached"
MAX_SEARCH = 200

# Reads the tenant's leads, and where they are sorted by it, their scores; of a period, what the figures read.
LEADS = """
select lead_id, name, email, phone, company, channel, source, campaign, created_at, last_event_at, score, stage,
    {total} as total
from marts.leads as leads
left join (
    select lead_id, score, stage from marts.lead_results where tenant_id = {{tenant_id:String}}
) as results on leads.lead_id = results.lead_id
where tenant_id = {{tenant_id:String}} and {where}
order by {order}, lead_id
limit {{rows:UInt32}} offset {{offset:UInt64}}
"""
COUNT = "select count() as number from marts.leads where tenant_id = {{tenant_id:String}} and {where}"
# Reads the rows of one value; a phone is stored in each of its forms.
BY_IDENTIFIER = """
select distinct lead_id from marts.identities
where tenant_id = {tenant_id:String} and kind in ('email', 'phone', 'external_id', 'tracking_id')
    and value in {values:Array(String)}
limit 200
"""
IN_PERIOD = (
    "lead_id in (select person_id from people where part = 'current' and is_lead and stage >= {stage} and {narrowed})"
)
SEARCHED = "concatWithSeparator(' ', name, email, phone, company, campaign, source)"
TEXT = f"positionCaseInsensitiveUTF8({SEARCHED}, {{q:String}}) > 0"


def _search_values(text: str) -> list[str]:
    """The forms in which a whole identifier may be stored, none for a text that is not an identifier."""
    digits = "".join(each for each in text if each.isdigit())
    if "@" in text and " " not in text:
        return [text.lower()]
    if len(digits) >= 8 and not text.strip("+0123456789 ()-."):
        return [f"+{digits}", f"+55{digits}", digits]
    return [text] if len(text) >= 8 and " " not in text else []


def _where(asked: Asked) -> tuple[str, str, dict[str, Any]]:
    """The common table expressions ('' for none), the condition and the parameters of what the address asks for."""
    text = asked.first(SEARCH).strip()[:MAX_SEARCH]
    if text:
        values = _search_values(text)
        found = asked.query(BY_IDENTIFIER, asked.tenant_id, values=values)["lead_id"].tolist() if values else []
        if found:
            return "", "lead_id in {found:Array(String)}", {"found": found}
        return "", TEXT, {"q": text}
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
        ListingColumn("name", width="medium"),
        ListingColumn("email", width="medium"),
        ListingColumn("phone"),
        ListingColumn("company"),
        ListingColumn("score", "count"),
        ListingColumn("channel"),
        ListingColumn("source"),
        ListingColumn("campaign"),
        ListingColumn("created_at", "moment", title="created"),
        ListingColumn("last_event_at", "moment", title="last_seen"),
        ListingColumn("stage", title="stage"),
        ListingColumn("lead_id", is_shown=False),
    ),
    leads,
)
