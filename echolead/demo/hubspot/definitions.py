"""Properties, their groups and their options, as an account of HubSpot has them."""

from typing import Any

from echolead.demo.hubspot.values import RefusedValue

Row = dict[str, Any]

STAGES = (
    "subscriber",
    "lead",
    "marketingqualifiedlead",
    "salesqualifiedlead",
    "opportunity",
    "customer",
    "evangelist",
    "other",
)
TYPES = {
    "string": ("text", "textarea", "phonenumber"),
    "number": ("number",),
    "date": ("date",),
    "datetime": ("date",),
    "enumeration": ("select", "radio", "checkbox", "booleancheckbox"),
    "bool": ("booleancheckbox",),
}
FIELD_TYPES = {"phone": "phonenumber"}
STANDARD: dict[str, dict[str, str]] = {
    "contacts": {
        "email": "string", "firstname": "string", "lastname": "string", "phone": "string", "company": "string",
        "lifecyclestage": "enumeration", "hs_additional_emails": "string", "hubspot_owner_id": "string",
    },
    "deals": {
        "dealname": "string", "pipeline": "string", "dealstage": "string", "amount": "number", "closedate": "datetime",
        "deal_currency_code": "string", "closed_lost_reason": "string",
    },
    "notes": {"hs_note_body": "string", "hs_timestamp": "datetime"},
}  # fmt: skip
READ_ONLY = {"hs_object_id", "createdate", "lastmodifieddate", "hs_lastmodifieddate", "hs_merged_object_ids"}


class Exists(Exception):
    """There is one of this name already (409)."""


class PropertyDefinitions:
    """The properties of each type of object, by name."""

    def __init__(self) -> None:
        self.groups: dict[str, set[str]] = {kind: {"information"} for kind in STANDARD}
        self.properties: dict[str, dict[str, Row]] = {kind: {} for kind in STANDARD}
        for kind, names in STANDARD.items():
            for name, value_type in names.items():
                options = [_option(stage, place) for place, stage in enumerate(STAGES)]
                self.properties[kind][name] = {
                    "name": name,
                    "label": name,
                    "description": "",
                    "groupName": "information",
                    "type": value_type,
                    "fieldType": FIELD_TYPES.get(name) or ("radio" if value_type == "enumeration" else "text"),
                    "options": options if name == "lifecyclestage" else [],
                    "hasUniqueValue": False,
                    "hubspotDefined": True,
                    "modificationMetadata": {
                        "readOnlyValue": name in READ_ONLY, "readOnlyDefinition": True, "archivable": False
                    },
                }  # fmt: skip

    def add_group(self, kind: str, body: Row) -> Row:
        """Create a group. Raises `Exists`."""
        if body["name"] in self.groups[kind]:
            raise Exists(f"A property group named {body['name']} already exists.")
        self.groups[kind].add(body["name"])
        return {"name": body["name"], "label": body["label"], "displayOrder": -1, "archived": False}

    def add_property(self, kind: str, body: Row) -> Row:
        """Create a property. Raises `Exists`, `RefusedValue`."""
        name = str(body["name"])
        if name in self.properties[kind]:
            raise Exists(f"A property named '{name}' already exists.")
        if name != name.lower() or not name.replace("_", "").isalnum() or not name[0].isalpha():
            raise RefusedValue(name, "INVALID_NAME", f"{name} is not a valid property name")
        if body["groupName"] not in self.groups[kind]:
            raise RefusedValue(name, "GROUP_NOT_FOUND", f"The property group {body['groupName']} does not exist.")
        if body["fieldType"] not in TYPES.get(body["type"], ()):
            raise RefusedValue(name, "INVALID_TYPE", f"{body['fieldType']} does not fit {body['type']}")
        self.properties[kind][name] = {
            "description": "",
            "hasUniqueValue": False,
            "hubspotDefined": False,
            **body,
            "options": [_option(each["value"], place, each["label"]) for place, each in enumerate(body["options"])]
            if body.get("options")
            else [],
            "modificationMetadata": {"readOnlyValue": False, "readOnlyDefinition": False, "archivable": True},
        }
        return self.properties[kind][name]

    def change_property(self, kind: str, name: str, body: Row) -> Row:
        """Change a property; its options are replaced whole. Raises `KeyError`."""
        self.properties[kind][name].update(body)
        return self.properties[kind][name]

    def stage_rank(self, stage: str) -> int:
        """The place of a lifecycle stage in its order; -1 for none."""
        options = self.properties["contacts"]["lifecyclestage"]["options"]
        return next((option["displayOrder"] for option in options if option["value"] == stage), -1)


def _option(value: str, place: int, label: str = "") -> Row:
    return {"value": value, "label": label or value, "displayOrder": place, "hidden": False, "description": ""}
