"""RD Station Marketing: leads as contacts, their tags, legal bases and conversions.

What it relies on is in docs/reference/rdstation.md.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self
from urllib.parse import quote

import httpx

from reverse_etl.calls import TIMEOUT, Calls, Reply
from reverse_etl.destination import Finding, OneByOne, Order, Traits
from reverse_etl.destinations.rdstation import account, conversions, verdicts
from reverse_etl.destinations.rdstation.conversions import consent_of
from reverse_etl.destinations.rdstation.fields import DEFAULT_MAPPING, OWN_PREFIX, RECORD, resolved, types_of
from reverse_etl.destinations.rdstation.limits import UPDATES, LeadLimits
from reverse_etl.destinations.rdstation.verdicts import TAKEN
from reverse_etl.erased import ErasedRecords, check_taken_back
from reverse_etl.errors import (
    DeliveryFailed,
    Misconfigured,
    Mismatch,
    NotThere,
    OutcomeUnknown,
    Postponed,
    Rejected,
    Withheld,
)
from reverse_etl.lead import Delivered, DeliveryHistory, Lead
from reverse_etl.mapping import PropertyMap, Written
from reverse_etl.ownership import LABELS, changes, label_changes
from reverse_etl.property_types import PHONE, PropertyType, same
from reverse_etl.tokens import OAuth, refresh_token

ADDRESS = "https://api.rd.services"
CONTACTS = "platform/contacts"
ID_FIELD = f"{OWN_PREFIX}id"
TRIES_OF_A_CONTACT = 4
SAID_ONCE = "the account has no such property."


class RDStationContacts(OneByOne):
    """Delivers leads to one account as contacts, known by their uuid, else by e-mail, else by phone.

    Its own fields follow the lead; others are filled where they are empty and changed where they hold what EchoLead
    wrote. Tags and legal bases of others stay.
    """

    traits = Traits(requests_per_second=2.0, concurrency=2)
    default_mapping = DEFAULT_MAPPING
    kept_kinds: ClassVar[tuple[str, ...]] = ("contact",)

    def __init__(
        self, configuration: Mapping[str, Any], secrets: Mapping[str, str], lead_url: Callable[[str], str]
    ) -> None:
        self._url = str(configuration.get("base_url") or ADDRESS).rstrip("/")
        self._secrets = {"client_id": str(configuration["client_id"]), **secrets}
        self._prefix = str(configuration.get("conversion_prefix") or "echolead")
        self._lead_url = lead_url
        self._configured = PropertyMap.of(str(configuration.get("mapping") or ""), DEFAULT_MAPPING)
        self._map = self._configured
        self._types: dict[str, PropertyType] = {}
        self._unnamed: list[str] = []

    @classmethod
    def of(cls, configuration: Mapping[str, Any], secrets: Mapping[str, str], lead_url: Callable[[str], str]) -> Self:
        """From a destination's configuration and secrets (echolead.operational.destination_kinds has their names).

        Raises `Misconfigured` naming what is missing, or what is wrong with the mapping.
        """
        missing = [] if configuration.get("client_id") else ["client_id"]
        missing += [key for key in ("client_secret", "refresh_token") if not secrets.get(key)]
        if missing:
            raise Misconfigured(f"The RD Station destination lacks {', '.join(missing)}.")
        return cls(configuration, secrets, lead_url)

    def client(self, transport: httpx.AsyncBaseTransport) -> httpx.AsyncClient:
        """A pool for the account's API."""
        return httpx.AsyncClient(
            base_url=f"{self._url}/",
            auth=OAuth(transport, f"{self._url}/oauth2/token", refresh_token(), self._secrets),
            headers={"User-Agent": "EchoLead"},
            timeout=TIMEOUT,
            transport=transport,
        )

    def judge(self, answer: Reply) -> DeliveryFailed | None:
        """By RD's error types, and by whose limit a 429 is."""
        return verdicts.judge(answer)

    def allowance(self, headers: httpx.Headers) -> None:
        """RD's headers say nothing of what is left."""

    async def prepare(self, calls: Calls) -> None:
        """Read the account's fields: what it has no field for is not sent."""
        await self._read_fields(calls)
        self._unnamed = [f"{each.subject}: {each.detail}" for each in self.left_out()]

    async def preview(self, calls: Calls, lead: Lead, history: DeliveryHistory) -> Mapping[str, Written]:
        """The contact."""
        await self._read_fields(calls)
        return {RECORD: self._written(lead, is_new=history.remote_id is None)}

    async def _read_fields(self, calls: Calls) -> None:
        self._types = types_of(await account.fields_of(calls))
        self._map = resolved(self._configured, self._types)

    def left_out(self) -> list[Finding]:
        """What the account has no field for."""
        return [each for each in self._map.findings(RECORD, self._types) if each.state != "ok"]

    async def test(self, calls: Calls) -> list[Finding]:
        """How each mapped field stands in the account."""
        return await account.test(calls, self._configured)

    async def setup(self, calls: Calls, is_dry_run: bool) -> list[Finding]:
        """Make the custom fields that are missing, under free names."""
        return await account.setup(calls, self._configured, is_dry_run=is_dry_run)

    async def deliver_one(self, order: Order) -> Delivered:
        """Update or create the contact, then send the conversions that no delivery has sent.

        Raises `Withheld` for a lead with neither e-mail nor phone, `Postponed` at a limit of the lead.
        """
        lead, limits = order.lead, LeadLimits(order)
        if not lead.email and not lead.phone:
            raise Withheld("RD Station knows contacts by their e-mail or phone, and this lead has neither.")
        limits.check()
        address, contact = await self._find(order)
        body, conflicts = self._body(order, address, contact)
        kept = order.history.records.get(LABELS, "")
        tags = label_changes(
            lead.labels,
            (contact or {}).get("tags") or [],
            [sent.labels for sent in order.history.sent],
            kept,
            str((contact or {}).get("uuid")),
        )
        body.update({"tags": tags.after} if tags.after is not None else {})
        conflicts += tags.sentences
        if body or contact is None:
            contact = await self._write(order, address, body, conflicts, limits)
        if tags.kept(str(contact["uuid"])) != kept:
            await order.remember(LABELS, tags.kept(str(contact["uuid"])))
        await conversions.note_lost(order)
        for event in conversions.unsent(order) if lead.email else ():
            bases = consent_of((), lead.consent.get("marketing")) or []
            await conversions.send(order, event, limits, prefix=self._prefix, legal_bases=bases)
        for twin in order.history.twins.get("contact", ()):  # RD's API merges no contacts
            conflicts.append(f"contacts {contact['uuid']} and {twin} are one person: merge them")
            await order.settle_twin("contact", twin)
        for conflict in conflicts:
            order.calls.note("leave as it is", "conflict", conflict)
        fields = {**body, LABELS: set(lead.labels) - {*tags.left_off}}
        return Delivered(str(contact["uuid"]), fields, tuple(conflicts))

    async def verify_one(self, order: Order, delivered: Delivered) -> None:
        """Read the contact back and compare what was sent. Raises `Mismatch` naming what differs."""
        try:
            contact = await order.calls.ask("read back", "GET", f"{CONTACTS}/uuid:{delivered.remote_id}")
        except NotThere as error:
            raise Mismatch(f"Contact {delivered.remote_id} is gone.") from error
        wanted = self._written(order.lead, is_new=False).properties
        fields = dict(delivered.fields)
        tags = fields.pop(LABELS, order.lead.labels)
        sent = fields or {name: wanted[name] for name in wanted if name.startswith(OWN_PREFIX)}
        compared = {name: value for name, value in sent.items() if name != "tags"}  # the team's come and go as well
        different = [name for name, value in compared.items() if not self._is_same(name, contact.get(name), value)]
        different += [f"tag {tag}" for tag in sorted(tags) if tag not in (contact.get("tags") or ())]
        if different:
            raise Mismatch(f"Contact {delivered.remote_id} differs from what was sent: {', '.join(different)}.")

    async def take_back(self, order: Order, erased: ErasedRecords) -> None:
        """Empty our custom fields and take our tags off. Conversions and legal bases stay: they are what was agreed."""
        left: list[str] = []
        for uuid in erased.records.get("contact", ()):
            address = f"uuid:{quote(uuid, safe='')}"
            if body := self._emptied(await self._show(order, address), erased):
                await order.calls.ask("empty contact", "PATCH", f"{CONTACTS}/{address}", body=body)
                after = self._emptied(await self._show(order, address), erased)
                left += [f"{name} of contact {uuid}" for name in after]
        check_taken_back(left)

    @staticmethod
    def _emptied(contact: Mapping[str, Any] | None, erased: ErasedRecords) -> dict[str, Any]:
        held = contact or {}
        names = [name for name, value in held.items() if name.startswith(OWN_PREFIX) and value not in (None, "", [])]
        tags = list(held.get("tags") or ())
        body: dict[str, Any] = dict.fromkeys(names)
        if set(tags) & set(erased.labels):
            body["tags"] = [tag for tag in tags if tag not in erased.labels]
        return body

    async def _find(self, order: Order) -> tuple[str, dict[str, Any] | None]:
        """The contact and how it is addressed: by the remembered uuid, else by e-mail or phone.

        An engine may have died after it made the contact with an address that has changed since: the contact of an
        earlier address is the lead's if it says so.
        """
        by_identity = _address(order.lead)
        remembered = [f"uuid:{order.history.remote_id}"] if order.history.remote_id else []
        for address in (*remembered, by_identity):
            if (contact := await self._show(order, address)) is not None:
                return address, contact
        earlier = dict.fromkeys(_address(sent) for sent in order.history.sent if sent.email or sent.phone)
        for address in [each for each in earlier if each != by_identity]:
            contact = await self._show(order, address)
            if contact is not None and contact.get(ID_FIELD) == order.lead.lead_id:
                return f"uuid:{contact['uuid']}", contact
        return by_identity, None

    async def _show(self, order: Order, address: str) -> dict[str, Any] | None:
        try:
            return dict(await order.calls.ask("show contact", "GET", f"{CONTACTS}/{address}"))
        except NotThere:
            return None

    def _body(self, order: Order, address: str, contact: Mapping[str, Any] | None) -> tuple[dict[str, Any], list[str]]:
        """What to write of the lead beside tags, and sentences on what is left to others.

        RD replaces legal bases whole. The e-mail is not in a body that is addressed by it, and a person's e-mail is not
        replaced.
        """
        lead, held = order.lead, contact or {}
        is_new = contact is None
        written = self._written(lead, is_new=is_new)
        wanted = {**written.properties}
        earlier = [dict(self._written(each, is_new=is_new).properties) for each in order.history.sent]
        if lead.email and not address.startswith("email:"):
            wanted["email"] = lead.email.lower()
            for values, each in zip(earlier, order.history.sent, strict=True):
                values.update({"email": each.email.lower()} if each.email else {})
        found = changes(
            wanted,
            held,
            earlier,
            own=[name for name in self._types if name.startswith(OWN_PREFIX)],
            is_same=self._is_same,
            is_free=lambda name: held.get(name) in (None, "", []),
        )
        body = found.values
        conflicts = [
            f"{name} was not written: the contact has {held.get(name)}, not from EchoLead" for name in found.left
        ]
        conflicts += [note for note in written.notes if not note.endswith(SAID_ONCE)] + self._unnamed
        self._unnamed = []
        bases = consent_of(held.get("legal_bases"), lead.consent.get("marketing"))
        body.update({"legal_bases": bases} if bases is not None else {})
        return body, conflicts

    async def _write(
        self, order: Order, address: str, body: dict[str, Any], conflicts: list[str], limits: LeadLimits
    ) -> dict[str, Any]:
        """PATCH, which creates what is not there; again without the fields that RD refuses, which are named."""
        for tries_left in reversed(range(TRIES_OF_A_CONTACT)):
            await limits.count(UPDATES)
            try:
                answer = await order.calls.ask("write contact", "PATCH", f"{CONTACTS}/{address}", body=body)
            except Postponed as refusal:
                raise await limits.refused(refusal) from None
            except NotThere as gone:
                raise OutcomeUnknown("The contact is gone since it was looked up.") from gone
            except Rejected as refused:
                named = [name for name in refused.attributes if name in body]
                if refused.code == TAKEN and "email" in body:
                    named = ["email"]
                if not named or not tries_left:
                    raise
                for name in named:
                    del body[name]
                conflicts.append(f"{', '.join(named)} left out: {refused}")
            else:
                await limits.passed()
                return dict(answer)
        raise AssertionError("unreachable")

    def _written(self, lead: Lead, *, is_new: bool) -> Written:
        return self._map.written(RECORD, lead, self._types, url=self._lead_url(lead.lead_id), is_new=is_new)

    def _is_same(self, name: str, one: Any, other: Any) -> bool:
        if name.endswith("phone"):  # people and RD write them in other ways
            return same(PHONE, other, one)
        if name == "legal_bases":
            return sorted(map(str, one or ())) == sorted(map(str, other or ()))
        return same(self._types.get(name, PropertyType("text")), other, one)


def _address(lead: Lead) -> str:
    return f"email:{quote(lead.email.lower(), safe='@')}" if lead.email else f"phone:{quote(lead.phone)}"
