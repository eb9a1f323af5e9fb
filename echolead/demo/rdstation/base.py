"""The records of the demo RD Station Marketing and its rules: contacts, fields, conversions, limits, tokens.

Sources: developers.rdstation.com "Contatos", "Campos personalizados", "Eventos", "Bases legais", "Limite de
requisições".
"""

import re
import secrets
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from echolead.demo.watching import DemoCredentials

Record = dict[str, Any]
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
DAY_SECONDS = 86400.0
STANDARD = (
    "name",
    "email",
    "job_title",
    "bio",
    "website",
    "personal_phone",
    "mobile_phone",
    "city",
    "state",
    "country",
)
LISTS = ("tags", "legal_bases", "extra_emails")
RESERVED = frozenset({"channel", "city", "company_site", "client_id", "source", "email", "name", "state", "tags"})
BASE_TYPES = ("pre_existent_contract", "consent", "legitimate_interest", "judicial_process", "vital_interest")
STATUSES = ("granted", "declined")


class RequestRefused(Exception):
    """A request is refused: RD's error type, its sentence, the field."""

    def __init__(self, code: str, message: str, path: str = "", status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.path = path
        self.status = status


class Limited(Exception):
    """A limit of one lead or, without `key`, of the account is reached; `left` seconds of it are left."""

    def __init__(self, left: float, key: str = "", most: int = 0, used: int = 0) -> None:
        super().__init__(key)
        self.left = left
        self.key = key
        self.most = most
        self.used = used


@dataclass
class Tokens:
    """Access tokens with an end, and one refresh token, which is replaced at every use."""

    credentials: DemoCredentials
    lifetime_seconds: int = 86400
    rotates: bool = True
    access: set[str] = field(default_factory=set)
    refresh: str = ""

    def __post_init__(self) -> None:
        self.refresh = self.credentials.refresh_token

    def renew(self, client_id: str, client_secret: str, refresh_token: str) -> Record:
        """A new pair. Raises `RequestRefused` for another client, or a refresh token that was used."""
        if (client_id, client_secret) != (self.credentials.client_id, self.credentials.client_secret):
            raise RequestRefused("ACCESS_DENIED", "Wrong credentials provided.", status=401)
        if refresh_token != self.refresh:
            raise RequestRefused("EXPIRED_CODE_GRANT", "The refresh token is expired or was used.", status=401)
        if self.rotates:
            self.refresh = secrets.token_urlsafe(24)
        token = secrets.token_urlsafe(32)
        self.access.add(token)
        return {"access_token": token, "expires_in": self.lifetime_seconds, "refresh_token": self.refresh}

    def end(self) -> None:
        """End every access token."""
        self.access.clear()


def of_crm(credentials: DemoCredentials) -> DemoCredentials:
    """The second app, for CRM: with one refresh token for both, each renewal would end the other's."""
    return replace(
        credentials, client_id=f"{credentials.client_id}-crm", refresh_token=f"{credentials.refresh_token}-crm"
    )


@dataclass
class MarketingAccount:
    """One account. `calls_a_minute` is its limit; `patches` and `posts` are those of one lead in 24 hours."""

    calls_a_minute: int = 100_000
    patches: int = 24
    posts: int = 120
    clock: Callable[[], float] = time.time
    contacts: dict[str, Record] = field(default_factory=dict)
    fields: dict[str, Record] = field(default_factory=dict)
    events: list[Record] = field(default_factory=list)
    writes: list[Record] = field(default_factory=list)
    """The body of each PATCH that took effect."""
    _calls: list[float] = field(default_factory=list)
    _of_leads: dict[tuple[str, str], list[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in STANDARD:
            self.fields[name] = {"api_identifier": name, "custom_field": False, "data_type": "STRING"}

    def count_call(self) -> None:
        """Raises `Limited` when the account's minute is full."""
        now = self.clock()
        self._calls = [each for each in self._calls if each > now - 60]
        if len(self._calls) >= self.calls_a_minute:
            raise Limited(self._calls[0] + 60 - now)
        self._calls.append(now)

    def find(self, kind: str, value: str) -> Record:
        """A contact by uuid, email or phone. Raises `RequestRefused` with 404."""
        names = {"uuid": ("uuid",), "email": ("email",), "phone": ("mobile_phone", "personal_phone")}.get(kind)
        if names is None:
            raise RequestRefused("INVALID_IDENTIFIER", f"{kind} is no identifier")
        for contact in self.contacts.values():
            if any(str(contact.get(name) or "").lower() == value.lower() for name in names):
                return contact
        raise RequestRefused("RESOURCE_NOT_FOUND", "Lead not found.", status=404)

    def patch(self, kind: str, value: str, body: Record) -> Record:
        """Update the contact, or create the one of an e-mail or phone. Raises `RequestRefused`, `Limited`."""
        if kind == "email" and "email" in body:
            raise RequestRefused("INVALID_FIELDS", "email is the identifier and must not be in the body", "email")
        try:
            contact = self.find(kind, value)
        except RequestRefused:
            if kind == "uuid":
                raise
            contact = {"email" if kind == "email" else "mobile_phone": value}
        self._count_of_lead("patches", str(contact.get("email") or value), self.patches)
        self._check(contact, body)
        contact.setdefault("uuid", str(uuid.uuid4()))
        contact.update(body)
        self.contacts[contact["uuid"]] = contact
        self.writes.append(dict(body))
        return contact

    def convert(self, payload: Record) -> str:
        """Record one more conversion, whatever was recorded before; tags add up. Raises `RequestRefused`, `Limited`."""
        for name in ("conversion_identifier", "email"):
            if not payload.get(name):
                raise RequestRefused("CANNOT_BE_NULL", f"{name} cannot be null", f"$.{name}")
        self._count_of_lead("posts", str(payload["email"]), self.posts)
        try:
            contact = self.find("email", str(payload["email"]))
        except RequestRefused:
            contact = {"uuid": str(uuid.uuid4()), "email": payload["email"]}
            self.contacts[contact["uuid"]] = contact
        contact["tags"] = list(dict.fromkeys([*(contact.get("tags") or []), *(payload.get("tags") or [])]))
        event = {"event_uuid": str(uuid.uuid4()), **payload}
        self.events.append(event)
        return str(event["event_uuid"])

    def define(self, definition: Record) -> Record:
        """A custom field. Raises `RequestRefused` for a name that RD has itself, or that is taken."""
        identifier = str(definition.get("api_identifier") or "")
        name = str((definition.get("name") or {}).get("pt-BR") or "")
        if name in RESERVED or identifier.removeprefix("cf_") in RESERVED or not identifier.startswith("cf_"):
            raise RequestRefused("INVALID_OPTION", "invalid options", "name")
        if identifier in self.fields:
            raise RequestRefused("TAKEN", "api_identifier is taken", "api_identifier")
        if definition.get("data_type") not in ("STRING", "STRING[]", "INTEGER", "BOOLEAN"):
            raise RequestRefused("INVALID_OPTION", "invalid data type", "data_type")
        made = {"uuid": str(uuid.uuid4()), "custom_field": True, **definition}
        self.fields[identifier] = made
        return made

    def spend(self, kind: str, key: str, count: int) -> None:
        """What another integration of the account sent of a lead: `patches` or `posts`."""
        self._of_leads.setdefault((kind, key.lower()), []).extend([self.clock()] * count)

    def _count_of_lead(self, kind: str, key: str, most: int) -> None:
        now = self.clock()
        times = self._of_leads.setdefault((kind, key.lower()), [])
        times[:] = [each for each in times if each > now - DAY_SECONDS]
        if len(times) >= most:
            raise Limited((times[0] if times else now) + DAY_SECONDS - now, key, most, len(times) + 1)
        times.append(now)

    def _check(self, contact: Record, body: Record) -> None:
        for name, value in body.items():
            if name not in self.fields and name not in LISTS:
                raise RequestRefused("INVALID_FIELDS", f"{name} is not a field of the account", f"body.{name}")
            if name == "email":
                self._check_email(contact, str(value))
            elif name == "legal_bases":
                self._check_bases(value)
            elif name not in LISTS and value is not None:
                self._check_type(name, value)

    def _check_email(self, contact: Record, value: str) -> None:
        if not EMAIL.fullmatch(value):
            raise RequestRefused("INVALID_FORMAT", "email is not valid", "body.email")
        holder = next(
            (each for each in self.contacts.values() if str(each.get("email")).lower() == value.lower()), None
        )
        if holder is not None and holder is not contact:
            raise RequestRefused("EMAIL_ALREADY_IN_USE", "The new email is already in use.", "")

    def _check_bases(self, bases: Any) -> None:
        for base in bases:
            is_known = base.get("category") == "communications" and base.get("type") in BASE_TYPES
            if not is_known or base.get("status") not in STATUSES:
                raise RequestRefused("INVALID_OPTION", "legal base is not valid", "body.legal_bases")

    def _check_type(self, name: str, value: Any) -> None:
        known = self.fields[name]
        types = {"STRING": str, "INTEGER": int, "BOOLEAN": bool, "STRING[]": list}
        if not isinstance(value, types[known["data_type"]]):
            raise RequestRefused("INVALID_TYPE", f"{name} is no {known['data_type']}", f"body.{name}")
        options = [each["value"] for each in known.get("valid_options") or ()]
        chosen = value if isinstance(value, list) else [value]
        if options and any(each not in options for each in chosen):
            raise RequestRefused("INVALID_OPTION", f"{name} has no such option", f"body.{name}")
