"""What the demo HubSpot's account holds, with its rules of uniqueness. It lives as long as the process."""

import itertools
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Literal

from echolead.demo.hubspot.definitions import READ_ONLY, PropertyDefinitions, Row
from echolead.demo.hubspot.values import RefusedValue, normalized

ACCOUNT_MADE_AT = "2026-01-01T00:00:00Z"
# The pipeline that every account begins with: stage, its probability, whether it ends the deal.
FIRST_STAGES = (
    ("appointmentscheduled", "0.2", False),
    ("qualifiedtobuy", "0.4", False),
    ("contractsent", "0.9", False),
    ("closedwon", "1.0", True),
    ("closedlost", "0.0", True),
)
MOST_MERGED = 250
"""How many contacts can become part of one."""
CHANGED = {"contacts": "lastmodifieddate", "deals": "hs_lastmodifieddate", "notes": "hs_lastmodifieddate"}


def pipeline_of(pipeline_id: str, label: str, stages: Iterable[tuple[str, str, str, bool]]) -> Row:
    """A pipeline as the API shows it; a stage is (id, label, probability, whether it ends the deal)."""
    common = {"createdAt": ACCOUNT_MADE_AT, "updatedAt": ACCOUNT_MADE_AT, "archived": False}
    shown_stages = [
        {"id": stage, "label": name, "displayOrder": place, **common,
         "metadata": {"probability": probability, "isClosed": str(is_closed).lower()}}
        for place, (stage, name, probability, is_closed) in enumerate(stages)
    ]  # fmt: skip
    return {"id": pipeline_id, "label": label, "displayOrder": 0, "stages": shown_stages, **common}


class Missing(Exception):
    """There is no such object."""


class Conflict(Exception):
    """The value belongs to another contact, whose id is in the text alone."""


class HubSpotStore:
    """Contacts, deals, notes, what they have to do with each other, and the submissions of forms.

    What HubSpot does is not certain in four places; each is tried both ways. `lifecycle_mode`: an earlier stage is
    ignored, with a 200, or taken. `second_address_mode`: an address that the contact has as its second one becomes the
    first, and the first is lost, or is refused. `has_partial_batches`: rows fail alone, or all together. `merge_mode`:
    two contacts become a new one, or the second becomes part of the first, as before HubSpot's change of 2025.
    """

    def __init__(self) -> None:
        self.definitions = PropertyDefinitions()
        self.pipelines = [
            pipeline_of("default", "Sales Pipeline", [(name, name, *rest) for name, *rest in FIRST_STAGES])  # type: ignore[misc]  # name, two more
        ]
        self.archived: dict[str, Row] = {}
        """Deals that were deleted."""
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.objects: dict[str, dict[str, Row]] = {"contacts": {}, "deals": {}, "notes": {}}
        self.associations: set[tuple[str, str, str, str]] = set()
        self.submissions: list[Row] = []
        self.writes: list[tuple[str, str, Row]] = []
        """(type, id, properties) of each write that was asked for, in order."""
        self.lifecycle_mode: Literal["ignores", "moves"] = "ignores"
        self.second_address_mode: Literal["replaces", "conflict"] = "replaces"
        self.has_partial_batches = True
        self.merge_mode: Literal["new", "first"] = "new"
        self.ignores_associations_on_create = False
        self._ids = itertools.count(501)

    # Reading

    def find(self, kind: str, value: str, id_property: str | None = None) -> Row | None:
        """The object of this id or unique value; of a merged contact, the one it became part of."""
        objects = self.objects[kind]
        if id_property in (None, "hs_object_id"):
            merged = (row for row in objects.values() if value in row["merged"])
            return objects.get(value) or next(merged, None)
        if id_property == "email" and kind == "contacts":
            return next((row for row in objects.values() if value.lower() in addresses(row)), None)
        if not self.definitions.properties[kind].get(str(id_property), {}).get("hasUniqueValue"):
            raise RefusedValue(
                str(id_property), "NON_UNIQUE", f"Unable to perform update/upsert by non-unique {id_property}"
            )
        return next((row for row in objects.values() if row["properties"].get(str(id_property)) == value), None)

    def associated(self, kind: str, object_id: str, other_kind: str) -> list[str]:
        """The ids of the objects of another type that belong to this one."""
        return sorted(to for a, of, b, to in self.associations if (a, of, b) == (kind, object_id, other_kind))

    # Writing

    def create(self, kind: str, properties: Row) -> Row:
        """A new object. Raises `RefusedValue`, `Conflict`."""
        if kind == "contacts" and not any(properties.get(name) for name in ("email", "firstname", "lastname")):
            raise RefusedValue("email", "REQUIRED", "One of email, firstname, lastname is needed.")
        values = self._checked(kind, properties, None)
        now = self._now()
        row: Row = {
            "kind": kind,
            "history": {},
            "id": str(next(self._ids)),
            "properties": {name: value for name, value in values.items() if value != ""},
            "merged": [],
            "createdAt": now,
            "updatedAt": now,
        }
        self.objects[kind][row["id"]] = row
        self._note_history(row, values)
        self.writes.append((kind, row["id"], dict(properties)))
        return row

    def update(self, kind: str, object_id: str, properties: Row) -> Row:
        """Change an object; an empty text clears a property. Raises `Missing`, `RefusedValue`, `Conflict`."""
        row = self.find(kind, object_id)
        if row is None:
            raise Missing(object_id)
        values = self._checked(kind, properties, row)
        held = row["properties"]
        stage = values.get("lifecyclestage", "")
        rank = self.definitions.stage_rank
        if stage and self.lifecycle_mode == "ignores" and rank(stage) < rank(held.get("lifecyclestage", "")):
            del values["lifecyclestage"]
        if values.get("email") and values["email"] in held.get("hs_additional_emails", "").split(";"):
            others = [each for each in held["hs_additional_emails"].split(";") if each != values["email"]]
            values["hs_additional_emails"] = ";".join(others)
        held.update(values)
        for name in [name for name, value in held.items() if value == ""]:
            del held[name]
        row["updatedAt"] = self._now()
        self._note_history(row, values)
        self.writes.append((kind, row["id"], dict(properties)))
        return row

    def upsert(self, kind: str, value: str, id_property: str, properties: Row) -> tuple[Row, bool]:
        """Update the object of this unique value, or create it; and whether it is new."""
        found = self.find(kind, value, id_property)
        if found is not None:
            return self.update(kind, found["id"], properties), False
        return self.create(kind, {id_property: value, **properties}), True

    def merge(self, primary_id: str, other_id: str) -> Row:
        """Two contacts become one with the first one's values; the other's addresses become second ones.

        The ids of both lead to it from then on. Raises `Missing`, and `RefusedValue` for two that are one already and
        for one that too many have become part of.
        """
        primary, other = self.find("contacts", primary_id), self.find("contacts", other_id)
        if primary is None or other is None:
            raise Missing(other_id if primary is not None else primary_id)
        if primary["id"] == other["id"]:
            raise RefusedValue("objectIdToMerge", "SAME_OBJECT", "Cannot merge an object with itself")
        before = [primary["id"]] if self.merge_mode == "new" else []
        merged = [*before, other["id"], *primary["merged"], *other["merged"]]
        if len(merged) > MOST_MERGED:
            raise RefusedValue("objectIdToMerge", "TOO_MANY_MERGES", f"The limit of {MOST_MERGED} merges is reached")
        del self.objects["contacts"][other["id"]], self.objects["contacts"][primary["id"]]
        held = {**other["properties"], **primary["properties"]}
        second = [*primary["properties"].get("hs_additional_emails", "").split(";"), *addresses(other)]
        held["hs_additional_emails"] = ";".join(dict.fromkeys(each for each in second if each))
        new_id = next(self._ids) if before else primary["id"]
        row = {**primary, "id": str(new_id), "properties": held, "merged": merged, "updatedAt": self._now()}
        self.objects["contacts"][row["id"]] = row
        ours = dict.fromkeys((primary["id"], other["id"]), row["id"])
        self.associations = {
            (kind, ours.get(object_id, object_id), other_kind, ours.get(its_id, its_id))
            for kind, object_id, other_kind, its_id in self.associations
        }
        return row

    def archive_deal(self, deal_id: str) -> None:
        """Delete a deal: it is in the archive from now on. Raises `Missing`."""
        if deal_id not in self.objects["deals"]:
            raise Missing(deal_id)
        row = self.objects["deals"].pop(deal_id)
        self.archived[deal_id] = {**row, "archivedAt": self._now()}

    def restore_deal(self, deal_id: str) -> None:
        """Take a deal out of the archive. Its time of change stays what it was. Raises `Missing`."""
        if deal_id not in self.archived:
            raise Missing(deal_id)
        self.objects["deals"][deal_id] = self.archived.pop(deal_id)

    def merge_deals(self, primary_id: str, other_id: str) -> Row:
        """Both deals become a new one with the values of the first, which names them. Raises `Missing`."""
        rows = [self.objects["deals"].get(each) for each in (primary_id, other_id)]
        if None in rows:
            raise Missing(other_id)
        primary, other = (row or {} for row in rows)
        merged = self.create("deals", {**other["properties"], **primary["properties"]})
        merged["history"] = {**primary["history"]}
        for each in (primary, other):
            merged["merged"] += [each["id"], *each["merged"]]
            for contact in self.associated("deals", each["id"], "contacts"):
                self.associate("deals", merged["id"], "contacts", contact)
            del self.objects["deals"][each["id"]]
        return merged

    def associate(self, kind: str, object_id: str, other_kind: str, other_id: str) -> None:
        """Join two objects, in both directions; twice is once. Raises `Missing`."""
        if object_id not in self.objects[kind] or other_id not in self.objects[other_kind]:
            raise Missing(object_id)
        self.associations |= {(kind, object_id, other_kind, other_id), (other_kind, other_id, kind, object_id)}

    def submit(self, form: str, fields: Row, context: Row) -> None:
        """A form was filled in: the contact of its e-mail is there afterwards, and the browser is known as theirs."""
        self.submissions.append({"form": form, "fields": fields, "context": context})
        if self.find("contacts", fields["email"], "email") is None:
            self.create("contacts", {"email": fields["email"]})

    def _note_history(self, row: Row, values: Row) -> None:
        for name, value in values.items():
            row["history"].setdefault(name, []).append({"value": value, "timestamp": row["updatedAt"]})

    def _now(self) -> str:
        return self.clock().isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _checked(self, kind: str, properties: Row, row: Row | None) -> Row:
        """The values in their stored form. Raises `RefusedValue`, `Conflict`."""
        definitions = self.definitions.properties[kind]
        values: Row = {}
        for name, value in properties.items():
            if name not in definitions and name not in READ_ONLY:
                raise RefusedValue(name, "PROPERTY_DOESNT_EXIST", f'Property "{name}" does not exist')
            if name in READ_ONLY or definitions[name]["modificationMetadata"]["readOnlyValue"]:
                raise RefusedValue(
                    name, "READ_ONLY_VALUE", f'"{name}" is a read only property; its value cannot be set.'
                )
            values[name] = normalized(definitions[name], value)
        own_id = None if row is None else row["id"]
        for name, value in values.items():
            if value and definitions[name]["hasUniqueValue"]:
                self._check_unique(kind, name, value, own_id)
        if kind == "contacts" and values.get("email"):
            self._check_address(values["email"], row)
        return values

    def _check_unique(self, kind: str, name: str, value: str, own_id: str | None) -> None:
        holder = self.find(kind, value, name)
        if holder is not None and holder["id"] != own_id:
            message = f"Cannot set PropertyValueCoordinates{{propertyName={name}, value={value}}} on {own_id}."
            raise RefusedValue(name, "UNIQUE", f"{message} {holder['id']} already has that value.")

    def _check_address(self, address: str, row: Row | None) -> None:
        holder = self.find("contacts", address, "email")
        is_other = holder is not None and (row is None or holder["id"] != row["id"])
        is_second = row is not None and address in row["properties"].get("hs_additional_emails", "").split(";")
        if is_other or (is_second and self.second_address_mode == "conflict"):
            raise Conflict(f"Contact already exists. Existing ID: {(holder or row or {})['id']}")


def addresses(row: Row) -> list[str]:
    """Every address of a contact, the first one first."""
    held = row["properties"]
    return [each for each in (held.get("email", ""), *held.get("hs_additional_emails", "").split(";")) if each]


def shown(row: Row, names: Iterable[str] | None) -> Row:
    """An object as an answer has it: the properties that were asked for, null where there is none."""
    held: dict[str, Any] = {**row["properties"], "hs_object_id": row["id"]}
    held |= {"createdate": row["createdAt"], CHANGED[row["kind"]]: row["updatedAt"]}
    if row["merged"]:
        held["hs_merged_object_ids"] = ";".join(row["merged"])
    chosen = held if names is None else {**{name: held.get(name) for name in names}, "hs_object_id": row["id"]}
    times = {key: row[key] for key in ("createdAt", "updatedAt")}
    return {"id": row["id"], "properties": chosen, **times, "archived": False}
