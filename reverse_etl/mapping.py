"""Mapping: which property of a product gets what of a lead, per tenant and destination, written in YAML.

A product ships a mapping of its own; a tenant's names what is to be different. docs/reference/mapping.md has the form.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, Self, runtime_checkable

import yaml

from echolead.operational.destinations import MAPPING_CHARACTERS
from reverse_etl.calls import Calls
from reverse_etl.destination import Finding
from reverse_etl.errors import Misconfigured
from reverse_etl.lead import DeliveryHistory, Lead, LeadEvent
from reverse_etl.property_types import Coerced, PropertyType, coerce

PropertyTypes = Mapping[str, PropertyType]
"""The properties that a product's record has, by the names that its API calls them."""
When = Literal["always", "create"]

FIELDS: Mapping[str, Callable[[Lead], Any]] = {
    "lead_id": lambda lead: lead.lead_id,
    "name": lambda lead: lead.name,
    "first_name": lambda lead: lead.name.partition(" ")[0],
    "last_name": lambda lead: lead.name.partition(" ")[2],
    "email": lambda lead: lead.email,
    "phone": lambda lead: lead.phone,
    "external_id": lambda lead: lead.external_id,
    "tracking_ids": lambda lead: lead.tracking_ids,
    "labels": lambda lead: lead.labels,
    "first_touch_at": lambda lead: lead.first_touch_at,
    "last_touch_at": lambda lead: lead.last_touch_at,
}
EVENT_FIELDS: Mapping[str, Callable[[LeadEvent], Any]] = {
    "at": lambda event: event.at,
    "page_url": lambda event: event.page_url,
    "value": lambda event: event.value,
    "currency": lambda event: event.currency,
    "order_id": lambda event: event.order_id,
}
EVENT_NAMES = ("lead", "qualified", "won")
# Sources of two words: the first says where to look, the second the name there.
PLACES = ("attributes", "clicks", "cookies", "consent")
URL = "url"
SETTINGS_OF_A_PROPERTY = ("from", "value", "when", "max_length", "options")


class MappingError(Misconfigured):
    """A mapping that cannot be used: the line, what is wrong there, and what to write instead."""


@dataclass(frozen=True)
class Rule:
    """What one property gets: the value of `source`, or `value` whatever the lead.

    `options` says what to write for a value of ours; others stay as they are.
    """

    source: str = ""
    value: Any = None
    when: When = "always"
    max_length: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def of(self, lead: Lead, url: str) -> Any:
        """The lead's value; None or an empty one when it is not known. `url` is the console's page of the lead."""
        value = self.value if not self.source else url if self.source == URL else _found(self.source, lead)
        if not self.options or value is None:
            return value
        if isinstance(value, tuple):
            return tuple(self.options.get(str(each), each) for each in value)
        return self.options.get(str(value), value)

    def typed(self, type_: PropertyType) -> PropertyType:
        """The property's type with the shorter of its own length and that of the mapping."""
        lengths = [each for each in (type_.max_length, self.max_length) if each is not None]
        return replace(type_, max_length=min(lengths)) if lengths else type_


@dataclass(frozen=True)
class Written:
    """The properties of a record in the product's writing, without those that have no value; sentences on the rest."""

    properties: Mapping[str, Any]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class PropertyMap:
    """The rules by record of the product (`contact`, `deal` …) and property."""

    records: Mapping[str, Mapping[str, Rule]]

    @classmethod
    def of(cls, configured: str, defaults: str) -> Self:
        """A tenant's mapping over the product's own, both YAML; '' for none. Raises `MappingError`.

        A property that the tenant names has the tenant's rule, or with `null` none. A record that the product does not
        write is an error.
        """
        own = _records(defaults)
        records = {record: dict(rules) for record, rules in own.items()}
        for record, rules in _records(configured, known=tuple(own)).items():
            records[record].update(rules)
        return cls(
            {
                record: {name: rule for name, rule in rules.items() if rule is not None}
                for record, rules in records.items()
            }
        )

    def written(self, record: str, lead: Lead, types: PropertyTypes, *, url: str, is_new: bool) -> Written:
        """The record's properties for this lead. `is_new`: it is about to be created, so that `when: create` counts."""
        properties: dict[str, Any] = {}
        notes: list[str] = []
        for name, rule in self.records.get(record, {}).items():
            if rule.when == "create" and not is_new:
                continue
            coerced = _coerced(name, rule, lead, types, url)
            if coerced.value is not None:
                properties[name] = coerced.value
            notes += [f"{record} {name}: {coerced.note}."] if coerced.note else []
        return Written(properties, tuple(notes))

    def findings(self, record: str, types: PropertyTypes, *, made_by_setup: Sequence[str] = ()) -> list[Finding]:
        """How each mapped property stands in the account."""
        return [
            _finding(f"{record} {name}", rule, types.get(name), name in made_by_setup)
            for name, rule in self.records.get(record, {}).items()
        ]


@runtime_checkable
class HasMapping(Protocol):
    """A destination that writes what a mapping says."""

    default_mapping: str
    """The product's own, YAML."""

    async def preview(self, calls: Calls, lead: Lead, history: DeliveryHistory) -> Mapping[str, Written]:
        """What the mapping makes of a lead, by record of the product, with the account's types as they are now.

        The calls read the account; nothing is made or written. Raises `DeliveryFailed`.
        """


def _found(source: str, lead: Lead) -> Any:
    place, _, name = source.partition(".")
    match place:
        case "attributes":
            return lead.attributes.get(name)
        case "cookies":
            return lead.cookies.get(name)
        case "consent":
            return lead.consent.get(name)
        case "clicks":  # the newest of its kind
            return next((click.value for click in reversed(lead.clicks) if click.name == name), None)
        case "events":
            event_name, _, of_event = name.partition(".")
            newest = next((event for event in reversed(lead.events) if event.name == event_name), None)
            return None if newest is None else EVENT_FIELDS[of_event](newest)
        case _:
            return FIELDS[source](lead)


def _coerced(name: str, rule: Rule, lead: Lead, types: PropertyTypes, url: str) -> Coerced:
    type_ = types.get(name)
    value = rule.of(lead, url)
    if value in (None, "", ()):
        return Coerced()
    if type_ is None:
        return Coerced(note="the account has no such property")
    if not type_.is_writable:
        return Coerced(note="not writable for this user")
    return coerce(rule.typed(type_), value, lead.time_zone)


def _finding(subject: str, rule: Rule, type_: PropertyType | None, is_made: bool) -> Finding:
    if type_ is None and is_made:
        return Finding(subject, "missing", "setup makes it")
    if type_ is None:
        return Finding(subject, "wrong", "the account has no such property: make it there, or map another one")
    if not type_.is_writable:
        return Finding(subject, "note", "not writable for this user, so that it is left out")
    unknown = _unknown_options(rule, type_)
    if unknown:
        return Finding(subject, "note", f"no such option, so that it is left out: {', '.join(unknown)}")
    return Finding(subject, "ok", type_.kind)


def _unknown_options(rule: Rule, type_: PropertyType) -> list[str]:
    """What the mapping writes and the property has no option for."""
    if type_.kind not in ("option", "options") or type_.options is None:
        return []
    written = list(rule.options.values()) or ([] if rule.value is None else [rule.value])
    return [str(each) for each in written if coerce(type_, each, "UTC").value is None]


# Reading YAML: by its nodes, because they know their lines.


def _records(text: str, known: Sequence[str] | None = None) -> dict[str, dict[str, Rule | None]]:
    """The rules of a YAML document; None for a property that is to have none."""
    if len(text) > MAPPING_CHARACTERS:
        raise MappingError(f"The mapping is over {MAPPING_CHARACTERS} characters.")
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise MappingError(f"The mapping, line {line}: this is no YAML: {error.problem}.") from None
    except yaml.YAMLError as error:
        raise MappingError(f"The mapping is no YAML: {error}.") from None
    if root is None:
        return {}
    records: dict[str, dict[str, Rule | None]] = {}
    for record, node, properties in _entries(root, "records, such as `contact:`"):
        if known is not None and record not in known:
            raise _wrong(node, f"there is no record {record!r}: use {', '.join(known)}")
        entries = _entries(properties, "properties and what they get, such as `email: email`")
        records[record] = {name: _rule(name, value) for name, _, value in entries}
    return records


def _rule(name: str, node: yaml.Node) -> Rule | None:
    """A property's rule: a source alone, or `from` or `value` with more."""
    if isinstance(node, yaml.ScalarNode):
        source = _scalar(node)
        return None if source is None else Rule(_source(node, source))
    given: dict[str, yaml.Node] = {}
    for setting, key, value in _entries(node, f"what {name} gets: a source, or `{{from: …}}`, or `{{value: …}}`"):
        if setting not in SETTINGS_OF_A_PROPERTY:
            raise _wrong(key, f"{setting!r} is not known: use {', '.join(SETTINGS_OF_A_PROPERTY)}")
        given[setting] = value
    if ("from" in given) == ("value" in given):
        raise _wrong(node, f"{name} needs one of `from` and `value`")
    return Rule(
        source=_source(given["from"], _scalar(given["from"])) if "from" in given else "",
        value=_scalar(given["value"]) if "value" in given else None,
        when=_when(given["when"]) if "when" in given else "always",
        max_length=_length(given["max_length"]) if "max_length" in given else None,
        options=_own_options(given["options"]) if "options" in given else {},
    )


def _source(node: yaml.Node, source: Any) -> str:
    place, dot, name = str(source).partition(".")
    event_name, _, of_event = name.partition(".")
    is_event = place == "events" and event_name in EVENT_NAMES and of_event in EVENT_FIELDS
    if source == URL or source in FIELDS or (place in PLACES and dot and name) or is_event:
        return str(source)
    raise _wrong(
        node,
        f"{source!r} is no source: use {', '.join((*FIELDS, URL))}, {', '.join(f'{each}.NAME' for each in PLACES)},"
        f" events.NAME.FIELD (NAME {', '.join(EVENT_NAMES)}; FIELD {', '.join(EVENT_FIELDS)}), or `{{value: …}}`"
        " for a text of your own",
    )


def _when(node: yaml.Node) -> When:
    match _scalar(node):
        case "always":
            return "always"
        case "create":
            return "create"
    raise _wrong(node, "`when` is `always` or `create`")


def _length(node: yaml.Node) -> int:
    length = _scalar(node)
    if not isinstance(length, int) or isinstance(length, bool) or length < 1:
        raise _wrong(node, "`max_length` is a number of characters, 1 or more")
    return length


def _own_options(node: yaml.Node) -> dict[str, Any]:
    entries = _entries(node, "`options` with what to write for each value, such as `Paid Search: Busca paga`")
    return {ours: _scalar(value) for ours, _, value in entries}


def _entries(node: yaml.Node, what: str) -> list[tuple[str, yaml.Node, yaml.Node]]:
    """(key as text, its node, the value's node) of a YAML mapping, each key once."""
    if not isinstance(node, yaml.MappingNode):
        raise _wrong(node, f"here should be {what}")
    found: dict[str, tuple[str, yaml.Node, yaml.Node]] = {}
    for key, value in node.value:
        name = key.value if isinstance(key, yaml.ScalarNode) else ""
        if not name or name == "<<":
            raise _wrong(key, f"here should be {what}")
        if name in found:
            raise _wrong(key, f"{name} is there twice: take one away")
        found[name] = (name, key, value)
    return list(found.values())


def _scalar(node: yaml.Node) -> Any:
    """A text, number, boolean, or None."""
    if not isinstance(node, yaml.ScalarNode):
        raise _wrong(node, "here should be one value, not a list or a mapping")
    try:
        value = yaml.constructor.SafeConstructor().construct_object(node)
    except (yaml.YAMLError, ValueError) as error:
        raise _wrong(node, f"this value cannot be read ({error}): put it in quotes") from None
    # A date stays as it is written.
    return value if value is None or isinstance(value, str | int | float) else node.value


def _wrong(node: yaml.Node, sentence: str) -> MappingError:
    return MappingError(f"The mapping, line {node.start_mark.line + 1}: {sentence}.")
