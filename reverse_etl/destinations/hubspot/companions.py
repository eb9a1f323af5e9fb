"""What goes with a contact: its deal, the note with the link of its conversation, the form that names its browser.

Each is made once. Deals are known by our unique property, notes by the link in their text. Nothing tells whether a form
was submitted, so that is remembered before it is sent.

Sources: developers.hubspot.com, "Deals", "Notes", "Associations v4", and "Submit data to a form" (authenticated).
"""

import asyncio
import html
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from reverse_etl.destination import Order
from reverse_etl.destinations.hubspot.account import KEY, HubSpotProperties
from reverse_etl.destinations.hubspot.answers import refusals
from reverse_etl.destinations.hubspot.asking import ask_batch
from reverse_etl.destinations.hubspot.contacts import BATCH, ContactRow
from reverse_etl.errors import Misconfigured, NotThere, OutcomeUnknown, Postponed, Rejected, Unavailable
from reverse_etl.lead import Lead
from reverse_etl.mapping import PropertyMap, Written

CONVERSATION = "conversation_url"
"""The lead's attribute with the address of its conversation."""
NOTE_TO_CONTACT = 202  # HubSpot's own type of association, from the note's side
BROWSER_COOKIE = "hubspotutk"
SENT, UNDECIDED = "sent", "unknown"

Create = Callable[[Sequence[ContactRow]], Awaitable[dict[str, str]]]
"""Makes what goes with these rows; the ids by row, or by lead."""


@dataclass(frozen=True)
class Deals:
    """A deal for each lead, in this stage of this pipeline: made once and never changed, as it is the sales team's."""

    account: HubSpotProperties
    mapping: PropertyMap
    pipeline: str
    stage: str
    lead_url: Callable[[str], str]

    async def make(self, rows: Sequence[ContactRow]) -> None:
        """Make the deals that are missing and join them to their contacts. Raises `DeliveryFailed`."""
        for row in rows:
            for twin in row.order.history.twins.get("deal", ()):
                row.conflicts.append(f"deal {twin} is of a lead that became part of this one: close one of the two")
                await row.order.settle_twin("deal", twin)
        wanting = [row for row in rows if "deal" not in row.order.history.records]
        if not wanting:
            return
        ids = await self._find(wanting)
        missing = [row for row in wanting if row.order.lead.lead_id not in ids]
        if missing:
            ids |= await _each(missing, self._create)
        made = [row for row in wanting if row.order.lead.lead_id in ids]
        of_rows = {row.trace: ids[row.order.lead.lead_id] for row in made}
        await _remember("deal", await _joined("deals", made, of_rows), of_rows)
        _check_named(wanting, made, "deal")

    async def _find(self, rows: Sequence[ContactRow]) -> dict[str, str]:
        inputs = [[{"id": row.order.lead.lead_id}] for row in rows]
        body: dict[str, Any] = {"idProperty": KEY, "properties": [KEY], "propertiesWithHistory": []}
        path = "crm/v3/objects/deals/batch/read"
        try:
            answer = await ask_batch(_orders(rows), inputs, "look up deals", path, **body)
        except NotThere:
            return {}
        return {str(deal["properties"][KEY]): str(deal["id"]) for deal in answer["results"]}

    async def _create(self, rows: Sequence[ContactRow]) -> dict[str, str]:
        """Made by our unique property, so that it is one deal however often this is asked."""
        inputs = [[self._input(row)] for row in rows]
        answer = await ask_batch(_orders(rows), inputs, "create deals", "crm/v3/objects/deals/batch/upsert")
        _note_refused(rows, answer, "deal")
        return {str(deal["properties"][KEY]): str(deal["id"]) for deal in answer["results"]}

    def _input(self, row: ContactRow) -> dict[str, Any]:
        place = {"id": row.order.lead.lead_id, "idProperty": KEY}
        return {**place, "properties": self._properties(row), "objectWriteTraceId": row.trace}

    def written(self, lead: Lead) -> Written:
        """What the mapping makes of a lead."""
        url = self.lead_url(lead.lead_id)
        return self.mapping.written("deal", lead, self.account.types["deals"], url=url, is_new=True)

    def _properties(self, row: ContactRow) -> dict[str, str]:
        lead, written = row.order.lead, self.written(row.order.lead)
        name = lead.name or lead.email or lead.phone
        return {"dealname": name, **written.properties, "pipeline": self.pipeline, "dealstage": self.stage}


async def make_notes(rows: Sequence[ContactRow]) -> None:
    """Note the link of each conversation on its contact, unless a note there has it. Raises `DeliveryFailed`."""
    wanting = [
        row for row in rows if row.order.lead.attributes.get(CONVERSATION) and "note" not in row.order.history.records
    ]
    if not wanting:
        return
    ids = await _find_notes(wanting)
    missing = [row for row in wanting if row.trace not in ids]
    if missing:
        ids |= await _each(missing, _create_notes)
    made = [row for row in wanting if row.trace in ids]
    # HubSpot may ignore the association of a new note, and answer that all is well.
    await _remember("note", await _joined("notes", made, ids), ids)
    _check_named(wanting, made, "note")


async def _find_notes(rows: Sequence[ContactRow]) -> dict[str, str]:
    """The note of each row, by its trace, among those of its contact."""
    path = "crm/v4/associations/contacts/notes/batch/read"
    try:
        answer = await ask_batch(_orders(rows), [[{"id": row.contact_id}] for row in rows], "list notes", path)
    except NotThere:
        return {}
    of_contact = {
        str(each["from"]["id"]): [str(note["toObjectId"]) for note in each["to"]] for each in answer["results"]
    }
    found: dict[str, str] = {}
    for row in rows:
        notes, link = of_contact.get(row.contact_id, []), str(row.order.lead.attributes[CONVERSATION])
        for first in range(0, len(notes), BATCH):
            inputs = [[{"id": note_id} for note_id in notes[first : first + BATCH]]]
            body: dict[str, Any] = {"properties": ["hs_note_body"], "propertiesWithHistory": []}
            read = await ask_batch([row.order], inputs, "read notes", "crm/v3/objects/notes/batch/read", **body)
            for note in read["results"]:
                if link in html.unescape(note["properties"].get("hs_note_body") or ""):
                    found[row.trace] = str(note["id"])
    return found


async def _create_notes(rows: Sequence[ContactRow]) -> dict[str, str]:
    path, inputs = "crm/v3/objects/notes/batch/create", [[_note(row)] for row in rows]
    answer = await ask_batch(_orders(rows), inputs, "create notes", path, is_safe_to_repeat=False)
    _note_refused(rows, answer, "note")
    return {str(note["objectWriteTraceId"]): str(note["id"]) for note in answer["results"]}


def _note(row: ContactRow) -> dict[str, Any]:
    link = html.escape(str(row.order.lead.attributes[CONVERSATION]))
    types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": NOTE_TO_CONTACT}]
    return {
        "properties": {
            "hs_note_body": f'Chatwoot: <a href="{link}">{link}</a>',
            "hs_timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        },
        "associations": [{"to": {"id": row.contact_id}, "types": types}],
        "objectWriteTraceId": row.trace,
    }


async def _each(rows: Sequence[ContactRow], create: Create) -> dict[str, str]:
    """Create for all rows at once; what is refused as a whole, row by row."""
    try:
        return await create(rows)
    except Rejected as refused:
        if len(rows) == 1:
            rows[0].failure = refused
            return {}
    made: dict[str, str] = {}
    for row in rows:
        made |= await _each([row], create)
    return made


def _note_refused(rows: Sequence[ContactRow], answer: Mapping[str, Any], what: str) -> None:
    refused = refusals(answer)
    for row in rows:
        if row.trace in refused:
            row.failure = Rejected(f"The {what} was refused: {refused[row.trace].message}", status=400)


def _check_named(wanting: Sequence[ContactRow], made: Sequence[ContactRow], what: str) -> None:
    for row in wanting:
        if row not in made and row.failure is None:
            row.failure = OutcomeUnknown(f"HubSpot's answer does not name the lead's {what}.")


async def _joined(kind: str, rows: Sequence[ContactRow], ids: Mapping[str, str]) -> list[ContactRow]:
    """Join records (by trace of their row) to the contacts; twice is once. Rows that are not joined have a failure."""
    if not rows:
        return []
    path = f"crm/v4/associations/{kind}/contacts/batch/associate/default"
    inputs = [[{"from": {"id": ids[row.trace]}, "to": {"id": row.contact_id}}] for row in rows]
    try:
        answer = await ask_batch(_orders(rows), inputs, f"join {kind} to contacts", path)
    except Rejected as refused:
        if len(rows) == 1:
            rows[0].failure = OutcomeUnknown(f"A record is gone since it was looked up: {refused}")
            return []
        return [joined for row in rows for joined in await _joined(kind, [row], ids)]
    done = {(str(each["from"]["id"]), str(each["to"]["id"])) for each in answer["results"]}
    for row in rows:
        if (ids[row.trace], row.contact_id) not in done:
            row.failure = OutcomeUnknown(f"HubSpot's answer does not say that the lead's {kind} were joined.")
    return [row for row in rows if row.failure is None]


async def _remember(kind: str, rows: Sequence[ContactRow], ids: Mapping[str, str]) -> None:
    """All at once: a batch has a hundred of them."""
    await asyncio.gather(*(row.order.remember(kind, ids[row.trace]) for row in rows))


def _orders(rows: Sequence[ContactRow]) -> list[Order]:
    return [row.order for row in rows]


@dataclass(frozen=True)
class BrowserForm:
    """The form whose submission tells HubSpot which browser a contact uses: the CRM's API has no way to say it."""

    base_url: str
    portal_id: int
    form_guid: str

    async def submit(self, row: ContactRow) -> None:
        """Submit it once for each browser of the lead; whether it arrived is not found out.

        A refusal is noted and does not cost the lead. Raises `Unavailable` when it was not taken.
        """
        order = row.order
        browser, email = order.lead.cookies.get(BROWSER_COOKIE, ""), order.lead.email
        # A cookie is what its sender wants it to be, and a record's kind is short.
        kind = f"form:{sha256(browser.encode()).hexdigest()[:16]}"
        if not browser or not email or order.history.records.get(kind):
            return
        await order.remember(kind, UNDECIDED)
        page = next((event.page_url for event in order.lead.events if event.page_url), "")
        body = {
            "fields": [{"objectTypeId": "0-1", "name": "email", "value": email}],
            "context": {"hutk": browser, **({"pageUri": page} if page else {})},
        }
        place = f"{self.portal_id}/{quote(self.form_guid, safe='')}"
        path = f"{self.base_url}/submissions/v3/integration/secure/submit/{place}"
        try:
            await order.calls.ask("submit form", "POST", path, body=body, is_safe_to_repeat=False)
        except (Unavailable, Postponed):
            await order.remember(kind, "")
            raise
        except OutcomeUnknown as error:
            row.conflicts.append(f"whether the form arrived is unknown, and it is not sent again: {error}")
        except (Rejected, Misconfigured) as error:
            order.calls.connection.breaker.succeeded()  # the form is refused, not the account's records
            row.conflicts.append(f"the form was refused: {error}")
        else:
            await order.remember(kind, SENT)
