"""The fields of the demo's Lead: what `describe` shows, what a value must be, and how it is kept.

Sources: Object Reference, Lead; REST API Developer Guide, sObject Describe.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
NUMBERS = ("double", "int")
SYSTEM = frozenset({"Id", "IsConverted", "ConvertedContactId", "ConvertedOpportunityId", "CreatedDate"})
SOURCES = ("Web", "Organic Search", "Paid Search", "Paid Social", "Email", "Direct", "Referral", "Instagram")


class UnreadableBody(Exception):
    """The body does not fit the object: the whole call is refused. `code` is Salesforce's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class RowRefused(Exception):
    """One row is refused: Salesforce's code, its sentence, the fields it names."""

    def __init__(self, code: str, message: str, *fields: str, record_ids: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.fields = list(fields)
        self.record_ids = record_ids


@dataclass
class LeadField:
    """One field of Lead. `is_hidden` until a permission set shows it, as for fields made through an API.

    `is_locked`: `describe` calls it writable, but writing it is refused, as after rights that were just taken away.
    `not_of_our_type`: options that exist, but not for the record type of our user's leads.
    """

    name: str
    type: str = "string"
    length: int = 255
    options: tuple[str, ...] = ()
    is_restricted: bool = False
    is_required: bool = False
    is_external_id: bool = False
    is_unique: bool = False
    is_writable: bool = True
    is_hidden: bool = False
    is_locked: bool = False
    not_of_our_type: set[str] = field(default_factory=set)

    def described(self) -> dict[str, Any]:
        """The entry of `describe`."""
        return {
            "name": self.name,
            "label": self.name,
            "type": self.type,
            "length": self.length if self.type not in (*NUMBERS, "boolean", "datetime") else 0,
            "createable": self.is_writable,
            "updateable": self.is_writable,
            "nillable": not self.is_required,
            "externalId": self.is_external_id,
            "unique": self.is_unique,
            "restrictedPicklist": self.is_restricted,
            "picklistValues": [{"label": each, "value": each, "active": True} for each in self.options],
        }

    def kept(self, value: Any) -> Any:
        """The value as it is stored. Raises `UnreadableBody` for one of another type, `RowRefused` for a bad one.

        A text loses the blanks around it, and an empty one is no value.
        """
        if value is None:
            return None
        if self.type in NUMBERS or self.type == "boolean":
            if not isinstance(value, bool if self.type == "boolean" else int | float):
                what = f"Cannot deserialize instance of {self.type} from {type(value).__name__} value {value}"
                raise UnreadableBody("JSON_PARSER_ERROR", what)
            return value if self.type == "boolean" else float(value)
        if not isinstance(value, str):
            raise UnreadableBody("JSON_PARSER_ERROR", f"Cannot deserialize instance of {self.type} from {value}")
        if self.type == "datetime":
            return self._moment(value)
        return self._text(value.strip())

    def _moment(self, value: str) -> str:
        try:
            moment = datetime.fromisoformat(value).astimezone(UTC)
        except ValueError:
            raise UnreadableBody("JSON_PARSER_ERROR", f"Cannot deserialize instance of datetime from {value}") from None
        return moment.strftime("%Y-%m-%dT%H:%M:%S.000+0000")

    def _text(self, text: str) -> str | None:
        if not text:
            return None
        if len(text.encode("utf-16-le")) // 2 > self.length:
            message = f"{self.name}: data value too large: {text} (max length={self.length})"
            raise RowRefused("STRING_TOO_LONG", message, self.name)
        if self.type == "email" and not EMAIL.fullmatch(text):
            raise RowRefused("INVALID_EMAIL_ADDRESS", f"{self.name}: invalid email address: {text}", self.name)
        if self.type == "picklist" and (
            (self.is_restricted and text not in self.options) or text in self.not_of_our_type
        ):
            message = f"{self.name}: bad value for restricted picklist field: {text}"
            raise RowRefused("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, self.name)
        return text.replace("\r\n", "\n").replace("\n", "\r\n") if self.type == "textarea" else text


def standard_fields() -> dict[str, LeadField]:
    """The fields that every org has and that matter here."""
    fields = [
        LeadField("Id", "id", 18, is_writable=False),
        LeadField("IsConverted", "boolean", is_writable=False),
        LeadField("ConvertedContactId", "reference", 18, is_writable=False),
        LeadField("ConvertedOpportunityId", "reference", 18, is_writable=False),
        LeadField("CreatedDate", "datetime", is_writable=False),
        LeadField("OwnerId", "reference", 18),
        LeadField("FirstName", length=40),
        LeadField("LastName", length=80, is_required=True),
        LeadField("Company", is_required=True),
        LeadField("Email", "email", 80),
        LeadField("Phone", "phone", 40),
        LeadField("LeadSource", "picklist", options=SOURCES),
        LeadField("Description", "textarea", 32000),
        LeadField("Status", "picklist", options=("Open", "Working")),
    ]
    return {each.name: each for each in fields}


def made_field(name: str, metadata: dict[str, Any]) -> LeadField:
    """A custom field as the Tooling API makes it: hidden from everybody. Raises `RowRefused`."""
    types = {"Text": "string", "LongTextArea": "textarea", "Url": "url", "Number": "double", "DateTime": "datetime"}
    made = types.get(str(metadata.get("type")))
    if made is None or not name.endswith("__c") or not metadata.get("label"):
        raise RowRefused("FIELD_INTEGRITY_EXCEPTION", f"Metadata of {name} is not valid", "Metadata")
    if made in ("string", "textarea") and not metadata.get("length"):
        raise RowRefused("REQUIRED_FIELD_MISSING", "Required fields are missing: [Length]", "Length")
    return LeadField(
        name,
        made,
        int(metadata.get("length") or 255),
        is_external_id=bool(metadata.get("externalId")),
        is_unique=bool(metadata.get("unique")),
        is_hidden=True,
    )
