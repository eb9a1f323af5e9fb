"""The records of the demo Salesforce and its rules: uniqueness, duplicate and assignment rules, conversion, rights."""

import contextlib
import itertools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from echolead.demo.salesforce.opportunities import OrgOpportunities
from echolead.demo.salesforce.schema import SYSTEM, LeadField, RowRefused, UnreadableBody, made_field, standard_fields

Values = dict[str, Any]
USER_ID = "005000000000001AAA"
QUEUE_ID = "00G000000000001AAA"


@dataclass
class RowFault:
    """A refusal of rows whose JSON matches `where`, as of a lock, a trigger or a validation rule; `times` ends it."""

    code: str
    message: str = ""
    fields: tuple[str, ...] = ()
    where: str = "."
    times: int | None = None

    def strike(self, values: Values) -> None:
        """Raises `RowRefused` when the row is hit."""
        if self.times == 0 or not re.search(self.where, json.dumps(values, ensure_ascii=False)):
            return
        if self.times is not None:
            self.times -= 1
        raise RowRefused(self.code, self.message, *self.fields)


@dataclass(frozen=True)
class Wishes:
    """What the headers of a call say of the org's rules."""

    assigns: bool = True
    saves_duplicates: bool = False


class NoSuchLead(Exception):
    """No lead has this id."""


@dataclass
class Org:
    """One org. `duplicate_rule`: off, alert (saved when the caller insists), block.

    `daily_calls` is the limit of the last 24 hours, of which `calls` are used. `results_kept` cuts the answers of
    collections.
    """

    daily_calls: int = 15_000
    duplicate_rule: str = "alert"
    has_assignment_rule: bool = False
    results_kept: int | None = None
    calls: int = 0
    fields: dict[str, LeadField] = field(default_factory=standard_fields)
    leads: dict[str, Values] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    row_faults: list[RowFault] = field(default_factory=list)
    writes: list[tuple[str, str, Values]] = field(default_factory=list)
    """Each write that took effect: create or update, the lead's id, the fields."""
    others: dict[str, list[Values]] = field(default_factory=dict)
    """Permission sets, field permissions and their assignments."""
    opportunities: OrgOpportunities = field(default_factory=OrgOpportunities)
    query_size: int = 2000
    """Records in an answer to a query; the others are at its `nextRecordsUrl`."""
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def define(self, *made: LeadField) -> None:
        """Add fields that our user sees."""
        self.fields.update({each.name: each for each in made})

    def define_by_api(self, full_name: str, metadata: dict[str, Any]) -> str:
        """A custom field of Lead, hidden until a permission set shows it. Raises `RowRefused`."""
        name = full_name.removeprefix("Lead.")
        if name in self.fields:
            raise RowRefused(
                "DUPLICATE_DEVELOPER_NAME", f"There is already a field named {name} on Lead.", "DeveloperName"
            )
        self.fields[name] = made_field(name, metadata)
        return f"00N{next(self._numbers):012d}AAA"

    def visible_fields(self) -> dict[str, LeadField]:
        """Those that our user sees."""
        shown = {
            str(each["Field"]).removeprefix("Lead.")
            for each in self.others.get("FieldPermissions", [])
            for assigned in self.others.get("PermissionSetAssignment", [])
            if assigned["PermissionSetId"] == each["ParentId"] and assigned["AssigneeId"] == USER_ID
        }
        return {name: each for name, each in self.fields.items() if not each.is_hidden or name in shown}

    def add_other(self, kind: str, values: Values) -> str:
        """A permission set, a field permission or an assignment. Raises `RowRefused` for one that is there."""
        there = self.others.setdefault(kind, [])
        keys = [key for key in values if key not in ("Label", "PermissionsRead", "PermissionsEdit")]
        if any(all(each.get(key) == values[key] for key in keys) for each in there):
            raise RowRefused("DUPLICATE_VALUE", f"duplicate value found: {kind} duplicates value on record", *keys)
        made = {"Id": f"0PS{next(self._numbers):012d}AAA", **values}
        there.append(made)
        return str(made["Id"])

    def lead(self, lead_id: str) -> Values:
        """A lead by its id of 15 or 18 characters. Raises `NoSuchLead`."""
        for each, values in self.leads.items():
            if each[:15] == lead_id[:15] and each not in self.deleted:
                return values
        raise NoSuchLead(lead_id)

    def present(self) -> list[Values]:
        """Every lead that is not deleted."""
        return [values for lead_id, values in self.leads.items() if lead_id not in self.deleted]

    def matching(self, name: str, value: str) -> list[str]:
        """The ids of the leads with this external id, in any case."""
        wanted = value.lower()
        return [str(each["Id"]) for each in self.present() if str(each.get(name) or "").lower() == wanted]

    def add(self, **values: Any) -> str:
        """A lead that somebody made by hand."""
        return self.save(None, {"LastName": "Souza", "Company": "-", **values}, Wishes(saves_duplicates=True))

    def convert(self, lead_id: str, opportunity_id: str | None = None) -> None:
        """What a salesperson does with a qualified lead."""
        became = {"ConvertedContactId": "003000000000001AAA", "ConvertedOpportunityId": opportunity_id}
        self.lead(lead_id).update(IsConverted=True, **became)

    def check_readable(self, values: Values) -> None:
        """Raises `UnreadableBody` when the body has a field that our user does not see, or a value of another type."""
        visible = self.visible_fields()
        for name in values:
            if name not in visible:
                raise UnreadableBody("INVALID_FIELD", f"No such column '{name}' on sobject of type Lead")
        for name, value in values.items():
            with contextlib.suppress(RowRefused):
                visible[name].kept(value)

    def save(self, lead_id: str | None, values: Values, wishes: Wishes) -> str:
        """Create a lead, or update one by its id, which is returned. Raises `RowRefused`."""
        held: Values = {} if lead_id is None else self._held(lead_id)
        for fault in self.row_faults:
            fault.strike({**held, **values})
        kept = {name: self._kept(name, value) for name, value in values.items()}
        if held.get("IsConverted"):
            raise RowRefused("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
        after = {**held, **kept}
        missing = [name for name, each in self.fields.items() if each.is_required and not after.get(name)]
        if missing:
            message = f"Required fields are missing: [{', '.join(missing)}]"
            raise RowRefused("REQUIRED_FIELD_MISSING", message, *missing)
        self._check_unique(after)
        self._check_duplicates(after, wishes)
        if lead_id is None:
            lead_id = f"00Q{next(self._numbers):012d}AAA"
            made_at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"
            after = {"OwnerId": USER_ID, **after, "Id": lead_id, "IsConverted": False, "CreatedDate": made_at}
        if self.has_assignment_rule and wishes.assigns:
            after["OwnerId"] = QUEUE_ID
        self.writes.append(("update" if held else "create", str(after["Id"]), dict(values)))
        self.leads[str(after["Id"])] = after
        return str(after["Id"])

    def _held(self, lead_id: str) -> Values:
        try:
            return self.lead(lead_id)
        except NoSuchLead:
            raise RowRefused("ENTITY_IS_DELETED", "entity is deleted") from None

    def _kept(self, name: str, value: Any) -> Any:
        known = self.fields[name]
        if name in SYSTEM or known.is_locked or not known.is_writable:
            message = f"Unable to create/update fields: {name}. Please check the security settings of this field and"
            message += " verify that it is read/write for your profile or permission set."
            raise RowRefused("INVALID_FIELD_FOR_INSERT_UPDATE", message, name)
        return known.kept(value)

    def _check_unique(self, after: Values) -> None:
        for name, each in self.fields.items():
            others = [] if not each.is_unique or not after.get(name) else self.matching(name, str(after[name]))
            for other in others:
                if other != after.get("Id"):
                    message = f"duplicate value found: {name} duplicates value on record with id: {other}"
                    raise RowRefused("DUPLICATE_VALUE", message, name)

    def _check_duplicates(self, after: Values, wishes: Wishes) -> None:
        """The standard rule of Lead, simplified: the same e-mail, or the same name and phone."""
        if self.duplicate_rule == "off" or (self.duplicate_rule == "alert" and wishes.saves_duplicates):
            return
        alike = tuple(
            str(each["Id"])
            for each in self.present()
            if each["Id"] != after.get("Id") and not each["IsConverted"] and _is_alike(each, after)
        )
        if alike:
            raise RowRefused("DUPLICATES_DETECTED", "Use one of these records?", record_ids=alike)


def _is_alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    if one.get("Email") and str(one["Email"]).lower() == str(other.get("Email") or "").lower():
        return True
    names = ("FirstName", "LastName", "Phone")
    return all(one.get(name) and one.get(name) == other.get(name) for name in names)
