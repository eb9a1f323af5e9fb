"""RD Station CRM: a contact and one deal per lead. What it relies on is in docs/reference/rdstation.md."""

from collections.abc import Callable, Mapping
from typing import Any, Self

import httpx

from reverse_etl.calls import TIMEOUT, Calls, Reply
from reverse_etl.destination import OneByOne, Order, Traits
from reverse_etl.destinations.rdstation import ADDRESS, verdicts
from reverse_etl.errors import DeliveryFailed, Misconfigured, Mismatch, NotThere, OutcomeUnknown, Withheld
from reverse_etl.lead import Delivered, Lead
from reverse_etl.property_types import PHONE, TEXT, same
from reverse_etl.tokens import OAuth, refresh_token

DEAL = "deal"
MAKING, NOT_MADE = "making", ""
# By kind of list: the lead's value, and the key under which the contact has each of its own.
LISTS: Mapping[str, tuple[Callable[[Lead], str], str]] = {
    "emails": (lambda lead: lead.email.lower(), "email"),
    "phones": (lambda lead: lead.phone, "phone"),
}


class RDStationDeals(OneByOne):
    """Delivers leads to one account of RD Station CRM: a contact, found by e-mail or phone, and a deal, made once.

    What a contact has stays, and what it lacks is added. A deal is the salesperson's from the moment it is there.
    """

    traits = Traits(requests_per_second=2.0, concurrency=2, settle_seconds=10.0)

    def __init__(self, configuration: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        self._tokens_url = str(configuration.get("base_url") or ADDRESS).rstrip("/")
        self._url = str(configuration.get("crm_url") or f"{ADDRESS}/crm/v2").rstrip("/")
        self._secrets = {"client_id": str(configuration["client_id"]), **secrets}
        self._places = {key: str(configuration[key]) for key in ("pipeline_id", "stage_id") if configuration.get(key)}

    @classmethod
    def of(cls, configuration: Mapping[str, Any], secrets: Mapping[str, str], _lead_url: Callable[[str], str]) -> Self:
        """From a destination's configuration and secrets (echolead.operational.destination_kinds has their names).

        Raises `Misconfigured` naming what is missing.
        """
        missing = [] if configuration.get("client_id") else ["client_id"]
        missing += [key for key in ("client_secret", "refresh_token") if not secrets.get(key)]
        if missing:
            raise Misconfigured(f"The RD Station CRM destination lacks {', '.join(missing)}.")
        return cls(configuration, secrets)

    def client(self, transport: httpx.AsyncBaseTransport) -> httpx.AsyncClient:
        """A pool for the account's API."""
        return httpx.AsyncClient(
            base_url=f"{self._url}/",
            auth=OAuth(transport, f"{self._tokens_url}/oauth2/token", refresh_token(), self._secrets),
            headers={"User-Agent": "EchoLead"},
            timeout=TIMEOUT,
            transport=transport,
        )

    def judge(self, answer: Reply) -> DeliveryFailed | None:
        """As RD Station Marketing's answers, with Retry-After at the account's limit."""
        return verdicts.judge(answer)

    def allowance(self, headers: httpx.Headers) -> None:
        """RD's headers say nothing of what is left."""

    async def prepare(self, calls: Calls) -> None:
        """One contact is read: a token or an address that is not good is known before the first delivery."""
        await calls.ask("list contacts", "GET", "contacts", params={"page[size]": "1"})

    async def deliver_one(self, order: Order) -> Delivered:
        """Find or make the contact, add what it lacks, make the deal once. Raises `Withheld` without any address."""
        if not order.lead.email and not order.lead.phone:
            raise Withheld("RD Station CRM knows contacts by their e-mail or phone, and this lead has neither.")
        contact = await self._find(order) or await self._make(order)
        await order.remember("contact", str(contact["id"]))
        try:
            await self._add_missing(order, contact)
            await self._make_deal(order, str(contact["id"]))
        except NotThere as gone:
            raise OutcomeUnknown(f"Contact {contact['id']} is gone since it was looked up.") from gone
        return Delivered(str(contact["id"]))

    async def verify_one(self, order: Order, delivered: Delivered) -> None:
        """Read the contact back. Raises `Mismatch` when it lacks the lead's e-mail or phone."""
        try:
            contact = (await order.calls.ask("read back", "GET", f"contacts/{delivered.remote_id}"))["data"]
        except NotThere as error:
            raise Mismatch(f"Contact {delivered.remote_id} is gone.") from error
        lacking = [kind for kind in LISTS if _lacks(contact, kind, order.lead)]
        if lacking:
            raise Mismatch(f"Contact {delivered.remote_id} lacks what was sent: {', '.join(lacking)}.")

    async def _find(self, order: Order) -> dict[str, Any] | None:
        """The remembered contact, else the first that has the e-mail, else the first that has the phone."""
        if order.history.remote_id:
            try:
                found = await order.calls.ask("show contact", "GET", f"contacts/{order.history.remote_id}")
                return dict(found["data"])
            except NotThere:
                pass
        # An engine may have died after it made the contact with an address that has changed since.
        known = (order.lead, *order.history.sent)
        for kind, value in dict.fromkeys((kind, LISTS[kind][0](lead)) for lead in known for kind in LISTS):
            found = await self._look_up(order, kind, value) if value else None
            if found is not None:
                return found
        return None

    async def _look_up(self, order: Order, kind: str, value: str) -> dict[str, Any] | None:
        asked = {"filter": f"{LISTS[kind][1]}:{value}", "page[size]": "25"}
        answer = await order.calls.ask("look up contact", "GET", "contacts", params=asked)
        # What a filter finds may only look alike.
        found = [each for each in answer["data"] if _has(each, kind, value)]
        # One number serves a family: with another e-mail it is another person.
        if kind == "phones" and order.lead.email:
            found = [each for each in found if not _values(each, "emails")]
        return dict(found[0]) if found else None

    async def _make(self, order: Order) -> dict[str, Any]:
        lead = order.lead
        lists = {kind: [_entry(kind, lead)] for kind, (value_of, _) in LISTS.items() if value_of(lead)}
        body = {"data": {"name": lead.name or lead.email or lead.phone, **lists}}
        answer = await order.calls.ask("create contact", "POST", "contacts", body=body, is_safe_to_repeat=False)
        return {**lists, **answer["data"]}

    async def _add_missing(self, order: Order, contact: Mapping[str, Any]) -> None:
        """Lists are replaced whole: theirs, then ours."""
        changes = {
            kind: [*(contact.get(kind) or []), _entry(kind, order.lead)]
            for kind in LISTS
            if _lacks(contact, kind, order.lead)
        }
        if changes:
            await order.calls.ask("update contact", "PUT", f"contacts/{contact['id']}", body={"data": changes})

    async def _make_deal(self, order: Order, contact_id: str) -> None:
        mark = order.history.records.get(DEAL, NOT_MADE)
        if mark not in (NOT_MADE, MAKING):
            return
        deal = await self._deal(order, contact_id) if mark == MAKING else None
        if deal is None:
            await order.remember(DEAL, MAKING)
            body = {"data": {"name": _deal_name(order.lead), "contact_ids": [contact_id], **self._places}}
            try:
                deal = (await order.calls.ask("create deal", "POST", "deals", body=body, is_safe_to_repeat=False))[
                    "data"
                ]
            except OutcomeUnknown:
                raise
            except DeliveryFailed:
                await order.remember(DEAL, NOT_MADE)
                raise
        await order.remember(DEAL, str(deal["id"]))

    async def _deal(self, order: Order, contact_id: str) -> dict[str, Any] | None:
        """The deal that an earlier try may have made, whatever the lead was called then."""
        asked = {"filter": f"contact_id:{contact_id}", "page[size]": "100"}
        answer = await order.calls.ask("look up deal", "GET", "deals", params=asked)
        ours = _mark_of(order.lead)
        made = [
            each
            for each in answer["data"]
            if str(each.get("name")).endswith(ours) and contact_id in each["contact_ids"]
        ]
        return dict(made[0]) if made else None


def _deal_name(lead: Lead) -> str:
    return f"{lead.name or lead.email or lead.phone} {_mark_of(lead)}"


def _mark_of(lead: Lead) -> str:
    """What tells the lead's deal from a salesperson's own deals with the contact."""
    return f"({lead.lead_id[:8]})"


def _entry(kind: str, lead: Lead) -> dict[str, str]:
    value_of, key = LISTS[kind]
    return {key: value_of(lead), **({"type": "mobile"} if kind == "phones" else {})}


def _lacks(contact: Mapping[str, Any], kind: str, lead: Lead) -> bool:
    value = LISTS[kind][0](lead)
    return bool(value) and not _has(contact, kind, value)


def _has(contact: Mapping[str, Any], kind: str, value: str) -> bool:
    return any(same(PHONE if kind == "phones" else TEXT, value, each) for each in _values(contact, kind))


def _values(contact: Mapping[str, Any], kind: str) -> list[str]:
    return [str(each.get(LISTS[kind][1]) or "").lower() for each in contact.get(kind) or ()]
