"""What goes with a person: its lead or deal, and the note with the link of its conversation, each made once.

They are looked for among those of the person, in the store. Leads share the custom fields of deals, and a lead that
sales turned into a deal keeps them. Sources: API v1, leads and notes; API v2, deals.
"""

import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from reverse_etl.destinations.pipedrive.answers import PLAN_LIMIT
from reverse_etl.destinations.pipedrive.fields import PipedriveFields
from reverse_etl.destinations.pipedrive.persons import PersonWork
from reverse_etl.errors import NotThere, Rejected
from reverse_etl.lead import Lead
from reverse_etl.mapping import PropertyMap, Written

CONVERSATION = "conversation_url"
"""The lead's attribute with the address of its conversation."""
# Where the lead or deal of a person may be.
PLACES: tuple[tuple[Literal["lead", "deal"], str], ...] = (
    ("deal", "api/v2/deals"),
    ("deal", "api/v2/deals/archived"),
    ("lead", "v1/leads"),
    ("lead", "v1/leads/archived"),
)


@dataclass(frozen=True)
class Opportunities:
    """A lead or a deal for each person, made once and never changed, as it is the sales team's."""

    kind: Literal["lead", "deal"]
    fields: PipedriveFields
    mapping: PropertyMap
    lead_url: Callable[[str], str]
    stage_id: int | None = None

    async def make(self, work: PersonWork, person_id: int) -> None:
        """Make it unless it is there. A limit of the plan is noted. Raises `DeliveryFailed`."""
        records, twins = work.order.history.records, work.order.history.twins
        for kind in ("lead", "deal"):
            for twin in twins.get(kind, ()):
                work.conflicts.append(f"{kind} {twin} is of a lead that became part of this one: close one of the two")
                await work.order.settle_twin(kind, twin)
        if any(kind in records for kind in ("lead", "deal")):
            return
        found = None if work.is_new else await self._find(work, person_id)
        if found is None:
            try:
                found = self.kind, await self._create(work, person_id)
            except Rejected as refused:
                if refused.code != PLAN_LIMIT:
                    raise
                work.conflicts.append(f"no {self.kind} was made: {refused}")
                return
        await work.order.remember(*found)

    def written(self, lead: Lead) -> Written:
        """What the mapping makes of a lead; leads have the fields of deals."""
        types, url = self.fields.types["deal"], self.lead_url(lead.lead_id)
        return self.mapping.written("deal", lead, types, url=url, is_new=True)

    async def _find(self, work: PersonWork, person_id: int) -> tuple[str, str] | None:
        key = self.fields.key("deal")
        for kind, path in PLACES:
            params = {"person_id": str(person_id), "limit": "100"}
            try:
                answer = await work.order.calls.ask(f"list {kind}s of person", "GET", path, params=params)
            except NotThere:  # not every plan has an archive
                continue
            for item in answer["data"] or ():
                if work.lead.lead_id in (item.get(key), (item.get("custom_fields") or {}).get(key)):
                    return kind, str(item["id"])
        return None

    async def _create(self, work: PersonWork, person_id: int) -> str:
        lead, written = work.lead, self.written(work.lead)
        standard, custom = self.fields.split("deal", written.properties)
        custom[self.fields.key("deal")] = lead.lead_id
        body: dict[str, Any] = {"title": lead.name or lead.email or lead.phone, **standard, "person_id": person_id}
        if self.kind == "deal":
            body |= {"custom_fields": custom, **({"stage_id": self.stage_id} if self.stage_id else {})}
        else:
            body |= custom
        path = "api/v2/deals" if self.kind == "deal" else "v1/leads"
        answer = await work.order.calls.ask(f"create {self.kind}", "POST", path, body=body, is_safe_to_repeat=False)
        return str(answer["data"]["id"])


async def make_note(work: PersonWork, person_id: int) -> None:
    """Note the link of the conversation on the person, unless a note there has it. Raises `DeliveryFailed`."""
    link = str(work.lead.attributes.get(CONVERSATION) or "")
    if not link or "note" in work.order.history.records:
        return
    note_id = None if work.is_new else await _find_note(work, person_id, link)
    if note_id is None:
        shown = html.escape(link)
        body = {"content": f'Chatwoot: <a href="{shown}">{shown}</a>', "person_id": person_id}
        answer = await work.order.calls.ask("create note", "POST", "v1/notes", body=body, is_safe_to_repeat=False)
        note_id = str(answer["data"]["id"])
    await work.order.remember("note", note_id)


async def _find_note(work: PersonWork, person_id: int, link: str) -> str | None:
    params = {"person_id": str(person_id), "limit": "500"}
    answer = await work.order.calls.ask("list notes of person", "GET", "v1/notes", params=params)
    notes: list[Mapping[str, Any]] = answer["data"] or []
    return next((str(note["id"]) for note in notes if link in html.unescape(str(note.get("content") or ""))), None)
