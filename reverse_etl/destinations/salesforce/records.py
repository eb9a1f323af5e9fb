"""Which lead of Salesforce is a lead of ours: by the remembered id, by `EchoLead_Id__c`, by e-mail."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reverse_etl.batch import ask_for
from reverse_etl.destination import Order
from reverse_etl.destinations.salesforce.verdicts import ID_FIELD
from reverse_etl.lead import Lead

Record = Mapping[str, Any]

# A GET of over 16,384 bytes is refused, and quotes and commas take three bytes each in an address.
CONDITION_CHARACTERS = 3000
# Leads of one shared address can be thousands; those with an id of ours come first.
MATCHES = 500


@dataclass(frozen=True)
class Match:
    """The lead's record, None when there is none, and sentences on others that could be it."""

    record: Record | None = None
    conflicts: tuple[str, ...] = ()


async def find(orders: Sequence[Order], fields: Sequence[str], api: str) -> list[Match]:
    """The record of each order's lead, in the orders' order, with these fields of it. Raises as `Calls.ask`."""
    found: dict[int, Match] = {}
    remembered = [place for place, order in enumerate(orders) if order.history.remote_id]
    if remembered:
        ids = [str(orders[place].history.remote_id) for place in remembered]
        asked = [orders[place] for place in remembered]
        for place, record in zip(remembered, await read(asked, ids, fields, api), strict=True):
            if record is not None:  # else deleted, or merged into another
                found[place] = Match(record)
    sought = [place for place in range(len(orders)) if place not in found]
    for some in _chunks(sought, [orders[place].lead for place in sought]):
        matches = await _matches([orders[place] for place in some], fields, api)
        found.update(zip(some, matches, strict=True))
    return _each_once([found[place] for place in range(len(orders))])


async def with_ids(order: Order, ids: Sequence[str], fields: Sequence[str], api: str) -> list[Record]:
    """Every record with one of these ids of ours, also where one lead has several. Raises as `Calls.ask`."""
    found: list[Record] = []
    for some in _chunks(range(len(ids)), [Lead(each) for each in ids]):
        condition = f"{ID_FIELD} IN ({_listed(ids[place] for place in some)})"
        answer = await order.calls.ask("look up leads", "GET", f"{api}/query", params={"q": _soql(fields, condition)})
        found += answer["records"]
    return found


async def read(orders: Sequence[Order], ids: Sequence[str], fields: Sequence[str], api: str) -> list[Record | None]:
    """The records with these ids, in their order; None for those that are gone. Raises as `Calls.ask`."""
    body = {"ids": list(ids), "fields": list(fields)}
    parts = [{"ids": [each]} for each in ids]
    records = await ask_for(orders, parts, "read leads", "POST", f"{api}/composite/sobjects/Lead", body=body)
    if len(records) != len(ids):
        raise ValueError(f"{len(records)} records instead of {len(ids)}")
    return list(records)


async def _matches(orders: Sequence[Order], fields: Sequence[str], api: str) -> list[Match]:
    leads = [order.lead for order in orders]
    conditions = f"{ID_FIELD} IN ({_listed(id for lead in leads for id in _ids(lead))})"
    emails = _listed(lead.email for lead in leads if lead.email)
    if emails:
        conditions += f" OR (Email IN ({emails}) AND IsConverted = false AND {ID_FIELD} = null)"
    soql = _soql(fields, conditions)
    parts = [{ID_FIELD: _ids(lead), "Email": lead.email} for lead in leads]

    def own(answer: Any, place: int) -> Any:
        return [record for record in answer["records"] if _rank(record, leads[place]) is not None]

    answer = await ask_for(orders, parts, "look up leads", "GET", f"{api}/query", own=own, params={"q": soql})
    return [_best(own(answer, place), lead) for place, lead in enumerate(leads)]


def _soql(fields: Sequence[str], conditions: str) -> str:
    return (
        f"SELECT {', '.join(fields)} FROM Lead WHERE {conditions}"  # noqa: S608  # every value is quoted by `_quoted`
        f" ORDER BY {ID_FIELD} NULLS LAST, CreatedDate, Id LIMIT {MATCHES}"
    )


def _best(records: Sequence[Record], lead: Lead) -> Match:
    """The strongest claim, among equals one that is not converted, then the oldest; the rest are named."""
    ranked = sorted(records, key=lambda record: (bool(record.get("IsConverted")), _rank(record, lead)))
    if not ranked:
        return Match()
    chosen, others = ranked[0], ranked[1:]
    return Match(chosen, tuple(_twin(other, chosen) for other in others))


def _rank(record: Record, lead: Lead) -> int | None:
    """The lead's own id, then those of its browsers, then its e-mail; None when the record is not the lead's."""
    ids = [each.lower() for each in _ids(lead)]  # the match of an external id ignores case
    held = str(record.get(ID_FIELD) or "").lower()
    if held:
        return ids.index(held) if held in ids else None
    return len(ids) if lead.email and str(record.get("Email") or "").lower() == lead.email.lower() else None


def _twin(other: Record, chosen: Record) -> str:
    held = f"{ID_FIELD} {other[ID_FIELD]}" if other.get(ID_FIELD) else f"e-mail {other.get('Email')}"
    return f"lead {other['Id']} has the {held} as well, left there; delivered to lead {chosen['Id']}"


def _each_once(found: list[Match]) -> list[Match]:
    """A record is one lead's: of several that claim it by their e-mail, the first gets it."""
    taken: set[str] = set()
    once = []
    for each in found:
        is_taken = each.record is not None and each.record["Id"] in taken
        once.append(Match() if is_taken else each)
        if each.record is not None:
            taken.add(str(each.record["Id"]))
    return once


def _chunks(places: Sequence[int], leads: Sequence[Lead]) -> Iterable[list[int]]:
    some: list[int] = []
    size = 0
    for place, lead in zip(places, leads, strict=True):
        needed = sum(len(_quoted(each)) + 8 for each in (*_ids(lead), lead.email))
        if some and size + needed > CONDITION_CHARACTERS:
            yield some
            some, size = [], 0
        some.append(place)
        size += needed
    if some:
        yield some


def _ids(lead: Lead) -> list[str]:
    return list(dict.fromkeys((lead.lead_id, *lead.tracking_ids)))


def _listed(values: Iterable[str]) -> str:
    return ", ".join(_quoted(value) for value in dict.fromkeys(values))


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
    return f"'{escaped}'"
