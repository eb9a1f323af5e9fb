"""A lead as a destination gets it: the payload of `activation.lead_deliveries`, typed."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, Self

from echolead.normalize import normalize_phone
from reverse_etl.erased import ErasedRecords

AttributeValue = str | int | float | bool
ConsentState = Literal["granted", "denied", "unknown"]
EventName = Literal["lead", "qualified", "won"]

TWIN_PREFIX = "twin:"
UNCONFIRMED = "unconfirmed"
EVENT_UNKNOWN, EVENT_UNSENT = "unknown", "not sent"
"""Marks of an event in the ledger's records: it may be there and is not sent again by itself; it is to be sent.

`echolead resync --unknown` turns the first into the second.
"""
CONVERSATION_PREFIX = "conversation:"
"""The ledger's id of a conversation is this and the conversation's id in the product."""
KIND_CHARACTERS = 200  # of a record's kind in the ledger
ADDRESSES = ("landing_page", "referrer")
"""Ends of the names of attributes that are addresses."""
SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE | re.ASCII)
OPEN_SCHEMES = ("http", "https", "android-app")
"""Of pages, and of the app that a visitor came from."""


@dataclass(frozen=True)
class Click:
    """One click on an ad: the id's name (gclid, gbraid, wbraid, fbclid, ttclid, oppref …), its value byte for byte."""

    name: str
    value: str
    at: datetime
    """When the page it led to was reached, UTC."""


@dataclass(frozen=True)
class LeadEvent:
    """Something that a lead did once and that the platform which sold the click may learn of."""

    event_id: str
    name: EventName
    at: datetime
    """By the corrected clock, UTC."""
    page_url: str = ""
    user_agent: str = ""
    value: Decimal | None = None
    currency: str = ""
    order_id: str = ""

    @property
    def kind(self) -> str:
        """The kind of the ledger's record that marks it: one browser event may be a lead and a sale at once."""
        kind = f"event:{self.name}:{self.event_id}"
        if len(kind) <= KIND_CHARACTERS:
            return kind
        return f"event:{self.name}:{hashlib.sha256(self.event_id.encode()).hexdigest()}"


@dataclass(frozen=True)
class WantedConversation:
    """What a conversation of a lead should have beside attributes and labels. Empty text: no rule says anything."""

    conversation_id: int
    lead_id: str
    note: str = ""
    """The journey that led to it, for the agent to read; a private note, written once."""
    priority: str = ""  # urgent, high, medium, low
    team: str = ""
    agent: str = ""
    """Name, e-mail or id."""
    covers: str = ""
    """Whose place the agent takes while the conversation is open; the lead stays theirs."""


@dataclass(frozen=True)
class Lead:
    """One lead's wanted state. Empty text is an unknown, never an order to blank a field.

    With `conversation` it is the state of that conversation instead: `lead_id` is the ledger's, and of the rest
    attributes and labels alone are said.

    `attributes` is flat and for people to read: where the lead came from first and last, consent, counts. `clicks` are
    the oldest first; `cookies` are those of the browser seen last (_fbc, _fbp, _ga, hubspotutk, rdtrk).
    """

    lead_id: str
    name: str = ""
    email: str = ""
    phone: str = ""  # E.164
    external_id: str = ""
    tracking_ids: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    consent: Mapping[str, ConsentState] = field(default_factory=dict)
    """By purpose: marketing, ads, analytics."""
    clicks: tuple[Click, ...] = ()
    cookies: Mapping[str, str] = field(default_factory=dict)
    events: tuple[LeadEvent, ...] = ()
    first_touch_at: datetime | None = None
    last_touch_at: datetime | None = None
    time_zone: str = "UTC"
    """Of the tenant, by its IANA name: calendar days of the lead are days there."""
    withheld: tuple[str, ...] = ()
    """Parts of the payload that consent kept back, by their names there, such as clicks."""
    is_withdrawal: bool = False
    """The lead denies marketing and filled in no form: this is said where the lead is already, and nowhere else."""
    conversation: WantedConversation | None = None
    erased: ErasedRecords | None = None
    """The person is erased: what EchoLead wrote is to be taken off these records, and nothing else is known."""

    @property
    def identities(self) -> tuple[str, ...]:
        """Hashes of what tells the person: lead and tracking ids, the e-mail, both forms of a Brazilian number.

        Two leads that share one may be one record in a product. 64 bits are enough: an accidental match costs a wait.
        """
        phones = normalize_phone(self.phone, "BR")
        told = [f"id:{tracking_id}" for tracking_id in (self.lead_id, *self.tracking_ids)]
        told += [f"email:{self.email.strip().lower()}"] if self.email.strip() else []
        told += [f"phone:{form}" for form in (self.phone, phones.number, *phones.variants) if form]
        return tuple(dict.fromkeys(_hashed(identity) for identity in told))

    @classmethod
    def of_erased(cls, erased: ErasedRecords) -> Self:
        """What is left of an erased lead that a destination was given: its ids. `leads` must not be empty."""
        return cls(erased.leads[0], tracking_ids=erased.leads[1:])

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Self:
        """The lead in a delivery's payload; what the payload leaves out is unknown."""
        texts = {key: str(payload.get(key) or "") for key in ("lead_id", "name", "email", "phone", "external_id")}
        return cls(
            **texts,
            tracking_ids=tuple(payload.get("tracking_ids") or ()),
            labels=tuple(payload.get("labels") or ()),
            attributes=_attributes(payload.get("attributes") or {}),
            consent=dict(payload.get("consent") or {}),
            clicks=tuple(_click(each) for each in payload.get("clicks") or ()),
            cookies=dict(payload.get("cookies") or {}),
            events=tuple(_event(each) for each in payload.get("events") or ()),
            first_touch_at=_moment(payload.get("first_touch_at")),
            last_touch_at=_moment(payload.get("last_touch_at")),
            time_zone=str(payload.get("time_zone") or "UTC"),
            withheld=tuple(payload.get("withheld") or ()),
            is_withdrawal=bool(payload.get("withdrawal")),
            conversation=_conversation(payload["conversation"]) if payload.get("conversation") else None,
            erased=ErasedRecords.of(payload["erased"]) if payload.get("erased") else None,
        )


def twin_kind(kind: str, remote_id: str) -> str:
    """The kind under which the ledger keeps that a twin was settled."""
    return f"{TWIN_PREFIX}{kind}:{remote_id}"[:KIND_CHARACTERS]


def _hashed(identity: str) -> str:
    return hashlib.sha256(identity.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class DeliveryHistory:
    """What we remember of a lead in a destination: its records there, and every state tried before, newest first.

    `records` has the remote id of each kind of record: `contact`, and what the destination calls its others (`deal`,
    `note`, `event:…`). A field that holds what we sent is ours to change; any other was somebody's edit.
    """

    records: Mapping[str, str] = field(default_factory=dict)
    sent: Sequence[Lead] = ()
    twins: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By kind, the ids of further records of the same person: they were made for leads that became part of this one.

    A product merges them where it can, else it marks them, and says so with `Order.settle_twin`, which leaves them out.
    """
    unconfirmed: tuple[str, ...] = ()
    """Leads that may have a record which we do not know, as they were sent without an answer: those that became part of
    this one, and this one itself when the known record is that of another.

    A product looks for it by the lead's id and treats it as a twin; `Order.settle_twin(UNCONFIRMED, …)` leaves it out.
    """

    @property
    def may_be_there(self) -> bool:
        """Whether the destination may have something of the lead: a record that we know, or a state that was sent."""
        return bool(self.records) or any(not sent.is_withdrawal for sent in self.sent)

    @property
    def remote_id(self) -> str | None:
        """The record of the lead itself."""
        return self.records.get("contact")


@dataclass(frozen=True)
class Delivered:
    """What a delivery did: the record's id, the fields it set, and sentences on what it left to others."""

    remote_id: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    conflicts: tuple[str, ...] = ()


def _moment(text: Any) -> datetime | None:
    return datetime.fromisoformat(str(text)) if text else None


def _attributes(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that have a value; one that is an address is that of a page."""
    given = {
        name: _web_address(value) if isinstance(value, str) and name.endswith(ADDRESSES) else value
        for name, value in stored.items()
    }
    return {name: value for name, value in given.items() if value not in (None, "")}


def _web_address(text: str) -> str:
    """The address, '' where following it would run a program or open a file: products make links of addresses.

    Browsers pass over blanks and control characters in a scheme (WHATWG URL, section 4.4).
    """
    scheme = SCHEME.match("".join(each for each in text if each > " "))
    return text if scheme is None or scheme[1].lower() in OPEN_SCHEMES else ""


def _click(stored: Mapping[str, Any]) -> Click:
    return Click(str(stored["name"]), str(stored["value"]), datetime.fromisoformat(stored["at"]))


def _conversation(stored: Mapping[str, Any]) -> WantedConversation:
    texts = {key: str(stored.get(key) or "") for key in ("lead_id", "note", "priority", "team", "agent", "covers")}
    return WantedConversation(conversation_id=int(stored["conversation_id"]), **texts)


def _event(stored: Mapping[str, Any]) -> LeadEvent:
    value = stored.get("value")
    return LeadEvent(
        event_id=str(stored["event_id"]),
        name=stored["name"],
        at=datetime.fromisoformat(stored["at"]),
        page_url=_web_address(str(stored.get("page_url") or "")),
        user_agent=str(stored.get("user_agent") or ""),
        value=None if value in (None, "") else Decimal(str(value)),
        currency=str(stored.get("currency") or ""),
        order_id=str(stored.get("order_id") or ""),
    )
