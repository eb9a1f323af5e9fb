"""The custom fields of a Pipedrive account: 40-character keys that nobody chooses, options known by number.

Our own are known by their names, so a renamed one is made again. Source: pipedrive.readme.io, "Custom fields"; API v2,
personFields and dealFields.
"""

from collections.abc import Mapping
from time import monotonic
from typing import Any

from reverse_etl.calls import Calls
from reverse_etl.destination import Finding
from reverse_etl.errors import Misconfigured, OutcomeUnknown
from reverse_etl.mapping import PropertyMap
from reverse_etl.property_types import PropertyType, ValueKind

KEY = "echolead_id"
# The mapping names our own fields by these words, and those of the account by their keys.
MAPPING = """
person:
  name: name
  echolead_url: url
  echolead_labels: labels
  echolead_channel: attributes.channel
  echolead_source: attributes.source
  echolead_medium: attributes.medium
  echolead_campaign: attributes.campaign
  echolead_first_source: attributes.first_source
  echolead_first_campaign: attributes.first_campaign
  echolead_first_landing_page: attributes.first_landing_page
  echolead_first_touch_day: first_touch_at
  echolead_sessions_count: attributes.sessions_count
  echolead_marketing_consent: attributes.marketing_consent
deal:
  title: name
  echolead_channel: attributes.channel
  echolead_source: attributes.source
  echolead_campaign: attributes.campaign
"""
# Our word → the field's name in Pipedrive, and its type.
OWN: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "person": {
        KEY: ("EchoLead: id", "varchar"),
        "echolead_url": ("EchoLead: página do lead", "text"),
        "echolead_labels": ("EchoLead: etiquetas", "text"),
        "echolead_channel": ("EchoLead: canal", "varchar"),
        "echolead_source": ("EchoLead: origem", "varchar"),
        "echolead_medium": ("EchoLead: mídia", "varchar"),
        "echolead_campaign": ("EchoLead: campanha", "varchar"),
        "echolead_first_source": ("EchoLead: primeira origem", "varchar"),
        "echolead_first_campaign": ("EchoLead: primeira campanha", "varchar"),
        "echolead_first_landing_page": ("EchoLead: primeira página", "text"),
        "echolead_first_touch_day": ("EchoLead: primeira visita", "date"),
        "echolead_sessions_count": ("EchoLead: visitas", "double"),
        "echolead_marketing_consent": ("EchoLead: consentimento de marketing", "varchar"),
    },
    "deal": {
        KEY: ("EchoLead: id", "varchar"),
        "echolead_channel": ("EchoLead: canal", "varchar"),
        "echolead_source": ("EchoLead: origem", "varchar"),
        "echolead_campaign": ("EchoLead: campanha", "varchar"),
    },
}
# The fields that are no custom ones, and that a mapping may write.
STANDARD: Mapping[str, Mapping[str, PropertyType]] = {
    "person": {"name": PropertyType("text", max_length=255)},
    "deal": {"title": PropertyType("text", max_length=255)},
}
KINDS: Mapping[str, tuple[ValueKind, int | None]] = {
    "varchar": ("text", 255),
    "varchar_auto": ("text", 255),
    "text": ("text", 65_000),
    "phone": ("phone", 255),
    "double": ("number", None),
    "date": ("date", None),
    "enum": ("option", None),
    "set": ("options", None),
}
PAGES = 40
MAKE_TRIES = 5
REREAD_SECONDS = 900.0


class PipedriveFields:
    """The fields of persons, and of deals where they (or leads, which share them) are made."""

    def __init__(self, *, has_deals: bool) -> None:
        self._kinds = ("person", "deal") if has_deals else ("person",)
        self.types: dict[str, dict[str, PropertyType]] = {}
        self._keys: dict[str, dict[str, str]] = {}
        self._read_at = 0.0

    async def read(self, calls: Calls) -> None:
        """Read the fields. Raises `DeliveryFailed`."""
        self._read_at = monotonic()
        for kind in self._kinds:
            fields = await _pages(calls, f"list {kind} fields", f"api/v2/{kind}Fields")
            by_name = {str(field["field_name"]): field for field in reversed(fields)}  # of namesakes the first
            names = {word: by_name[name]["field_code"] for word, (name, _) in OWN[kind].items() if name in by_name}
            types = {str(field["field_code"]): _type(field) for field in fields}
            self._keys[kind] = names
            self.types[kind] = {**types, **{word: types[key] for word, key in names.items()}, **STANDARD[kind]}

    async def read_again(self, calls: Calls) -> None:
        """Read the fields when they may have changed: people rename options."""
        if monotonic() - self._read_at > REREAD_SECONDS:
            await self.read(calls)

    async def make(self, calls: Calls) -> None:
        """Make our fields that are missing. Raises `DeliveryFailed`, as for a user who is no administrator.

        What had no answer is looked for before it is made again, or the account would have it twice.
        """
        for _ in range(MAKE_TRIES):
            try:
                for kind in self._kinds:
                    await self._make_missing(calls, kind)
            except OutcomeUnknown:
                await self.read(calls)
            else:
                break
        await self.read(calls)

    async def _make_missing(self, calls: Calls, kind: str) -> None:
        for word in self.missing(kind):
            name, field_type = OWN[kind][word]
            body = {"field_name": name, "field_type": field_type}
            path = f"api/v2/{kind}Fields"
            answer = await calls.ask(f"make {kind} field", "POST", path, body=body, is_safe_to_repeat=False)
            self._keys[kind][word] = str(answer["data"]["field_code"])

    def missing(self, kind: str) -> list[str]:
        """Our fields that the account does not have."""
        return [word for word in OWN[kind] if word not in self._keys[kind]]

    def check(self) -> None:
        """Raises `Misconfigured` when records cannot be told apart."""
        for kind in self._kinds:
            if KEY not in self._keys[kind]:
                name, field_type = OWN[kind][KEY]
                raise Misconfigured(
                    f"The account has no {kind} field {name!r}, and the user may not make it: an administrator can,"
                    f" with the type {field_type}."
                )

    def key(self, kind: str, word: str = KEY) -> str:
        """The 40 characters of one of our fields."""
        return self._keys[kind][word]

    def split(self, kind: str, properties: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The standard fields, and the custom ones by their keys."""
        standard = {name: value for name, value in properties.items() if name in STANDARD[kind]}
        keys = self._keys[kind]
        custom = {keys.get(name, name): value for name, value in properties.items() if name not in standard}
        return standard, custom

    def findings(self, mapping: PropertyMap) -> list[Finding]:
        """How our key and each mapped field stand."""
        found = []
        for kind in self._kinds:
            state = "ok" if KEY in self._keys[kind] else "missing"
            detail = "varchar" if state == "ok" else "setup makes it"
            found.append(Finding(f"{kind} {KEY}", "ok" if state == "ok" else "missing", detail))
            found += mapping.findings(kind, self.types[kind], made_by_setup=tuple(OWN[kind]))
        return found


async def _pages(calls: Calls, operation: str, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    for _ in range(PAGES):
        params = {"limit": "500", **({"cursor": cursor} if cursor else {})}
        answer = await calls.ask(operation, "GET", path, params=params)
        found += answer["data"] or []
        cursor = (answer.get("additional_data") or {}).get("next_cursor")
        if not cursor:
            break
    return found


def _type(field: Mapping[str, Any]) -> PropertyType:
    """What a field holds. Sums with a currency, users, organizations and spans of time are left to people."""
    kind, max_length = KINDS.get(str(field["field_type"]), ("text", None))
    options = {str(option["label"]): int(option["id"]) for option in field.get("options") or ()}
    return PropertyType(
        kind,
        max_length=max_length,
        options=options if kind in ("option", "options") else None,
        is_writable=str(field["field_type"]) in KINDS,
    )
