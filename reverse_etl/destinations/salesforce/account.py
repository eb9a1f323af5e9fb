"""The org: what `echolead destination test` says of it, and what `setup` makes there.

A field that is made through an API is hidden from everybody, its maker included, until a permission set shows it.
Sources: Tooling API, CustomField; Object Reference, FieldPermissions and PermissionSetAssignment.
"""

from collections.abc import Mapping
from typing import Any

from reverse_etl.calls import Calls
from reverse_etl.destination import Finding
from reverse_etl.destinations.salesforce.fields import (
    DEFAULT_MAPPING,
    OWN_PREFIX,
    RECORD,
    SAME_AS_FIELD,
    TEXT,
    Field,
    metadata,
)
from reverse_etl.destinations.salesforce.verdicts import ID_FIELD
from reverse_etl.errors import Rejected
from reverse_etl.mapping import PropertyMap

PERMISSION_SET = "EchoLead"
# What a tenant maps to other fields than these is the tenant's to make.
TO_MAKE: Mapping[str, Mapping[str, Any]] = {
    **{
        name: metadata(rule)
        for name, rule in PropertyMap.of("", DEFAULT_MAPPING).records[RECORD].items()
        if name.startswith(OWN_PREFIX)
    },
    SAME_AS_FIELD: {"label": "Mesma pessoa que", **TEXT},
}


async def fields_of(calls: Calls, api: str) -> dict[str, Field]:
    """The fields of Lead that our user sees, by name."""
    described = await calls.ask("describe lead", "GET", f"{api}/sobjects/Lead/describe")
    return {entry["name"]: Field.of(entry) for entry in described["fields"]}


def problem_of_id(fields: Mapping[str, Field]) -> str:
    """Why leads cannot be delivered, and what to do; empty when they can."""
    field = fields.get(ID_FIELD)
    if field is None:
        return f"Lead has no field {ID_FIELD} that this user sees: run `echolead destination setup`."
    if not field.is_external_id:
        return f"{ID_FIELD} is no external id: tick External ID in the field's definition."
    if not (field.is_createable and field.is_updateable):
        return f"This user may not write {ID_FIELD}: give it edit access in a permission set."
    return ""


async def test(calls: Calls, api: str, mapping: PropertyMap) -> list[Finding]:
    """Rights, fields, and what is left of the day; changes nothing."""
    fields = await fields_of(calls, api)
    problem = problem_of_id(fields)
    found = [Finding(ID_FIELD, "missing" if ID_FIELD not in fields else "wrong" if problem else "ok", problem)]
    if not problem and not fields[ID_FIELD].is_unique:
        found = [Finding(ID_FIELD, "note", "not unique: a creation whose answer is lost is tried again a minute later")]
    types = {name: field.type for name, field in fields.items()}
    mapped = mapping.findings(RECORD, types, made_by_setup=tuple(TO_MAKE))
    found += [finding for finding in mapped if finding.subject != f"{RECORD} {ID_FIELD}"]
    limits = await calls.ask("read limits", "GET", f"{api}/limits")
    day = limits["DailyApiRequests"]
    left = f"{day['Remaining']} of {day['Max']} calls are left of the last 24 hours"
    return [*found, Finding("API calls", "ok" if day["Remaining"] else "wrong", left)]


async def setup(calls: Calls, api: str, *, is_dry_run: bool) -> list[Finding]:
    """Make the missing fields, show all of them to our user, and say so; what is there is left as it is."""
    fields = await fields_of(calls, api)
    missing = [name for name in TO_MAKE if name not in fields]
    if is_dry_run or not missing:
        return [Finding(name, "missing" if name in missing else "ok") for name in TO_MAKE]
    findings = [Finding(name, "ok") for name in TO_MAKE if name in fields]
    made = []
    for name in missing:
        body = {"FullName": f"Lead.{name}", "Metadata": TO_MAKE[name]}
        try:
            await calls.ask("make field", "POST", f"{api}/tooling/sobjects/CustomField", body=body)
        except Rejected as refused:
            if refused.code != "DUPLICATE_DEVELOPER_NAME":  # there, and only hidden from us
                findings.append(Finding(name, "wrong", str(refused)))
                continue
        made.append(name)
    try:
        await _show(calls, api, made)
    except Rejected as refused:
        by_hand = "give this user edit access to the EchoLead fields of Lead in a permission set"
        return [*findings, *(Finding(name, "wrong", f"made, but hidden ({refused}): {by_hand}") for name in made)]
    return [*findings, *(Finding(name, "made") for name in made)]


async def _show(calls: Calls, api: str, names: list[str]) -> None:
    """Let our user read and write these fields, through a permission set of our own."""
    held = await _id_of(calls, api, f"SELECT Id FROM PermissionSet WHERE Name = '{PERMISSION_SET}'")  # noqa: S608
    permission_set = held or await _made(calls, api, "PermissionSet", {"Name": PERMISSION_SET, "Label": PERMISSION_SET})
    for name in names:
        of_field = {"ParentId": permission_set, "SobjectType": "Lead", "Field": f"Lead.{name}"}
        rights = {"PermissionsRead": True, "PermissionsEdit": True}
        await _made(calls, api, "FieldPermissions", {**of_field, **rights})
    user = (await calls.ask("who are we", "GET", "services/oauth2/userinfo"))["user_id"]
    assigned = {"AssigneeId": user, "PermissionSetId": permission_set}
    await _made(calls, api, "PermissionSetAssignment", assigned)


async def _id_of(calls: Calls, api: str, soql: str) -> str | None:
    answer = await calls.ask("look up permission set", "GET", f"{api}/query", params={"q": soql})
    return str(answer["records"][0]["Id"]) if answer["records"] else None


async def _made(calls: Calls, api: str, kind: str, body: Mapping[str, Any]) -> str | None:
    """The id of the new record; None when there is one already."""
    try:
        answer = await calls.ask(f"make {kind}", "POST", f"{api}/sobjects/{kind}", body=body)
    except Rejected as refused:
        if refused.code not in ("DUPLICATE_VALUE", "DUPLICATES_DETECTED"):
            raise
        return None
    return str(answer["id"])
