"""Signed webhooks: each state of a lead posted to an address of the tenant's, as Standard Webhooks describes.

What is sent and what follows from each answer is in docs/reference/webhook-destination.md.
Source: standard-webhooks/standard-webhooks, spec/standard-webhooks.md.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, ClassVar, Self

import httpx

from echolead.webhooks import PRIVATE_PREFIX, public_key, signer
from reverse_etl.calls import Calls, Reply, judge_by_status, no_allowance, retry_after
from reverse_etl.destination import Finding, OneByOne, Order, Traits
from reverse_etl.erased import ErasedRecords
from reverse_etl.errors import (
    DeliveryFailed,
    Gone,
    Misconfigured,
    OutcomeUnknown,
    Postponed,
    Withheld,
)
from reverse_etl.lead import Delivered, Lead

# Seconds after the first, second … try (spec, "Deliverability and reliability").
RETRY_PLAN = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
# The standard wants receivers to have 15 to 30 s; the engine ends a call after 20.
TIMEOUT = httpx.Timeout(connect=5.0, read=20.0, write=10.0, pool=5.0)
MAX_BODY_BYTES = 20 * 1024
# What is left out first when a body is too large.
DISPENSABLE = ("cookies", "clicks", "events", "tracking_ids", "labels", "attributes")
ANNOUNCED = "announced"
"""The kind of the record that has the id of the message that first told the receiver of a lead."""


class SignedWebhooks(OneByOne):
    """Posts `lead.created` once for each lead, `lead.updated` for each later state of it, and `lead.erased` when the
    person is erased.

    A message has the same `webhook-id` and body however often it is tried. Its `version` is larger than that of any
    earlier state of the lead, so that a receiver can put in order what arrives late. It is signed with each secret that
    there is.
    """

    traits = Traits(reads_back=False, retry_plan=RETRY_PLAN)
    kept_kinds: ClassVar[tuple[str, ...]] = (ANNOUNCED,)

    def __init__(self, url: str, secrets: Sequence[str], lead_url: Callable[[str], str]) -> None:
        self._url = url
        self._signers = [signer(secret) for secret in secrets]
        self._public_keys = [public_key(secret) for secret in secrets if secret.startswith(PRIVATE_PREFIX)]
        self._lead_url = lead_url

    @classmethod
    def of(cls, configuration: Mapping[str, Any], secrets: Mapping[str, str], lead_url: Callable[[str], str]) -> Self:
        """From a destination's configuration (`url`) and secrets (`secret`, and while it is replaced the earlier one
        as `previous_secret`).

        Raises `Misconfigured` naming what is missing or wrong.
        """
        given = [secrets[name] for name in ("secret", "previous_secret") if secrets.get(name)]
        if not configuration.get("url") or not secrets.get("secret"):
            raise Misconfigured("The webhook destination lacks its url or secret.")
        try:
            return cls(str(configuration["url"]), given, lead_url)
        except ValueError as error:
            raise Misconfigured(f"The webhook destination cannot sign: {error}.") from None

    def client(self, transport: httpx.AsyncBaseTransport) -> httpx.AsyncClient:
        """A pool that follows no redirect: a POST would become a GET that looks delivered."""
        headers = {"Content-Type": "application/json", "User-Agent": "EchoLead"}
        return httpx.AsyncClient(headers=headers, timeout=TIMEOUT, transport=transport, follow_redirects=False)

    def judge(self, answer: Reply) -> DeliveryFailed | None:
        """2xx alone is success. 410 says that the receiver wants nothing more; any other answer may change."""
        status = answer.status
        if 200 <= status < 300:
            return None
        if status == 410:
            now = datetime.now(UTC).isoformat(timespec="seconds")
            return Gone(f"The receiver wants nothing more: it answered 410 at {now}.")
        if 300 <= status < 400:
            target = _without_secrets(answer.headers.get("Location", "nowhere"))
            return Misconfigured(f"The receiver redirects ({status}) to {target}: set that as the url if it is right.")
        if status in (429, 503) or status >= 500:
            return judge_by_status(answer)
        wait = retry_after(answer.headers)
        return Postponed(f"The receiver answers {status}: {answer.kept[:200]}", retry_after=wait)

    def allowance(self, headers: httpx.Headers) -> None:
        """Receivers say nothing of limits but Retry-After."""
        return no_allowance(headers)

    async def prepare(self, calls: Calls) -> None:
        """Nothing to read or make."""

    async def deliver_one(self, order: Order) -> Delivered:
        """Post the state. Raises `DeliveryFailed`; `Withheld` when it does not fit a body of 20 KB."""
        message_id = _message_id(order)
        first = order.history.records.get(ANNOUNCED) or message_id
        event = "lead.created" if first == message_id else "lead.updated"
        body, omitted = self._body(event, order)
        for part in omitted:
            order.calls.note("fit the body", "withheld", f"{part} was left out: a body has at most {MAX_BODY_BYTES} B.")
        # Before it is sent: whatever becomes of this one, no other message may tell of the lead as new.
        if order.history.records.get(ANNOUNCED) != first:
            await order.remember(ANNOUNCED, first)
        try:
            await self._post(order.calls, message_id, body)
        except OutcomeUnknown:
            raise
        except DeliveryFailed:
            if first == message_id:
                await order.remember(ANNOUNCED, "")
            raise
        return Delivered(message_id, {"type": event})

    async def verify_one(self, order: Order, delivered: Delivered) -> None:
        """A receiver cannot be read; the engine does not ask."""

    async def take_back(self, order: Order, erased: ErasedRecords) -> None:
        """Post `lead.erased` with the ids that the receiver was given, so that it erases what it made of them."""
        content = {
            "type": "lead.erased",
            "timestamp": order.wanted_at.isoformat(),
            "version": _version(order),
            "data": {"lead_id": erased.leads[0], "tracking_ids": erased.leads[1:]},
        }
        try:
            await self._post(order.calls, _message_id(order), _written(content))
        except Gone as gone:
            raise Withheld(str(gone)) from gone

    async def test(self, calls: Calls) -> list[Finding]:
        """Post a `test` message, signed like any other, and say what the receiver answered."""
        now = datetime.now(UTC)
        body = _written({"type": "test", "timestamp": now.isoformat(), "data": {}})
        await self._post(calls, f"msg_test_{now:%Y%m%d%H%M%S%f}", body)
        keys = [Finding("public key", "ok", f"Receivers verify v1a with {key}.") for key in self._public_keys]
        return [Finding("receiver", "ok", "It took a signed message of the type test."), *keys]

    async def _post(self, calls: Calls, message_id: str, body: bytes) -> None:
        timestamp = str(int(datetime.now(UTC).timestamp()))
        signed = f"{message_id}.{timestamp}.".encode() + body
        headers = {
            "webhook-id": message_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": " ".join(sign(signed) for sign in self._signers),
        }
        # The standard's plan says when to try again, not the call itself.
        await calls.ask(
            "post", "POST", self._url, body=body, headers=headers, is_safe_to_repeat=False, expects_json=False
        )

    def _body(self, event: str, order: Order) -> tuple[bytes, list[str]]:
        """The body, and what had to be left out of it. Raises `Withheld`."""
        data = _data(order.lead) | {"url": self._lead_url(order.lead.lead_id)}
        content = {
            "type": event,
            "timestamp": order.wanted_at.isoformat(),
            "version": _version(order),
            "updated_at": order.wanted_at.isoformat(),
            "data": data,
        }
        omitted: list[str] = []
        while len(body := _written(content)) >= MAX_BODY_BYTES:
            present = [part for part in DISPENSABLE if part in data]
            if not present:
                raise Withheld(f"The lead's own fields have more than {MAX_BODY_BYTES} bytes.")
            omitted.append(present[0])
            del data[present[0]]
            content["omitted"] = omitted
        return body, omitted


def _version(order: Order) -> int:
    """Microseconds since 1970 at which the state became the wanted one: fits the numbers of JavaScript."""
    return int(order.wanted_at.timestamp() * 1_000_000)


def _message_id(order: Order) -> str:
    """A state that is wanted again after another is another message, though it is the same row of the ledger."""
    return f"msg_{order.delivery_id.hex}_{_version(order)}"


def _data(lead: Lead) -> dict[str, Any]:
    return {name: value for name, value in asdict(lead).items() if value not in ("", None, (), {})}


def _written(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), default=_plain).encode()


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _without_secrets(target: str) -> str:
    """An address without its query and user, which may be secrets."""
    try:
        url = httpx.URL(target)
    except httpx.InvalidURL:
        return "an unreadable address"
    return str(url.copy_with(query=None, fragment=None, username="", password=""))
