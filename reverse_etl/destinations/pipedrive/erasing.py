"""Pipedrive: what EchoLead wrote of an erased person is taken off persons, leads and deals; its notes are deleted.

Persons, leads and deals stay, with their names, addresses and numbers. Sources: API v2, persons and deals; API v1,
leads and notes.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from reverse_etl.destination import Order
from reverse_etl.destinations.pipedrive.companions import PLACES
from reverse_etl.destinations.pipedrive.fields import KEY, STANDARD, PipedriveFields
from reverse_etl.destinations.pipedrive.persons import CREATING, Person, Persons, PersonWork
from reverse_etl.erased import ErasedRecords, check_taken_back
from reverse_etl.errors import NotThere
from reverse_etl.lead import DeliveryHistory, Lead
from reverse_etl.mapping import PropertyMap


class PipedriveErasing:
    """Empties our fields in one account; `fields` have been read."""

    def __init__(self, fields: PipedriveFields, mapping: PropertyMap, persons: Persons) -> None:
        self._fields = fields
        self._mapping = mapping
        self._persons = persons

    async def take_back(self, order: Order, erased: ErasedRecords) -> None:
        """As `TakesBack.take_back`. Of leads and deals those that have our id, while the destination makes any."""
        left: list[str] = []
        for person in await self._found(order, erased):
            for kind, item in await self._opportunities(order, person, erased):
                left += await self._empty(order, kind, item)
            left += await self._empty(order, "person", person)
        for note in erased.records.get("note", ()):
            with suppress(NotThere):
                await order.calls.ask("delete note", "DELETE", f"v1/notes/{note}")
        check_taken_back(left)

    async def _found(self, order: Order, erased: ErasedRecords) -> list[Person]:
        """The persons that are known by their ids; without one, that which was made without an answer or has our id."""
        work = PersonWork(order)
        known = [await self._persons.read(work, each) for each in erased.records.get("contact", ())]
        found = {str(person["id"]): person for person in known if person is not None}
        if found or not erased.leads:
            return list(found.values())
        creating = erased.records.get(CREATING, ())
        history = DeliveryHistory({CREATING: creating[0]} if creating else {}, twins={CREATING: creating[1:]})
        begun = PersonWork(replace(order, lead=Lead(erased.leads[0]), history=history)).begun
        for lead_id in dict.fromkeys((*begun, erased.leads[0])):
            lead = Lead(lead_id, tracking_ids=erased.leads)
            person = await self._persons.find(PersonWork(replace(order, lead=lead, history=history)))
            found |= {} if person is None else {str(person["id"]): person}
        return list(found.values())

    async def _opportunities(
        self, order: Order, person: Person, erased: ErasedRecords
    ) -> list[tuple[str, Mapping[str, Any]]]:
        """Leads and deals of the person that have an id of ours."""
        if "deal" not in self._fields.types:
            return []
        found: list[tuple[str, Mapping[str, Any]]] = []
        key = self._fields.key("deal")
        for kind, path in PLACES:
            params = {"person_id": str(person["id"]), "limit": "100"}
            with suppress(NotThere):  # not every plan has an archive
                answer = await order.calls.ask(f"list {kind}s of person", "GET", path, params=params)
                found += [(kind, item) for item in answer["data"] or () if _custom(kind, item).get(key) in erased.leads]
        return found

    async def _empty(self, order: Order, kind: str, item: Mapping[str, Any]) -> list[str]:
        """Empty our fields of a person, lead or deal; those that the answer still has."""
        keys = self._keys("person" if kind == "person" else "deal")
        held = [key for key in keys if _custom(kind, item).get(key) not in (None, "", [])]
        if not held:
            return []
        emptied: dict[str, Any] = dict.fromkeys(held)
        path = f"v1/leads/{item['id']}" if kind == "lead" else f"api/v2/{kind}s/{item['id']}"
        body = emptied if kind == "lead" else {"custom_fields": emptied}
        try:
            answer = await order.calls.ask(f"empty {kind}", "PATCH", path, body=body)
        except NotThere:  # somebody deleted it a moment ago
            return []
        after = _custom(kind, answer["data"])
        return [f"field {key} of {kind} {item['id']}" for key in held if after.get(key) not in (None, "", [])]

    def _keys(self, kind: str) -> list[str]:
        """The custom fields that EchoLead alone writes: the mapped ones, and the one with its id."""
        names = [name for name in (KEY, *self._mapping.records[kind]) if name not in STANDARD[kind]]
        _, custom = self._fields.split(kind, dict.fromkeys(names))
        return list(custom)


def _custom(kind: str, item: Mapping[str, Any]) -> Mapping[str, Any]:
    """Custom fields: of a lead they are at its root."""
    return item if kind == "lead" else item.get("custom_fields") or {}
