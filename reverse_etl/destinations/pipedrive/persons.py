"""Leads as persons of Pipedrive, where nothing is unique: which person is a lead's, and what it lacks.

A search is behind the store. So what was found is read from there, and a creation without an answer is looked for among
the persons that changed since. Source: API v2, persons.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import Any

from echolead.normalize import normalize_phone
from reverse_etl.destination import Order
from reverse_etl.destinations.pipedrive.fields import PipedriveFields
from reverse_etl.errors import NotThere, OutcomeUnknown, Rejected, Withheld
from reverse_etl.lead import UNCONFIRMED, Lead
from reverse_etl.mapping import PropertyMap, Written
from reverse_etl.ownership import TickedOptions
from reverse_etl.property_types import PropertyType, same

Person = Mapping[str, Any]

CREATING = "creating"
"""The record that says since when a person may have been created without our knowing its id, and for which lead."""
ADDED = "added"
"""The record with the marks of the addresses and numbers that we added: all others are somebody's own."""
CLOCKS_APART = timedelta(minutes=5)
PAGES = 20
KEYS_SEARCHED = 4  # the lead's id, and those of its browsers that were seen last
CUSTOM_KEY = re.compile(r"[0-9a-f]{40}")
DROPS = 12


@dataclass
class PersonWork:
    """One lead on its way: what was written, and what was left to others."""

    order: Order
    is_new: bool = False
    written: dict[str, Any] = field(default_factory=dict)
    conflicts: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    """Marks of the addresses and numbers that we added."""
    ticked: TickedOptions = field(default_factory=lambda: TickedOptions({}, ""))

    @property
    def lead(self) -> Lead:
        """The wanted state."""
        return self.order.lead

    @property
    def begun(self) -> dict[str, datetime]:
        """By lead, this one or one that became part of it: since when it may have a person that we do not know."""
        history = self.order.history
        begun = [each for each in (history.records.get(CREATING), *history.twins.get(CREATING, ())) if each]
        return {
            whose or self.lead.lead_id: datetime.fromisoformat(moment)
            for moment, _, whose in (each.partition(" ") for each in reversed(begun))
        }


class Persons:
    """The persons of one account."""

    def __init__(self, fields: PipedriveFields, mapping: PropertyMap, lead_url: Callable[[str], str]) -> None:
        self._fields = fields
        self._mapping = mapping
        self._lead_url = lead_url

    async def deliver(self, work: PersonWork) -> int:
        """Create or update the lead's person and return its id. Raises `DeliveryFailed`."""
        work.added = work.order.history.records.get(ADDED, "").split()
        person = await self.find(work)
        if person is None:
            return int((await self._create(work))["id"])
        if work.lead.lead_id in work.begun and work.lead.lead_id not in work.order.history.unconfirmed:
            await self._remember_created(work, person)
        person = await self._merge_twins(work, person)
        work.ticked = TickedOptions(work.order.history.records, str(person["id"]))
        await self._update(work, person)
        await work.ticked.remember(work.order, str(person["id"]), work.written.get("custom_fields", ()))
        return int(person["id"])

    async def read(self, work: PersonWork, person_id: str) -> Person | None:
        """A person from the store; None when it is gone."""
        try:
            answer = await work.order.calls.ask("read person", "GET", f"api/v2/persons/{person_id}")
        except NotThere:
            return None
        person: Person = answer["data"]
        return None if person.get("is_deleted") else person

    # Finding

    async def find(self, work: PersonWork) -> Person | None:
        """The remembered person, else one that was created without an answer, else by our key, e-mail, phone."""
        history, lead = work.order.history, work.lead
        if history.remote_id is not None:
            person = await self.read(work, history.remote_id)
            if person is not None:
                return person
        if since := work.begun.get(lead.lead_id):
            person = await self._created_since(work, since, lead.lead_id)
            if person is not None:
                return person
        keys = list(dict.fromkeys((lead.lead_id, *reversed(lead.tracking_ids))))[:KEYS_SEARCHED]
        for key in keys:
            if found := await self._search(work, "custom_fields", key, partial(self._has_key, key)):
                return found
        if lead.email and (found := await self._search(work, "email", lead.email, lambda each: _has_email(each, lead))):
            return found
        for number in _forms(lead.phone):
            # One number serves a family: with another e-mail it is another person.
            if found := await self._search(work, "phone", number, lambda each: not (_emails(each) and lead.email)):
                return found
        return None

    async def _search(
        self,
        work: PersonWork,
        name: str,
        term: str,
        is_theirs: Callable[[Person], bool],
        *,
        except_for: int | None = None,
    ) -> Person | None:
        """The oldest person with this value, read from the store; others are named in a conflict."""
        params = {"term": term, "fields": name, "exact_match": "true", "limit": "10"}
        answer = await work.order.calls.ask(f"search by {name}", "GET", "api/v2/persons/search", params=params)
        ids = sorted(int(found["item"]["id"]) for found in answer["data"]["items"])
        persons = [await self.read(work, str(person_id)) for person_id in ids if person_id != except_for]
        theirs = [person for person in persons if person is not None and is_theirs(person)]
        for twin in theirs[1:]:
            work.conflicts.append(f"person {twin['id']} has the same {name} as person {theirs[0]['id']}: merge them")
        return theirs[0] if theirs else None

    async def _created_since(self, work: PersonWork, moment: datetime, lead_id: str) -> Person | None:
        """The person with this lead's id among those that changed since: from the store, which is not behind."""
        since = (moment - CLOCKS_APART).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        params = {"updated_since": since, "sort_by": "id", "sort_direction": "desc", "limit": "500"}
        for _ in range(PAGES):
            answer = await work.order.calls.ask("list new persons", "GET", "api/v2/persons", params=params)
            for person in answer["data"] or ():
                if self._key(person) == lead_id and not person.get("is_deleted"):
                    found: Person = person
                    return found
            cursor = (answer.get("additional_data") or {}).get("next_cursor")
            if not cursor:
                return None
            params["cursor"] = str(cursor)
        raise OutcomeUnknown("Too many persons have changed to find one that was created without an answer.")

    def _has_key(self, key: str, person: Person) -> bool:
        return self._key(person) == key

    def _key(self, person: Person) -> str:
        return str((person.get("custom_fields") or {}).get(self._fields.key("person")) or "")

    # Writing

    async def _create(self, work: PersonWork) -> Person:
        lead = work.lead
        name = lead.name or lead.email or lead.phone
        if not name:
            raise Withheld("The lead has no name, no e-mail and no phone number.")
        standard, custom = self._wanted(work, is_new=True)
        for key, type_ in self._fields.types["person"].items():
            if key in custom and type_.kind == "options":
                work.ticked.change(key, type_, None, custom[key], ())
        body = {
            "name": name,
            **standard,
            **({"emails": [_entry(lead.email, is_first=True)]} if lead.email else {}),
            **({"phones": [_entry(lead.phone, is_first=True)]} if lead.phone else {}),
            "custom_fields": {**custom, self._fields.key("person"): lead.lead_id},
        }
        await work.order.remember(CREATING, f"{datetime.now(UTC).isoformat()} {lead.lead_id}")
        person = await self._write(work, "create person", "POST", "api/v2/persons", body)
        await self._remember_created(work, person)
        await work.ticked.remember(work.order, str(person["id"]), body["custom_fields"])
        work.is_new = True
        return person

    async def _remember_created(self, work: PersonWork, person: Person) -> None:
        await work.order.remember("contact", str(person["id"]))
        if self._has_key(work.lead.lead_id, person):
            work.added = list(dict.fromkeys((*work.added, *_marks(person))))
            await work.order.remember(ADDED, " ".join(work.added))
        await work.order.remember(CREATING, "")

    async def _merge_twins(self, work: PersonWork, person: Person) -> Person:
        """Merge the persons of leads that became part of this one into its own, whose values count.

        One that Pipedrive does not merge is named in a conflict. Raises `DeliveryFailed`.
        """
        history = work.order.history
        for twin in dict.fromkeys((*history.twins.get("contact", ()), *await self._unconfirmed(work))):
            own_id = str(person["id"])
            if twin != own_id and await self.read(work, twin) is not None:
                body = {"merge_with_id": int(own_id)}
                try:
                    path = f"v1/persons/{twin}/merge"
                    answer = await work.order.calls.ask("merge", "PUT", path, body=body, is_safe_to_repeat=False)
                    person = await self.read(work, str(answer["data"]["id"])) or person
                except Rejected as refused:
                    if await self.read(work, twin) is not None:  # else somebody merged or deleted it meanwhile
                        work.conflicts.append(f"person {twin} is the same lead's, and was not merged: {refused}")
            await work.order.settle_twin("contact", twin)
        for lead_id in history.unconfirmed:
            await work.order.settle_twin(UNCONFIRMED, lead_id)
        if work.lead.lead_id in history.unconfirmed:
            await work.order.remember(CREATING, "")
        return person

    async def _unconfirmed(self, work: PersonWork) -> list[str]:
        """The persons that were created without an answer for leads which became part of this one."""
        found, begun = [], work.begun
        for lead_id in work.order.history.unconfirmed:
            person = await self._created_since(work, begun[lead_id], lead_id) if lead_id in begun else None
            found += [] if person is None else [str(person["id"])]
        return found

    async def _update(self, work: PersonWork, person: Person) -> None:
        body = await self._changes(work, person)
        if not body:
            return
        await self._write(work, "update person", "PATCH", f"api/v2/persons/{person['id']}", body)
        lead = work.lead
        new = [value for name, value in (("emails", lead.email), ("phones", lead.phone)) if name in body]
        if new:
            await work.order.remember(ADDED, " ".join(dict.fromkeys((*work.added, *map(_mark, new)))))

    async def _write(self, work: PersonWork, operation: str, method: str, path: str, body: dict[str, Any]) -> Person:
        """Write; a custom field that Pipedrive names in a refusal is left out. Raises `DeliveryFailed`."""
        for _ in range(DROPS):
            is_safe = method == "PATCH"
            try:
                answer = await work.order.calls.ask(operation, method, path, body=body, is_safe_to_repeat=is_safe)
            except Rejected as refused:
                custom = body.get("custom_fields") or {}
                named = [key for key in dict.fromkeys(CUSTOM_KEY.findall(str(refused))) if key in custom]
                if isinstance(refused, NotThere):
                    raise OutcomeUnknown("The person is gone since it was looked up.") from refused
                if not named:
                    raise
                for key in named:
                    del custom[key]
                    work.conflicts.append(f"field {key} was not written: {refused}")
                continue
            work.written = body
            person: Person = answer["data"]
            return person
        raise Rejected("Pipedrive refuses one field after the other.", status=400)

    async def _changes(self, work: PersonWork, person: Person) -> dict[str, Any]:
        """What the person lacks, or holds from an earlier delivery of ours; sentences on what stays."""
        lead, sent = work.lead, work.order.history.sent
        body: dict[str, Any] = {}
        fillers = {each for earlier in (lead, *sent) for each in (earlier.name, earlier.email, earlier.phone) if each}
        standard, custom = self._wanted(work, is_new=False)
        wanted_name = standard.get("name") or ""
        if wanted_name and person["name"] != wanted_name and (not person["name"] or person["name"] in fillers):
            body["name"] = wanted_name
        emails = await self._emails(work, person)
        if emails is not None:
            body["emails"] = emails
        phones = _joined(person.get("phones") or (), lead.phone, work.added, _same_number)
        if phones is not None:
            body["phones"] = phones
        changed = self._custom_changes(work, person, custom)
        if changed:
            body["custom_fields"] = changed
        return body

    async def _emails(self, work: PersonWork, person: Person) -> list[dict[str, Any]] | None:
        """The addresses with ours; one that another person has stays there alone."""
        lead, held = work.lead, person.get("emails") or ()
        after = _joined(held, lead.email, work.added, _same_text)
        if after is None:
            return None
        own_id = int(person["id"])
        other = await self._search(work, "email", lead.email, lambda each: _has_email(each, lead), except_for=own_id)
        if other is None:
            return after
        work.conflicts.append(
            f"email {lead.email} belongs to person {other['id']}, left there; written to person {own_id}"
        )
        return None

    def _custom_changes(self, work: PersonWork, person: Person, wanted: Mapping[str, Any]) -> dict[str, Any]:
        held, types = person.get("custom_fields") or {}, self._fields.types["person"]
        before = [self._custom(sent) for sent in work.order.history.sent]
        changed: dict[str, Any] = {}
        for key in dict.fromkeys((*wanted, *(key for sent in before for key in sent))):
            value, ours = wanted.get(key), [sent[key] for sent in before if key in sent]
            if types[key].kind == "options":
                after = work.ticked.change(key, types[key], held.get(key), value, ours)
                changed |= {key: after} if after is not None else {}
            elif value is not None:
                changed |= {} if same(types[key], value, held.get(key)) else {key: value}
            elif held.get(key) is not None and any(same(types[key], each, held[key]) for each in ours):
                changed[key] = None
        work.conflicts += work.ticked.sentences
        key, known = self._fields.key("person"), self._key(person)
        if not known:
            changed[key] = work.lead.lead_id
        elif known not in (work.lead.lead_id, *work.lead.tracking_ids):
            work.conflicts.append(f"person {person['id']} belongs to lead {known} as well")
        return changed

    def written(self, lead: Lead, *, is_new: bool = False) -> Written:
        """What the mapping makes of a lead."""
        types, url = self._fields.types["person"], self._lead_url(lead.lead_id)
        return self._mapping.written("person", lead, types, url=url, is_new=is_new)

    def _custom(self, lead: Lead) -> dict[str, Any]:
        return self._fields.split("person", self.written(lead).properties)[1]

    def _wanted(self, work: PersonWork, *, is_new: bool) -> tuple[dict[str, Any], dict[str, Any]]:
        written = self.written(work.lead, is_new=is_new)
        work.conflicts += written.notes
        return self._fields.split("person", written.properties)

    def differences(self, person: Person, order: Order, written: Mapping[str, Any]) -> list[str]:
        """What the person does not hold of what was written; of what is ours when nothing is known of that."""
        held, types = person.get("custom_fields") or {}, self._fields.types["person"]
        ticked = TickedOptions(order.history.records, str(person["id"]))
        custom = written.get("custom_fields") if written else ticked.certain(self._custom(order.lead), types)
        different = [key for key, value in (custom or {}).items() if not _holds(types[key], value, held.get(key))]
        different += ["name"] if "name" in written and person["name"] != written["name"] else []
        for kind, is_same in (("emails", _same_text), ("phones", _same_number)):
            values = [each["value"] for each in person.get(kind) or ()]
            missing = [
                each for each in written.get(kind) or () if not any(is_same(each["value"], one) for one in values)
            ]
            different += [kind] if missing else []
        return different


def _holds(type_: PropertyType, value: Any, held: Any) -> bool:
    if type_.kind == "options" and isinstance(value, list):
        return set(value) <= set(held or ())
    return same(type_, value, held)


def _joined(
    held: Iterable[Mapping[str, Any]], ours: str, added: Sequence[str], is_same: Callable[[str, str], bool]
) -> list[dict[str, Any]] | None:
    """The entries with ours, None when nothing changes. Pipedrive replaces the list whole, so theirs are kept.

    An entry that we added, and that is no longer the lead's, is replaced.
    """
    entries = [dict(entry) for entry in held]
    if not ours or any(is_same(entry["value"], ours) for entry in entries):
        return None
    for entry in entries:
        if _mark(entry["value"]) in added:
            entry["value"] = ours
            return entries
    return [*entries, _entry(ours, is_first=not entries)]


def _entry(value: str, *, is_first: bool) -> dict[str, Any]:
    return {"value": value, "primary": is_first, "label": "work"}


def _mark(value: str) -> str:
    """What stands for an address or number in the ledger, which has no need to know it."""
    return sha256(value.strip().lower().encode()).hexdigest()[:16]


def _marks(person: Person) -> list[str]:
    entries = (*(person.get("emails") or ()), *(person.get("phones") or ()))
    return [_mark(str(entry["value"])) for entry in entries]


def _emails(person: Person) -> list[str]:
    return [str(entry["value"]).lower() for entry in person.get("emails") or () if entry.get("value")]


def _has_email(person: Person, lead: Lead) -> bool:
    return lead.email.lower() in _emails(person)


def _same_text(one: str, other: str) -> bool:
    return one.strip().lower() == other.strip().lower()


def _same_number(one: str, other: str) -> bool:
    """A number is the same in any writing, and a Brazilian mobile with and without its ninth digit."""
    return bool(set(_forms(one)) & set(_forms(other)))


def _forms(phone: str) -> list[str]:
    if not phone:
        return []
    read = normalize_phone(phone, "BR")
    return list(dict.fromkeys((read.number or phone, *read.variants)))
