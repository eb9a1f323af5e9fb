"""What the demo HubSpot's account holds, with its rules of uniqueness. It lives as long as the process."""

import itertools
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Literal

from echolead.demo.hubspot.definitions import READ_ONLY, PropertyDefinitions, Row
from echolead.demo.hubspot.values import RefusedValue, normalized


class Missing(Exception):
    """There is no such object."""


class Conflict(Exception):
    """The value belongs to another contact, whose id is in the text alone."""


class HubSpotStore:
    """Contacts, deals, notes, what they have to do with each other, and the submissions of forms.

    What HubSpot does is not certain in three places; each is tried both ways. `lifecycle_mode`: an earlier stage is
    ignored, with a 200, or taken. `second_address_mode`: an address that the contact has as its second one becomes the
    first, and the first is lost, or is refused. `has_partial_batches`: rows fail alone, or all together.
    """

    def __init__(self) -> None:
        self.definitions = PropertyDefinitions()
        self.objects: dict[str, dict[str, Row]] = {"contacts": {}, "deals": {}, "notes": {}}
        self.associations: set[tuple[str, str, str, str]] = set()
        self.submissions: list[Row] = []
        self.writes: list[tuple[str, str, Row]] = []
        """(type, id, properties) of each write that was asked for, in order."""
        self.lifecycle_mode: Literal["ignores", "moves"] = "ignores"
        self.second_address_mode: Literal["replaces", "conflict"] = "replaces"
        self.has_partial_batches = True
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
        now = _now()
        row: Row = {
            "id": str(next(self._ids)),
            "properties": {name: value for name, value in values.items() if value != ""},
            "merged": [],
            "createdAt": now,
            "updatedAt": now,
        }
        self.objects[kind][row["id"]] = row
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
        row["updatedAt"] = _now()
        self.writes.append((kind, row["id"], dict(properties)))
        return row

    def upsert(self, kind: str, value: str, id_property: str, properties: Row) -> tuple[Row, bool]:
        """Update the object of this unique value, or create it; and whether it is new."""
        found = self.find(kind, value, id_property)
        if found is not None:
            return self.update(kind, found["id"], properties), False
        return self.create(kind, {id_property: value, **properties}), True

    def merge(self, primary_id: str, other_id: str) -> Row:
        """The other contact becomes part of the first; its addresses become second ones. Raises `Missing`."""
        if primary_id not in self.objects["contacts"] or other_id not in self.objects["contacts"]:
            raise Missing(other_id)
        other = self.objects["contacts"].pop(other_id)
        primary = self.objects["contacts"][primary_id]
        held = primary["properties"]
        primary["merged"] += [other_id, *other["merged"]]
        second = [*held.get("hs_additional_emails", "").split(";"), *addresses(other)]
        held["hs_additional_emails"] = ";".join(dict.fromkeys(each for each in second if each))
        for name, text in other["properties"].items():
            held.setdefault(name, text)
        joined = [each for each in self.associations if other_id in (each[1], each[3])]
        for kind, object_id, other_kind, its_id in joined:
            self.associations.discard((kind, object_id, other_kind, its_id))
            ours = {other_id: primary_id}
            self.associations.add((kind, ours.get(object_id, object_id), other_kind, ours.get(its_id, its_id)))
        return primary

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
    if row["merged"]:
        held["hs_merged_object_ids"] = ";".join(row["merged"])
    chosen = held if names is None else {**{name: held.get(name) for name in names}, "hs_object_id": row["id"]}
    times = {key: row[key] for key in ("createdAt", "updatedAt")}
    return {"id": row["id"], "properties": chosen, **times, "archived": False}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
