"""Leads as contacts of HubSpot: which contact is a lead's, what it lacks, and how batches of them are written.

Source: developers.hubspot.com, "Contacts": batches of 100 by record id, by e-mail, or by a unique property.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from reverse_etl.destination import Order
from reverse_etl.destinations.hubspot.account import KEY, STAGE, HubSpotProperties
from reverse_etl.destinations.hubspot.answers import EXISTING_ID, Refusal, refusals
from reverse_etl.destinations.hubspot.asking import (
    MERGED_IDS,
    SECOND_ADDRESSES,
    addresses,
    ask_batch,
    ids_of,
)
from reverse_etl.errors import DeliveryFailed, NotThere, OutcomeUnknown, Postponed, Rejected, Withheld
from reverse_etl.lead import UNCONFIRMED, Lead
from reverse_etl.mapping import PropertyMap, Written
from reverse_etl.ownership import TickedOptions
from reverse_etl.property_types import same

BATCH = 100
NAMES = ("email", "firstname", "lastname")  # a new contact needs one of them
# Each round takes off at least one property that HubSpot does not accept.
ROUNDS = 12

Contact = Mapping[str, Any]


@dataclass
class ContactRow:
    """One lead on its way: the contact it has, what to write there, and what was left to others."""

    order: Order
    contact: Contact | None = None
    is_planned: bool = False
    is_written: bool = False
    properties: dict[str, str] = field(default_factory=dict)
    conflicts: list[str] = field(default_factory=list)
    failure: DeliveryFailed | None = None
    ticked: TickedOptions = field(default_factory=lambda: TickedOptions({}, ""))

    @property
    def trace(self) -> str:
        """What names this row in an answer."""
        return str(self.order.delivery_id)

    @property
    def contact_id(self) -> str:
        """The record's id; empty when there is none yet."""
        return str(self.contact["id"]) if self.contact else ""

    @property
    def held(self) -> Mapping[str, Any]:
        """The contact's properties as they were read."""
        return self.contact["properties"] if self.contact else {}


ValuesOf = Callable[[ContactRow], Sequence[str]]
"""The ids or values by which a row's contact is asked for; empty ones are left out."""


class HubSpotContacts:
    """The contacts of one account."""

    def __init__(self, account: HubSpotProperties, mapping: PropertyMap, lead_url: Callable[[str], str]) -> None:
        self._account = account
        self._mapping = mapping
        self._lead_url = lead_url

    # Finding

    async def find(self, rows: Sequence[ContactRow]) -> None:
        """Give each row its contact: the remembered one, else by our key, else by e-mail, also a second one."""
        remembered = {row.order.history.remote_id: row for row in rows if row.order.history.remote_id}
        for contact in await self._read(rows, lambda row: [row.order.history.remote_id or ""]):
            for contact_id in ids_of(contact):
                if contact_id in remembered:
                    remembered[contact_id].contact = contact
        await self._find_by(rows, KEY, lambda row: (row.order.lead.lead_id, *row.order.lead.tracking_ids))
        await self._find_by(rows, "email", lambda row: (row.order.lead.email.lower(),))
        taken: dict[str, ContactRow] = {}
        for row in rows:
            if row.contact is not None and taken.setdefault(row.contact_id, row) is not row:
                sentence = f"Contact {row.contact_id} is being written for another lead."
                row.failure = Postponed(sentence, retry_after=1.0)

    async def merge_twins(self, row: ContactRow) -> None:
        """Merge the contacts of leads that became part of this one into its own, which keeps its values.

        HubSpot makes a contact with a new id of the two, to which both of their ids lead. One that it does not merge is
        named in a conflict. Raises `DeliveryFailed`.
        """
        for twin in await self._twins(row):
            if await self._are_two(row, twin):
                refused = await self._merge(row, twin)
                # A merge whose answer was lost is refused when it is asked for again.
                if await self._are_two(row, twin):
                    reason = f": {refused}" if refused else "."
                    row.conflicts.append(f"contact {twin} is the same lead's, and was not merged{reason}")
            await row.order.settle_twin("contact", twin)
        for lead_id in row.order.history.unconfirmed:
            await row.order.settle_twin(UNCONFIRMED, lead_id)

    async def _twins(self, row: ContactRow) -> list[str]:
        """The known contacts of leads that became part of this one, and those that were made without an answer."""
        history = row.order.history
        unknown = await self._read([row], lambda _: history.unconfirmed, KEY) if history.unconfirmed else []
        return list(dict.fromkeys((*history.twins.get("contact", ()), *(str(each["id"]) for each in unknown))))

    async def _are_two(self, row: ContactRow, twin: str) -> bool:
        """Whether both contacts are there, each for itself. Reads the row's contact anew."""
        held = await self.read([row], partial(_either, row.contact_id, twin))
        own, other = held.get(row.contact_id), held.get(twin)
        row.contact = own or row.contact
        return own is not None and other is not None and own["id"] != other["id"]

    async def _merge(self, row: ContactRow, twin: str) -> Rejected | None:
        body = {"primaryObjectId": row.contact_id, "objectIdToMerge": twin}
        try:
            await row.order.calls.ask("merge", "POST", "crm/v3/objects/contacts/merge", body=body)
        except Rejected as refused:
            return refused
        return None

    async def read(self, rows: Sequence[ContactRow], of: ValuesOf) -> dict[str, Contact]:
        """Contacts by their ids, and by the ids of those that were merged into them."""
        found = await self._read(rows, of)
        return {contact_id: each for each in found for contact_id in ids_of(each)}

    async def _find_by(self, rows: Sequence[ContactRow], key: str, of: ValuesOf) -> None:
        searched = [row for row in rows if row.contact is None]
        holders: dict[str, Contact] = {}
        for contact in await self._read(searched, of, key):
            names = addresses(contact) if key == "email" else [contact["properties"].get(key)]
            holders |= {name: contact for name in names if name}
        for row in searched:
            found = {holders[value]["id"]: holders[value] for value in of(row) if value in holders}
            row.contact = next(iter(found.values()), None)
            row.conflicts += [
                f"contact {twin} is the same lead's as contact {row.contact_id}: merge them in HubSpot"
                for twin, contact in found.items()
                if twin != row.contact_id and contact["properties"].get(KEY) not in row.order.history.unconfirmed
            ]

    async def _read(self, rows: Sequence[ContactRow], of: ValuesOf, key: str | None = None) -> list[Contact]:
        """The contacts with these ids or values; those that are not there are left out. From the store, not search."""
        asked = {row.trace: [value for value in dict.fromkeys(of(row)) if value] for row in rows}
        values = list(dict.fromkeys(value for own in asked.values() for value in own))
        names = [*self._mapping.records["contact"], KEY, STAGE, SECOND_ADDRESSES, *MERGED_IDS]
        body: dict[str, Any] = {"properties": list(dict.fromkeys(names)), "propertiesWithHistory": []}
        body |= {"idProperty": key} if key else {}
        found: list[Contact] = []
        for first in range(0, len(values), BATCH):
            some = set(values[first : first + BATCH])
            theirs = [row for row in rows if some.intersection(asked[row.trace])]
            inputs = [[{"id": value} for value in asked[row.trace] if value in some] for row in theirs]
            operation = f"look up by {key}" if key else "read contacts"
            try:
                answer = await ask_batch(
                    [row.order for row in theirs], inputs, operation, "crm/v3/objects/contacts/batch/read", **body
                )
            except NotThere:
                continue
            found += answer["results"]
        return found

    # What to write

    def plan(self, row: ContactRow) -> None:
        """Find out what the contact lacks. Sets `failure` when the lead has nothing that a contact needs."""
        row.is_planned, row.properties = True, {}
        row.ticked = TickedOptions(row.order.history.records, row.contact_id)
        lead, is_new = row.order.lead, row.contact is None
        wanted, notes = self._wanted(lead, is_new=is_new)
        before = [self._wanted(sent, is_new=is_new)[0] for sent in row.order.history.sent]
        row.conflicts += [note for note in notes if note not in row.conflicts]
        for name in dict.fromkeys((*wanted, *(name for sent in before for name in sent))):
            ours_before = [sent[name] for sent in before if name in sent]
            change = self._change(row, name, wanted.get(name), ours_before)
            if change is not None:
                row.properties[name] = change
        for sentence in row.ticked.sentences:
            self._keep(row, sentence)
        if not is_new and not row.held.get(KEY):
            row.properties[KEY] = lead.lead_id
        elif not is_new and row.held[KEY] not in (lead.lead_id, *lead.tracking_ids):
            row.conflicts.append(f"contact {row.contact_id} belongs to lead {row.held[KEY]} as well")
        if is_new and not any(row.properties.get(name) for name in NAMES):
            self._name(row)

    def wanted(self, order: Order) -> dict[str, str]:
        """Our own properties of a lead, without what people fill in as well, or may have unticked."""
        properties, _ = self._wanted(order.lead, is_new=False)
        own = {name: value for name, value in properties.items() if not self._account.is_standard(name)}
        ticked = TickedOptions(order.history.records, order.history.remote_id or "")
        return ticked.certain(own, self._account.types["contacts"])

    def differences(self, contact: Contact, sent: Mapping[str, str]) -> list[str]:
        """The properties that do not hold what was sent."""
        return [name for name, value in sent.items() if not self._holds(name, contact["properties"].get(name), value)]

    def written(self, lead: Lead, *, is_new: bool) -> Written:
        """What the mapping makes of a lead."""
        types = self._account.types["contacts"]
        return self._mapping.written("contact", lead, types, url=self._lead_url(lead.lead_id), is_new=is_new)

    def _wanted(self, lead: Lead, *, is_new: bool) -> tuple[dict[str, str], tuple[str, ...]]:
        written = self.written(lead, is_new=is_new)
        return dict(written.properties), written.notes

    def _change(self, row: ContactRow, name: str, value: str | None, before: Sequence[str]) -> str | None:
        """The property's new value, None when it stays as it is; empty takes off what we wrote and no longer mean."""
        held, type_ = row.held.get(name), self._account.types["contacts"][name]
        if name == STAGE:
            rank = self._account.stage_rank
            is_earlier = not held or 0 <= rank(held) < rank(value)
            return value if value is not None and is_earlier else None
        if type_.kind == "options":
            after: str | None = row.ticked.change(name, type_, held, value, before)
            return after
        is_ours = any(same(type_, sent, held) for sent in before)
        if value is None:
            return "" if held and is_ours and not self._account.is_standard(name) else None
        if self._holds(name, held, value):
            return None
        is_filler = name in NAMES and held in {row.order.lead.phone, *(sent.phone for sent in row.order.history.sent)}
        if not held or is_ours or is_filler or not self._account.is_standard(name):
            return value
        if name in ("email", "phone"):
            self._keep(row, f"{name} {value} was not written: contact {row.contact_id} has {held}")
        return None

    def _holds(self, name: str, held: str | None, value: str) -> bool:
        if name == "email":
            return (held or "").lower() == value.lower()
        if name == STAGE:  # it may have moved on, also to a stage that the account has taken away since
            rank = self._account.stage_rank(held)
            return bool(held) and (rank < 0 or rank >= self._account.stage_rank(value))
        type_ = self._account.types["contacts"].get(name)
        if type_ is not None and type_.kind == "options":
            return set(value.split(";")) <= set((held or "").split(";"))
        return held == value if type_ is None else same(type_, value, held)

    @staticmethod
    def _keep(row: ContactRow, sentence: str) -> None:
        if sentence not in row.conflicts:
            row.conflicts.append(sentence)

    @staticmethod
    def _name(row: ContactRow) -> None:
        """A contact needs a name or an address: the phone number stands in until there is one."""
        if row.order.lead.phone:
            row.properties["firstname"] = row.order.lead.phone
        else:
            row.failure = Withheld("The lead has no name, no e-mail and no phone number.")

    # Writing

    async def write(self, rows: Sequence[ContactRow]) -> None:
        """Write what each contact lacks. A row that cannot be written has a `failure`; one without it is written.

        What HubSpot does not accept of a row is taken off, and the rest is written. Raises `DeliveryFailed` for all.
        """
        for _ in range(ROUNDS):
            await self._adopt([row for row in rows if row.failure is None and not row.is_planned])
            due = [row for row in rows if row.failure is None and not row.is_written]
            for row in due:
                row.is_written = row.contact is not None and not row.properties
            new, known = [row for row in due if row.contact is None], [row for row in due if row.contact is not None]
            await self._send(new)
            await self._send([row for row in known if not row.is_written])
            if all(row.failure or (row.is_written and row.is_planned) for row in rows):
                return
        for row in rows:
            if row.failure is None and not row.is_written:
                row.failure = Rejected("HubSpot refuses one property after the other.", status=400)

    async def _adopt(self, rows: Sequence[ContactRow]) -> None:
        """Plan rows that are not planned; those that turned out to be another contact's have its id only, yet."""
        unread = [row for row in rows if row.contact is not None and "properties" not in row.contact]
        found = await self.read(unread, lambda row: [row.contact_id])
        for row in unread:
            row.contact = found.get(row.contact_id)
            if row.contact is None:
                row.failure = OutcomeUnknown("The contact that HubSpot named is gone.")
        for row in rows:
            if row.failure is None:
                self.plan(row)

    async def _send(self, rows: Sequence[ContactRow]) -> None:
        """One batch of rows that are all new, or all known. When it is refused as a whole, its halves, then each."""
        if not rows:
            return
        is_new = rows[0].contact is None
        operation, verb = ("create contacts", "upsert") if is_new else ("update contacts", "update")
        path, inputs = f"crm/v3/objects/contacts/batch/{verb}", [[_input(row)] for row in rows]
        try:
            answer = await ask_batch([row.order for row in rows], inputs, operation, path)
        except Rejected as refused:
            if len(rows) == 1:
                self._refused(rows[0], _refusal_of(refused))
                return
            middle = len(rows) // 2
            await self._send(rows[:middle])
            await self._send(rows[middle:])
            return
        self._settle(rows, answer)

    def _settle(self, rows: Sequence[ContactRow], answer: Mapping[str, Any]) -> None:
        """Take over the rows of an answer. A row that it does not name has an unknown outcome."""
        done: dict[str, Contact] = {}
        for result in answer["results"]:
            ours = result["properties"].get(KEY)
            done |= {str(name): result for name in (result.get("objectWriteTraceId"), result["id"], ours) if name}
        refused = refusals(answer)
        for row in rows:
            names = (row.trace, row.contact_id or row.order.lead.lead_id)
            result = next((done[name] for name in names if name in done), None)
            refusal = next((refused[name] for name in names if name in refused), None)
            if result is not None:
                row.contact, row.is_written = {**result, "properties": {**row.held, **row.properties}}, True
            elif refusal is not None:
                self._refused(row, refusal)
            else:
                row.failure = OutcomeUnknown("HubSpot's answer does not name this lead.")

    def _refused(self, row: ContactRow, refusal: Refusal) -> None:
        """Take off what HubSpot does not accept, and note it; else the row has failed."""
        if refusal.existing_id is not None and row.contact is None:
            row.contact, row.is_planned = {"id": refusal.existing_id}, False
            return
        named = [name for name in refusal.properties if name in row.properties]
        if refusal.existing_id is not None and "email" in row.properties:
            row.conflicts.append(
                f"email {row.properties.pop('email')} belongs to contact {refusal.existing_id}, left there;"
                f" written to contact {row.contact_id}"
            )
        elif named:
            for name in named:
                del row.properties[name]
                row.conflicts.append(f"{name} was not written: {refusal.message[:300]}")
            if row.contact is None and not any(row.properties.get(name) for name in NAMES):
                self._name(row)
        elif refusal.is_of_missing_record and row.contact is not None:
            row.failure = OutcomeUnknown(f"Contact {row.contact_id} is gone since it was looked up.")
        else:
            row.failure = Rejected(refusal.message or "Refused.", status=400, code=refusal.category)


def _input(row: ContactRow) -> dict[str, Any]:
    place = {"id": row.contact_id} if row.contact else {"id": row.order.lead.lead_id, "idProperty": KEY}
    return {**place, "properties": row.properties, "objectWriteTraceId": row.trace}


def _refusal_of(refused: Rejected) -> Refusal:
    category = "OBJECT_NOT_FOUND" if isinstance(refused, NotThere) else refused.code
    existing = EXISTING_ID.search(str(refused))
    return Refusal(category, str(refused), refused.attributes, existing and existing.group(1))


def _either(one: str, other: str, _row: ContactRow) -> list[str]:
    return [one, other]
