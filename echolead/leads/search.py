"""Finding leads: by a whole e-mail, phone or id, by a part of a name, and in an order.

A search for a whole e-mail, phone or id reads the identifiers by their key. Any other text is looked for in the names
of the tenant's leads.
"""

from collections.abc import Callable, Sequence
from typing import Any

SORTS = {"newest": "created_at desc", "active": "last_event_at desc", "score": "score desc"}
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
SEARCHED = "concatWithSeparator(' ', name, email, phone, company, campaign, source)"
TEXT = f"positionCaseInsensitiveUTF8({SEARCHED}, {{q:String}}) > 0"


def searched(text: str, find: Callable[[Sequence[str]], Sequence[str]]) -> tuple[str, dict[str, Any]]:
    """The condition on `marts.leads` for a searched text, and its parameters.

    `find` answers the ids of the leads with one of these identifiers (`BY_IDENTIFIER`).
    """
    text = text.strip()[:MAX_SEARCH]
    values = _search_values(text)
    found = list(find(values)) if values else []
    return ("lead_id in {found:Array(String)}", {"found": found}) if found else (TEXT, {"q": text})


def _search_values(text: str) -> list[str]:
    """The forms in which a whole identifier may be stored, none for a text that is no identifier."""
    digits = "".join(each for each in text if each.isdigit())
    if "@" in text and " " not in text:
        return [text.lower()]
    if len(digits) >= 8 and not text.strip("+0123456789 ()-."):
        return [f"+{digits}", f"+55{digits}", digits]
    return [text] if len(text) >= 8 and " " not in text else []
