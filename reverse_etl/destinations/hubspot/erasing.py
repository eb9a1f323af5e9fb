"""HubSpot: what EchoLead wrote of an erased person is taken off its contacts and deals, and its notes are deleted.

Contacts and deals stay, with HubSpot's own properties. Sources: developers.hubspot.com, "Contacts", "Deals", "Notes".
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from reverse_etl.destination import Order
from reverse_etl.destinations.hubspot.account import KEY, HubSpotProperties
from reverse_etl.destinations.hubspot.answers import refusals
from reverse_etl.destinations.hubspot.contacts import BATCH
from reverse_etl.erased import ErasedRecords, check_taken_back
from reverse_etl.errors import NotThere, Rejected
from reverse_etl.mapping import PropertyMap

Held = dict[str, dict[str, str]]
"""By the id of a record, what it has of our properties."""


async def take_back(order: Order, erased: ErasedRecords, account: HubSpotProperties, mapping: PropertyMap) -> None:
    """As `TakesBack.take_back`: records are known by their ids, and by our key where those do not lead to them."""
    left: list[str] = []
    for kind, known in (("contacts", "contact"), ("deals", "deal")):
        names = account.taken_back(kind, mapping.records.get(known, ()))
        ids = erased.records.get(known, ())
        # Without deals in the configuration, the account's properties of deals are not known: those we know are read.
        leads = erased.leads if kind in account.definitions else ()
        if held := await _held(order, kind, names, ids, leads):
            await _empty(order, kind, held)
            held = await _held(order, kind, names, list(held), ())
        left += [f"{name} of {known} {record_id}" for record_id, values in held.items() for name in values]
    for note in erased.records.get("note", ()):
        with suppress(NotThere):
            path = f"crm/v3/objects/notes/{quote(note, safe='')}"
            await order.calls.ask("delete note", "DELETE", path, expects_json=False)
    check_taken_back(left)


async def _held(order: Order, kind: str, names: Sequence[str], ids: Sequence[str], leads: Sequence[str]) -> Held:
    found = await _read(order, kind, names, ids)
    found += await _read(order, kind, names, leads, idProperty=KEY)
    held: Held = {}
    for record in found:
        values = record["properties"]
        ours = {name: str(values[name]) for name in names if values.get(name) not in (None, "")}
        if ours:
            held[str(record["id"])] = ours
    return held


async def _read(
    order: Order, kind: str, names: Iterable[str], ids: Sequence[str], **by: str
) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    for first in range(0, len(ids), BATCH):
        inputs = [{"id": each} for each in ids[first : first + BATCH]]
        body = {"properties": list(names), "propertiesWithHistory": [], "inputs": inputs, **by}
        with suppress(NotThere):
            answer = await order.calls.ask(f"read {kind}", "POST", f"crm/v3/objects/{kind}/batch/read", body=body)
            found += answer["results"]
    return found


async def _empty(order: Order, kind: str, held: Held) -> None:
    """Empty what records hold. Raises `Rejected` for what HubSpot refuses; the others are done then."""
    rows = [{"id": record_id, "properties": dict.fromkeys(values, "")} for record_id, values in held.items()]
    for first in range(0, len(rows), BATCH):
        body = {"inputs": rows[first : first + BATCH]}
        answer = await order.calls.ask(f"empty {kind}", "POST", f"crm/v3/objects/{kind}/batch/update", body=body)
        for refusal in refusals(answer).values():
            if not refusal.is_of_missing_record:
                raise Rejected(refusal.message or "Refused.", status=400, code=refusal.category)
