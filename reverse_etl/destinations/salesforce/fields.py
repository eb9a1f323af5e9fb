"""The fields of Lead: what each gets by default, their types as `describe` shows them, and what setup makes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from reverse_etl.destinations.chatwoot_definitions import LINK_KEY, TITLES
from reverse_etl.mapping import Rule
from reverse_etl.property_types import PropertyType, ValueKind, joined, same

RECORD = "lead"
OWN_PREFIX = "EchoLead_"
"""Fields of this name are ours alone: they follow the lead. In all others people write as well."""
SAME_AS_FIELD = "EchoLead_Same_As__c"
"""On a lead that turned out to be the person of another one: the id of that one."""
REQUIRED = ("LastName", "Company")
DEFAULT_MAPPING = """
lead:
  FirstName: first_name
  LastName: last_name
  Email: email
  Phone: phone
  Company: attributes.company
  LeadSource: attributes.channel
  EchoLead_Id__c: lead_id
  EchoLead_Url__c: url
  EchoLead_Labels__c: labels
  EchoLead_Channel__c: attributes.channel
  EchoLead_Source__c: attributes.source
  EchoLead_Medium__c: attributes.medium
  EchoLead_Campaign__c: attributes.campaign
  EchoLead_Term__c: attributes.term
  EchoLead_Content__c: attributes.content
  EchoLead_Gclid__c: attributes.gclid
  EchoLead_Fbclid__c: attributes.fbclid
  EchoLead_First_Source__c: attributes.first_source
  EchoLead_First_Medium__c: attributes.first_medium
  EchoLead_First_Campaign__c: attributes.first_campaign
  EchoLead_First_Landing_Page__c: attributes.first_landing_page
  EchoLead_First_Seen_At__c: attributes.first_seen_at
  EchoLead_Sessions_Count__c: attributes.sessions_count
  EchoLead_Marketing_Consent__c: attributes.marketing_consent
"""
TEXT = {"type": "Text", "length": 255}
# A click id that is cut is none, and a page's address is of any length.
LONG_TEXT = {"type": "LongTextArea", "length": 2048, "visibleLines": 2}
TYPES_TO_MAKE: Mapping[str, Mapping[str, Any]] = {
    "lead_id": {**TEXT, "externalId": True, "unique": True, "caseSensitive": False},
    "url": {"type": "Url"},
    "attributes.gclid": LONG_TEXT,
    "attributes.fbclid": LONG_TEXT,
    "attributes.first_landing_page": LONG_TEXT,
    "attributes.first_seen_at": {"type": "DateTime"},
    "attributes.sessions_count": {"type": "Number", "precision": 9, "scale": 0},
}
LABELS = {"lead_id": "EchoLead", "url": TITLES[LINK_KEY], "labels": "Etiquetas"}
TYPES = {
    "boolean": PropertyType("boolean"),
    "currency": PropertyType("number"),
    "date": PropertyType("date"),
    "datetime": PropertyType("datetime"),
    "double": PropertyType("number"),
    "int": PropertyType("number"),
    "long": PropertyType("number"),
    "percent": PropertyType("number"),
}


@dataclass(frozen=True)
class Field:
    """A field of Lead as `describe` shows it to our user."""

    name: str
    described_type: str
    type: PropertyType
    is_createable: bool
    is_updateable: bool
    is_external_id: bool
    is_unique: bool

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> Self:
        """From an entry of `describe`'s `fields`."""
        return cls(
            name=str(described["name"]),
            described_type=str(described.get("type") or "string"),
            type=_type(described),
            is_createable=bool(described.get("createable")),
            is_updateable=bool(described.get("updateable")),
            is_external_id=bool(described.get("externalId")),
            is_unique=bool(described.get("unique")),
        )

    @property
    def is_ours(self) -> bool:
        """Whether nobody but EchoLead is meant to write it."""
        return self.name.startswith(OWN_PREFIX)

    def holds(self, held: Any, wanted: Any) -> bool:
        """Whether the field's value is the wanted one, however Salesforce writes it."""
        if self.described_type == "email":
            held, wanted = str(held or "").lower(), str(wanted or "").lower()
        if self.described_type == "reference":  # ids have 15 characters, or 18 with their check sum
            held, wanted = str(held or "")[:15], str(wanted or "")[:15]
        if isinstance(held, str) and isinstance(wanted, str):  # line ends come back as \r\n
            held, wanted = held.replace("\r\n", "\n"), wanted.replace("\r\n", "\n")
        return same(self.type, wanted, held)


def metadata(rule: Rule) -> dict[str, Any]:
    """What setup makes for a field of ours."""
    title = LABELS.get(rule.source) or TITLES[rule.source.removeprefix("attributes.")]
    return {"label": title, **TYPES_TO_MAKE.get(rule.source, TEXT)}


def _type(described: Mapping[str, Any]) -> PropertyType:
    is_writable = bool(described.get("createable") or described.get("updateable"))
    name = str(described.get("type"))
    if name in TYPES:
        known = TYPES[name]
        return PropertyType(known.kind, is_writable=is_writable)
    if name in ("picklist", "multipicklist"):
        options = {
            str(each[key]): str(each["value"])
            for key in ("label", "value")
            for each in described.get("picklistValues") or ()
            if each.get("active", True)
        }
        is_open = not described.get("restrictedPicklist")
        if name == "picklist":
            return PropertyType("option", options=options, is_writable=is_writable, is_open=is_open)
        return PropertyType("options", options=options, write=joined(";"), is_writable=is_writable, is_open=is_open)
    length = int(described.get("length") or 0)
    write = str.lower if name == "email" else None
    kind: ValueKind = "phone" if name == "phone" else "text"
    return PropertyType(kind, max_length=length or None, write=write, is_writable=is_writable)
