"""The properties of a HubSpot account: which it has, of which types, and those that are made for EchoLead.

Source: developers.hubspot.com, "Properties": types and field types, `hasUniqueValue`, groups.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from time import monotonic
from typing import Any

from reverse_etl.calls import Calls
from reverse_etl.destination import Finding
from reverse_etl.errors import Misconfigured, Rejected
from reverse_etl.mapping import PropertyMap
from reverse_etl.property_types import PropertyType, ValueKind, joined, midnight_milliseconds, milliseconds, plain

KEY = "echolead_id"
"""The unique property that says which lead a record belongs to."""
STAGE = "lifecyclestage"
GROUP = "echolead"
LONGEST_TEXT = 65_536
REREAD_SECONDS = 900.0

# HubSpot's name of a property → what it gets.
MAPPING = """
contact:
  email: email
  firstname: first_name
  lastname: last_name
  phone: phone
  company: attributes.company
  lifecyclestage: {value: lead}
  echolead_url: url
  echolead_labels: labels
  echolead_channel: attributes.channel
  echolead_source: attributes.source
  echolead_medium: attributes.medium
  echolead_campaign: attributes.campaign
  echolead_term: attributes.term
  echolead_content: attributes.content
  echolead_first_source: attributes.first_source
  echolead_first_medium: attributes.first_medium
  echolead_first_campaign: attributes.first_campaign
  echolead_first_landing_page: attributes.first_landing_page
  echolead_first_touch_at: first_touch_at
  echolead_last_touch_at: last_touch_at
  echolead_sessions_count: attributes.sessions_count
  echolead_marketing_consent: attributes.marketing_consent
deal:
  dealname: name
"""
# The properties of `MAPPING` that no account has: (label, type).
OWN: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "contacts": {
        KEY: ("EchoLead: id", "string"),
        "echolead_url": ("EchoLead: página do lead", "string"),
        "echolead_labels": ("EchoLead: etiquetas", "string"),
        "echolead_channel": ("EchoLead: canal", "string"),
        "echolead_source": ("EchoLead: origem", "string"),
        "echolead_medium": ("EchoLead: mídia", "string"),
        "echolead_campaign": ("EchoLead: campanha", "string"),
        "echolead_term": ("EchoLead: termo", "string"),
        "echolead_content": ("EchoLead: conteúdo", "string"),
        "echolead_first_source": ("EchoLead: primeira origem", "string"),
        "echolead_first_medium": ("EchoLead: primeira mídia", "string"),
        "echolead_first_campaign": ("EchoLead: primeira campanha", "string"),
        "echolead_first_landing_page": ("EchoLead: primeira página", "string"),
        "echolead_first_touch_at": ("EchoLead: primeira visita", "datetime"),
        "echolead_last_touch_at": ("EchoLead: última visita", "datetime"),
        "echolead_sessions_count": ("EchoLead: visitas", "number"),
        "echolead_marketing_consent": ("EchoLead: consentimento de marketing", "string"),
    },
    "deals": {KEY: ("EchoLead: id", "string")},
}
FIELD_TYPES = {"string": "text", "datetime": "date", "number": "number"}

Definition = Mapping[str, Any]
PropertyForm = tuple[ValueKind, Callable[[Any], Any] | None]
# HubSpot's type of a property → ours, and how its values are written: all as text.
KINDS: Mapping[str, PropertyForm] = {
    "number": ("number", plain),
    "date": ("date", lambda day: str(midnight_milliseconds(day))),
    "datetime": ("datetime", lambda moment: str(milliseconds(moment))),
    "bool": ("boolean", lambda truth: str(truth).lower()),
    "enumeration": ("option", None),
}
TEXT: PropertyForm = ("text", None)
SEVERAL: PropertyForm = ("options", joined(";"))


class HubSpotProperties:
    """What is known of the account's properties, by type of object."""

    def __init__(self, deal: tuple[str, str] | None) -> None:
        """`deal`: the pipeline and the stage of the deals to make, if any are."""
        self._deal = deal
        self._kinds = ("contacts", "deals") if deal else ("contacts",)
        self.definitions: dict[str, dict[str, Definition]] = {}
        self.types: dict[str, dict[str, PropertyType]] = {}
        self._read_at = 0.0

    async def read(self, calls: Calls) -> None:
        """Read the properties. Raises `DeliveryFailed`."""
        self._read_at = monotonic()
        for kind in self._kinds:
            answer = await calls.ask(f"list properties of {kind}", "GET", f"crm/v3/properties/{kind}")
            self.definitions[kind] = {str(each["name"]): each for each in answer["results"]}
            self.types[kind] = {name: _type(each) for name, each in self.definitions[kind].items()}

    async def read_again(self, calls: Calls) -> None:
        """Read the properties when they may have changed: people add options and take properties away."""
        if monotonic() - self._read_at > REREAD_SECONDS:
            await self.read(calls)

    def missing(self, kind: str) -> list[str]:
        """Our properties that the account does not have."""
        return [name for name in OWN[kind] if name not in self.definitions[kind]]

    async def make(self, calls: Calls) -> None:
        """Make our properties that are missing, then read all again. Raises `Misconfigured` without the scope."""
        for kind in self._kinds:
            names = self.missing(kind)
            if not names:
                continue
            try:
                body = {"name": GROUP, "label": "EchoLead"}
                await calls.ask(f"make group of {kind}", "POST", f"crm/v3/properties/{kind}/groups", body=body)
            except Rejected:
                pass  # it is there: made at the first start, or by another engine a moment ago
            path = f"crm/v3/properties/{kind}/batch/create"
            definitions = [_definition(kind, name) for name in names]
            await calls.ask(f"make properties of {kind}", "POST", path, body={"inputs": definitions})
        await self.read(calls)

    async def check_pipeline(self, calls: Calls) -> None:
        """Raises `Misconfigured` when the account does not have the pipeline or the stage of the deals to make."""
        if self._deal is None:
            return
        pipeline, stage = self._deal
        answer = await calls.ask("list pipelines", "GET", "crm/v3/pipelines/deals")
        stages = {str(each["id"]): [str(one["id"]) for one in each["stages"]] for each in answer["results"]}
        if stage not in stages.get(pipeline, ()):
            raise Misconfigured(f"The account has no deal stage {stage!r} in a pipeline {pipeline!r}: {stages}.")

    def check(self) -> None:
        """Raises `Misconfigured` when records cannot be told apart."""
        for kind in self._kinds:
            definition = self.definitions[kind].get(KEY)
            if definition is None:
                raise Misconfigured(
                    f"The account has no property {KEY} of {kind}, and the token may not make it: give it the scope"
                    f" crm.schemas.{kind}.write."
                )
            if not definition.get("hasUniqueValue"):
                raise Misconfigured(f"The property {KEY} of {kind} has to be one with unique values.")

    def findings(self, mapping: PropertyMap) -> list[Finding]:
        """How our key and each mapped property stand."""
        keys = [self._key_finding(kind) for kind in self._kinds]
        own = tuple(OWN["contacts"])
        return keys + mapping.findings("contact", self.types["contacts"], made_by_setup=own)

    def _key_finding(self, kind: str) -> Finding:
        definition = self.definitions[kind].get(KEY)
        if definition is None:
            return Finding(f"{kind} {KEY}", "missing", "setup makes it")
        if not definition.get("hasUniqueValue"):
            return Finding(f"{kind} {KEY}", "wrong", "it has to be a property with unique values")
        return Finding(f"{kind} {KEY}", "ok", "unique")

    def is_standard(self, name: str) -> bool:
        """Whether a property of contacts is HubSpot's own, which people fill in as well."""
        return bool(self.definitions["contacts"].get(name, {}).get("hubspotDefined"))

    def taken_back(self, kind: str, mapped: Iterable[str]) -> list[str]:
        """Of the mapped properties and our key, those that EchoLead alone writes and may empty again."""
        known, types = self.definitions.get(kind, {}), self.types.get(kind, {})
        names = [name for name in mapped if name in known and not known[name].get("hubspotDefined")]
        return list(dict.fromkeys((KEY, *(name for name in names if types[name].is_writable))))

    def stage_rank(self, stage: str | None) -> int:
        """The place of a lifecycle stage in the account's order; -1 for none, and for one that is unknown."""
        stages: Sequence[Mapping[str, Any]] = self.definitions["contacts"].get(STAGE, {}).get("options") or ()
        ordered = sorted(stages, key=lambda option: option.get("displayOrder", 0))
        return next((place for place, option in enumerate(ordered) if option["value"] == stage), -1)


def _definition(kind: str, name: str) -> dict[str, Any]:
    label, type_ = OWN[kind][name]
    return {
        "name": name,
        "label": label,
        "type": type_,
        "fieldType": FIELD_TYPES[type_],
        "groupName": GROUP,
        "description": "Written by EchoLead.",
        "hasUniqueValue": name == KEY,
    }


def _type(definition: Definition) -> PropertyType:
    """What a property holds; its options are known by their labels."""
    is_read_only = (definition.get("modificationMetadata") or {}).get("readOnlyValue") or definition.get("calculated")
    options = {str(each["label"]): str(each["value"]) for each in definition.get("options") or ()}
    has_many = definition.get("fieldType") == "checkbox"
    kind, write = SEVERAL if has_many else KINDS.get(definition["type"], TEXT)
    if kind == "text" and definition.get("fieldType") == "phonenumber":
        kind = "phone"
    return PropertyType(
        kind,
        max_length=LONGEST_TEXT if kind in ("text", "phone") else None,
        options=options if kind in ("option", "options") else None,
        write=write,
        is_writable=not is_read_only,
    )
