"""What goes with a contact: its deal, the note with the link of its conversation, the form that names its browser.

Each is made once. Deals are known by our unique property, notes by the link in their text. Nothing tells whether a form
was submitted, so that is remembered before it is sent.

Sources: developers.hubspot.com, "Deals", "Notes", "Associations v4", and "Submit data to a form" (authenticated).
"""

import html
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from reverse_etl.calls import Calls
from reverse_etl.destinations.hubspot.account import KEY, HubSpotProperties
from reverse_etl.destinations.hubspot.answers import refusals
from reverse_etl.destinations.hubspot.contacts import BATCH, LeadRow
from reverse_etl.errors import Misconfigured, NotThere, OutcomeUnknown, Postponed, Rejected, Unavailable
from reverse_etl.mapping import PropertyMap

CONVERSATION = "conversation_url"
"""The lead's attribute with the address of its conversation."""
NOTE_TO_CONTACT = 202  # HubSpot's own type of association, from the note's side
BROWSER_COOKIE = "hubspotutk"
SENT, UNDECIDED = "sent", "unknown"

Create = Callable[[Sequence[LeadRow]], Awaitable[dict[str, str]]]
"""Makes what goes with these rows; the ids by row, or by lead."""


@dataclass(frozen=True)
class Deals:
    """A deal for each lead, in this stage of this pipeline: made once and never changed, as it is the sales team's."""

    account: HubSpotProperties
    mapping: PropertyMap
    pipeline: str
    stage: str
    lead_url: Callable[[str], str]

    async def make(self, rows: Sequence[LeadRow]) -> None:
        """Make the deals that are missing and join them to their contacts. Raises `DeliveryFailed`."""
        for row in rows:
            for twin in row.order.history.twins.get("deal", ()):
                row.conflicts.append(f"deal {twin} is of a lead that became part of this one: close one of the two")
                await row.order.settle_twin("deal", twin)
        wanting = [row for row in rows if "deal" not in row.order.history.records]
        if not wanting:
            return
        calls = Calls.shared([row.order.calls for row in wanting])
        ids = await self._find(calls, wanting)
        missing = [row for row in wanting if row.order.lead.lead_id not in ids]
        if missing:
            ids |= await _each(missing, self._create)
        made = [row for row in wanting if row.order.lead.lead_id in ids]
        await _associate(calls, "deals", [(ids[row.order.lead.lead_id], row.contact_id) for row in made])
        for row in made:
            await row.order.remember("deal", ids[row.order.lead.lead_id])
        _check_named(wanting, made, "deal")

    async def _find(self, calls: Calls, rows: Sequence[LeadRow]) -> dict[str, str]:
        inputs = [{"id": row.order.lead.lead_id} for row in rows]
        body = {"idProperty": KEY, "properties": [KEY], "propertiesWithHistory": [], "inputs": inputs}
        try:
            answer = await calls.ask("look up deals", "POST", "crm/v3/objects/deals/batch/read", body=body)
        except NotThere:
            return {}
        return {str(deal["properties"][KEY]): str(deal["id"]) for deal in answer["results"]}

    async def _create(self, rows: Sequence[LeadRow]) -> dict[str, str]:
        """Made by our unique property, so that it is one deal however often this is asked."""
        inputs = [
            {
                "id": row.order.lead.lead_id,
                "idProperty": KEY,
                "properties": self._properties(row),
                "objectWriteTraceId": row.trace,
            }
            for row in rows
        ]
        calls = Calls.shared([row.order.calls for row in rows])
        answer = await calls.ask("create deals", "POST", "crm/v3/objects/deals/batch/upsert", body={"inputs": inputs})
        _note_refused(rows, answer, "deal")
        return {str(deal["properties"][KEY]): str(deal["id"]) for deal in answer["results"]}

    def _properties(self, row: LeadRow) -> dict[str, str]:
        lead = row.order.lead
        url = self.lead_url(lead.lead_id)
        written = self.mapping.written("deal", lead, self.account.types["deals"], url=url, is_new=True)
        name = lead.name or lead.email or lead.phone
        return {"dealname": name, **written.properties, "pipeline": self.pipeline, "dealstage": self.stage}


async def make_notes(rows: Sequence[LeadRow]) -> None:
    """Note the link of each conversation on its contact, unless a note there has it. Raises `DeliveryFailed`."""
    wanting = [
        row for row in rows if row.order.lead.attributes.get(CONVERSATION) and "note" not in row.order.history.records
    ]
    if not wanting:
        return
    calls = Calls.shared([row.order.calls for row in wanting])
    ids = await _find_notes(calls, wanting)
    missing = [row for row in wanting if row.trace not in ids]
    if missing:
        ids |= await _each(missing, _create_notes)
    made = [row for row in wanting if row.trace in ids]
    # HubSpot may ignore the association of a new note, and answer that all is well.
    await _associate(calls, "notes", [(ids[row.trace], row.contact_id) for row in made])
    for row in made:
        await row.order.remember("note", ids[row.trace])
    _check_named(wanting, made, "note")


async def _find_notes(calls: Calls, rows: Sequence[LeadRow]) -> dict[str, str]:
    """The note of each row, by its trace, among those of its contact."""
    path = "crm/v4/associations/contacts/notes/batch/read"
    inputs = [{"id": contact_id} for contact_id in dict.fromkeys(row.contact_id for row in rows)]
    try:
        answer = await calls.ask("list notes", "POST", path, body={"inputs": inputs})
    except NotThere:
        return {}
    owners = {
        str(note["toObjectId"]): str(result["from"]["id"]) for result in answer["results"] for note in result["to"]
    }
    texts: dict[str, str] = {}
    for first in range(0, len(owners), BATCH):
        some = [{"id": note_id} for note_id in list(owners)[first : first + BATCH]]
        body = {"properties": ["hs_note_body"], "propertiesWithHistory": [], "inputs": some}
        read = await calls.ask("read notes", "POST", "crm/v3/objects/notes/batch/read", body=body)
        texts |= {note["id"]: html.unescape(note["properties"].get("hs_note_body") or "") for note in read["results"]}
    return {
        row.trace: note_id
        for row in rows
        for note_id, words in texts.items()
        if owners[note_id] == row.contact_id and str(row.order.lead.attributes[CONVERSATION]) in words
    }


async def _create_notes(rows: Sequence[LeadRow]) -> dict[str, str]:
    calls = Calls.shared([row.order.calls for row in rows])
    body = {"inputs": [_note(row) for row in rows]}
    path = "crm/v3/objects/notes/batch/create"
    answer = await calls.ask("create notes", "POST", path, body=body, is_safe_to_repeat=False)
    _note_refused(rows, answer, "note")
    return {str(note["objectWriteTraceId"]): str(note["id"]) for note in answer["results"]}


def _note(row: LeadRow) -> dict[str, Any]:
    link = html.escape(str(row.order.lead.attributes[CONVERSATION]))
    types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": NOTE_TO_CONTACT}]
    return {
        "properties": {
            "hs_note_body": f'Conversa: <a href="{link}">{link}</a>',
            "hs_timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        },
        "associations": [{"to": {"id": row.contact_id}, "types": types}],
        "objectWriteTraceId": row.trace,
    }


async def _each(rows: Sequence[LeadRow], create: Create) -> dict[str, str]:
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


def _note_refused(rows: Sequence[LeadRow], answer: Mapping[str, Any], what: str) -> None:
    refused = refusals(answer)
    for row in rows:
        if row.trace in refused:
            row.failure = Rejected(f"The {what} was refused: {refused[row.trace].message}", status=400)


def _check_named(wanting: Sequence[LeadRow], made: Sequence[LeadRow], what: str) -> None:
    for row in wanting:
        if row not in made and row.failure is None:
            row.failure = OutcomeUnknown(f"HubSpot's answer does not name the lead's {what}.")


async def _associate(calls: Calls, kind: str, pairs: Sequence[tuple[str, str]]) -> None:
    """Join records to their contacts; twice is once. Raises `OutcomeUnknown` when some are not joined."""
    if not pairs:
        return
    path = f"crm/v4/associations/{kind}/contacts/batch/associate/default"
    inputs = [{"from": {"id": own}, "to": {"id": contact_id}} for own, contact_id in pairs]
    answer: Mapping[str, Any] = await calls.ask(f"join {kind} to contacts", "POST", path, body={"inputs": inputs})
    if answer.get("numErrors") or answer.get("errors"):
        raise OutcomeUnknown(f"HubSpot has not joined all {kind} to their contacts.")


@dataclass(frozen=True)
class BrowserForm:
    """The form whose submission tells HubSpot which browser a contact uses: the CRM's API has no way to say it."""

    base_url: str
    portal_id: int
    form_guid: str

    async def submit(self, row: LeadRow) -> None:
        """Submit it once for each browser of the lead; whether it arrived is not found out.

        A refusal is noted and does not cost the lead. Raises `Unavailable` when it was not taken.
        """
        order = row.order
        browser, email = order.lead.cookies.get(BROWSER_COOKIE, ""), order.lead.email
        kind = f"form:{browser}"
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
