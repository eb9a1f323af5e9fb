"""What the demo Pipedrive's account holds. Nothing is unique here, and it lives as long as the process."""

import copy
import itertools
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

Record = dict[str, Any]
STAGES = {1: 1, 2: 1, 3: 1, 10: 2}
"""Stage → its pipeline."""


class BadRequest(Exception):
    """Pipedrive refuses it with 400 and this sentence."""


class NoSuchItem(Exception):
    """There is no such item (404)."""


class PlanLimit(Exception):
    """The plan of the account does not have room for one more (403)."""


class PipedriveStore:
    """Persons, deals, leads, notes and the fields of persons and deals.

    `index_seconds`: for how long a search does not see what was written. `deal_cap`: how many deals the plan has room
    for. `shows_deleted`: a person that was merged into another is shown as deleted, or is not there.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.fields: dict[str, list[Record]] = {"person": [], "deal": []}
        self.persons: dict[int, Record] = {}
        self.deals: dict[int, Record] = {}
        self.leads: dict[str, Record] = {}
        self.notes: dict[int, Record] = {}
        self.writes: list[tuple[str, Record]] = []
        """(kind, body) of each write that was asked for, in order."""
        self.index_seconds = 0.0
        self.deal_cap: int | None = None
        self.shows_deleted = True
        self.deleted: dict[int, Record] = {}
        """Persons that became part of others."""
        self.stages: dict[int, Record] = {
            stage: {"id": stage, "pipeline_id": pipeline, "name": f"Stage {stage}", "order_nr": place}
            for place, (stage, pipeline) in enumerate(STAGES.items())
        }
        self.changelogs: dict[int, list[Record]] = {}
        """What changed of each deal, oldest first."""
        self._clock = clock
        self._ids = itertools.count(501)
        self._indexed: dict[int, list[tuple[float, Record]]] = {}

    # Fields

    def add_field(self, kind: str, name: str, field_type: str, labels: list[str] | None = None) -> Record:
        """A custom field, under a key that nobody chose. A second one of the same name is another field."""
        field = {
            "field_name": name,
            "field_code": secrets.token_hex(20),
            "field_type": field_type,
            "options": [{"id": number, "label": label} for number, label in enumerate(labels or (), 1)] or None,
            "is_custom_field": True,
        }
        self.fields[kind].append(field)
        return field

    def _known(self, kind: str, values: Record) -> Record:
        """The values that fields of the account take; all others are ignored, also labels in place of option ids."""
        fields = {field["field_code"]: field for field in self.fields[kind]}
        kept = {}
        for key, value in values.items():
            field = fields.get(key)
            if field is None or (value is not None and not _is_taken(field, value)):
                continue
            kept[key] = value
        return kept

    # Persons

    def create_person(self, body: Record) -> Record:
        """A new person. Raises `BadRequest`."""
        if not body.get("name"):
            raise BadRequest("Name must be given.")
        now = self._now()
        person = {
            "id": next(self._ids),
            "name": body["name"],
            "emails": body.get("emails") or [],
            "phones": body.get("phones") or [],
            "custom_fields": self._known("person", body.get("custom_fields") or {}),
            "add_time": now,
            "update_time": now,
            "is_deleted": False,
        }
        self.persons[person["id"]] = person
        self._written("person", body, person)
        return person

    def update_person(self, person_id: int, body: Record) -> Record:
        """Change a person; addresses and numbers are replaced whole. Raises `NoSuchItem`, `BadRequest`."""
        person = self.person(person_id)
        if "name" in body and not body["name"]:
            raise BadRequest("Name must be given.")
        person |= {key: body[key] for key in ("name", "emails", "phones") if key in body}
        person["custom_fields"] |= self._known("person", body.get("custom_fields") or {})
        person["update_time"] = self._now()
        self._written("person", body, person)
        return person

    def person(self, person_id: int) -> Record:
        """One person. Raises `NoSuchItem`."""
        found = self.persons.get(person_id)
        if found is None:
            raise NoSuchItem
        return found

    def merge_person(self, person_id: int, into_id: int) -> Record:
        """The person becomes part of the other one, whose values count; what that one lacks is filled.

        Raises `NoSuchItem`, and `BadRequest` for one person alone.
        """
        other, person = self.person(person_id), self.person(into_id)
        if other is person:
            raise BadRequest("A person cannot be merged with itself.")
        for kind in ("emails", "phones"):
            known = [each["value"].lower() for each in person[kind]]
            person[kind] += [{**each, "primary": False} for each in other[kind] if each["value"].lower() not in known]
        own = {key: value for key, value in person["custom_fields"].items() if value not in (None, "")}
        person["custom_fields"] = {**person["custom_fields"], **other["custom_fields"], **own}
        person["update_time"] = self._now()
        for item in (*self.deals.values(), *self.leads.values(), *self.notes.values()):
            if item.get("person_id") == person_id:
                item["person_id"] = into_id
        self.deleted[person_id] = {**self.persons.pop(person_id), "is_deleted": True}
        self._written("merge", {"id": person_id, "into": into_id}, person)
        return person

    def search(self, term: str, fields: list[str]) -> list[Record]:
        """Persons by a whole value, in any case, as the index knows them."""
        now = self._clock()
        found = []
        for versions in self._indexed.values():
            seen = [person for written_at, person in versions if written_at + self.index_seconds <= now]
            if seen and term.lower() in {value.lower() for name in fields for value in _searched(seen[-1], name)}:
                found.append(seen[-1])
        return [person for person in found if person["id"] in self.persons]

    # What belongs to persons

    def create_deal(self, body: Record) -> Record:
        """A new deal. Raises `BadRequest`, `PlanLimit`."""
        if self.deal_cap is not None and len(self.deals) >= self.deal_cap:
            raise PlanLimit("feature_capping_deals_limit")
        if not body.get("title"):
            raise BadRequest("Deal title must be given.")
        if body.get("stage_id") is not None and body["stage_id"] not in self.stages:
            raise BadRequest(f"Stage {body['stage_id']} does not exist.")
        custom = self._known("deal", body.get("custom_fields") or {})
        stage, now = body.get("stage_id") or min(self.stages), self._now()
        deal = {
            "person_id": None, "value": 0, "currency": "BRL", "lost_reason": None, "close_time": None, **body,
            "id": next(self._ids), "custom_fields": custom, "is_archived": False, "is_deleted": False,
            "status": "open", "stage_id": stage, "pipeline_id": self.stages[stage]["pipeline_id"],
            "add_time": now, "update_time": now,
        }  # fmt: skip
        self.deals[deal["id"]] = deal
        self.changelogs[deal["id"]] = []
        self._written("deal", body)
        return deal

    def update_deal(self, deal_id: int, body: Record) -> Record:
        """Change a deal. Winning or losing sets its time, opening it again takes it off. Raises `NoSuchItem`."""
        deal, now = self.deal(deal_id), self._now()
        if "custom_fields" in body:
            body = {**body, "custom_fields": deal["custom_fields"] | self._known("deal", body["custom_fields"])}
        changed = {name: value for name, value in body.items() if deal.get(name) != value}
        if "stage_id" in changed:
            changed["pipeline_id"] = self.stages[changed["stage_id"]]["pipeline_id"]
        if "status" in changed:
            changed["close_time"] = None if changed["status"] == "open" else now
        for name, value in changed.items():
            said = {"field_key": name, "old_value": str(deal.get(name)), "new_value": str(value), "time": now}
            self.changelogs[deal_id].append(said)
        deal |= {**changed, "update_time": now}
        return deal

    def delete_deal(self, deal_id: int) -> None:
        """Mark a deal as deleted; it can be listed for 30 days. Raises `NoSuchItem`."""
        self.deal(deal_id).update(status="deleted", is_deleted=True, update_time=self._now())

    def deal(self, deal_id: int) -> Record:
        """One deal. Raises `NoSuchItem`."""
        if deal_id not in self.deals:
            raise NoSuchItem
        return self.deals[deal_id]

    def create_lead(self, body: Record) -> Record:
        """A new lead, with the custom fields of deals at its root. Raises `BadRequest`."""
        if not body.get("title") or not (body.get("person_id") or body.get("organization_id")):
            raise BadRequest("A lead must be linked to a person or an organization, and have a title.")
        custom = self._known("deal", body)
        lead = {
            "id": str(uuid4()), "title": body["title"], "person_id": body["person_id"], "is_archived": False, **custom
        }  # fmt: skip
        self.leads[lead["id"]] = lead
        self._written("lead", body)
        return lead

    def update_lead(self, lead_id: str, body: Record) -> Record:
        """Change a lead's title and custom fields. Raises `NoSuchItem`."""
        if lead_id not in self.leads:
            raise NoSuchItem
        self.leads[lead_id] |= {**{key: body[key] for key in ("title",) if key in body}, **self._known("deal", body)}
        return self.leads[lead_id]

    def delete_note(self, note_id: int) -> None:
        """Raises `NoSuchItem`."""
        if self.notes.pop(note_id, None) is None:
            raise NoSuchItem

    def create_note(self, body: Record) -> Record:
        """A new note. Raises `BadRequest`."""
        if not body.get("content") or not any(body.get(key) for key in ("person_id", "deal_id", "lead_id")):
            raise BadRequest("Content and one of person, deal, lead must be given.")
        note = {"id": next(self._ids), "deal_id": None, "lead_id": None, **body}
        self.notes[note["id"]] = note
        self._written("note", body)
        return note

    def _written(self, kind: str, body: Record, person: Record | None = None) -> None:
        self.writes.append((kind, body))
        if person is not None:
            self._indexed.setdefault(person["id"], []).append((self._clock(), copy.deepcopy(person)))

    def _now(self) -> str:
        return datetime.fromtimestamp(self._clock(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _searched(person: Record, name: str) -> list[str]:
    """The values of a person that a search of this field looks at."""
    if name == "custom_fields":
        return [each for each in person["custom_fields"].values() if isinstance(each, str)]
    return [each["value"] for each in person["emails" if name == "email" else "phones"]]


def _is_taken(field: Record, value: Any) -> bool:
    ids = {option["id"] for option in field["options"] or ()}
    match field["field_type"]:
        case "enum":
            return value in ids
        case "set":
            return isinstance(value, list) and set(value) <= ids
        case "double":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "date":
            return isinstance(value, str) and len(value) == len("2026-03-01")
        case _:
            return isinstance(value, str)
