"""Google Ads by the Data Manager API: lead, qualified and won as conversions of an account's conversion actions.

A request is taken or refused as a whole, and what became of it is read later, as counts by reason. So a request holds
the events of one lead: what is wrong with one is nobody else's, and can be said of whom it is.

Sources: developers.google.com/data-manager, "Send events", "Diagnostics", "Format user data"; googleapis
google/ads/datamanager/v1 (event, ingestion_service, processing_errors).
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Self
from uuid import UUID

import httpx
import jwt

from reverse_etl.calls import TIMEOUT, Calls, Reply, judge_by_status
from reverse_etl.destination import Finding, Order, Traits
from reverse_etl.destinations.ad_events import SENT, UNSENT, AdEvents, EventBody, newest_click, time_of
from reverse_etl.destinations.hashing import google_email, google_phone, hashed
from reverse_etl.errors import DeliveryFailed, Misconfigured, Mismatch, NotThere, Postponed, Rejected, Withheld
from reverse_etl.lead import Delivered, Lead, LeadEvent
from reverse_etl.tokens import OAuth, assertion

SCOPE = "https://www.googleapis.com/auth/datamanager"
TOKEN_LIFETIME_SECONDS = 3600
# Of several ids in one address: gclid where there is one, else that of web clicks (wbraid), then of apps (gbraid).
CLICK_IDS = ("gclid", "wbraid", "gbraid")
CONSENT = {"adUserData": "CONSENT_GRANTED", "adPersonalization": "CONSENT_GRANTED"}
REASON = "PROCESSING_ERROR_REASON_"
# Google has it already: an earlier request of ours whose answer was lost, or the tag.
DONE = {f"{REASON}DUPLICATE_TRANSACTION_ID", f"{REASON}DUPLICATE_GCLID"}
PASSING = {f"{REASON}INTERNAL_ERROR", f"{REASON}UNSPECIFIED"}
# "Wait for 30 minutes", and growing waits afterwards: fifteen looks are some days.
NEXT_LOOK_SECONDS = 3600.0


class GoogleAdsConversions(AdEvents):
    """Sends events to one Google Ads account, each kind to its own conversion action; a repeated one is told.

    `service_account` is the JSON of a key of a service account that is a user of the Google Ads account.
    """

    # Google allows 300 requests a minute and project (from memory; the answer to more is 429).
    traits = Traits(reads_back=True, requests_per_second=4.0)
    platform = "Google"
    longest_age = timedelta(days=90)
    repeats_for: ClassVar[timedelta | None] = None
    events_per_call = 2000

    def __init__(self, configuration: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        self._base_url = str(configuration["base_url"]).rstrip("/")
        self._account = str(configuration["customer_id"])
        self._login_account = str(configuration.get("login_customer_id") or "")
        self._actions = {name: str(configuration.get(f"{name}_action") or "") for name in ("lead", "qualified", "won")}
        self._secrets = secrets
        key = json.loads(secrets["service_account"])
        self._email, self._private_key = str(key["client_email"]), str(key["private_key"])
        self._token_url = str(key["token_uri"])

    @classmethod
    def of(cls, configuration: Mapping[str, Any], secrets: Mapping[str, str], _lead_url: Callable[[str], str]) -> Self:
        """From a destination's configuration and secret (`service_account`). Raises `Misconfigured`."""
        try:
            return cls(configuration, secrets)
        except KeyError as missing:
            raise Misconfigured(f"The Google Ads destination lacks {missing}.") from None
        except (ValueError, TypeError):
            raise Misconfigured("service_account is not the JSON of a service account's key.") from None

    def client(self, transport: httpx.AsyncBaseTransport) -> httpx.AsyncClient:
        """A pool that signs itself in as the service account."""
        return httpx.AsyncClient(
            base_url=f"{self._base_url}/",
            auth=OAuth(transport, self._token_url, assertion(self._assertion), self._secrets),
            headers={"User-Agent": "EchoLead"},
            timeout=TIMEOUT,
            transport=transport,
        )

    def judge(self, answer: Reply) -> DeliveryFailed | None:
        """By the status; 400 concerns the account when it names nothing but the destinations of the request."""
        judged = judge_by_status(answer)
        if isinstance(judged, NotThere):
            return judged
        if isinstance(judged, Rejected):
            fields = _violations(answer.content)
            named = "; ".join(f"{field}: {said}" for field, said in fields)[:500] or answer.kept[:300]
            if fields and all(field.startswith("destinations") for field, _ in fields):
                return Misconfigured(f"Google refuses the account or conversion action: {named}")
            return Rejected(f"Google refuses it: {named}", status=answer.status, attributes=tuple(f for f, _ in fields))
        return judged

    def event_of(self, lead: Lead, event: LeadEvent, notes: list[str]) -> EventBody:
        """One event. Raises `Withheld` when Google could find nobody by it, or it has no conversion action."""
        if not self._actions[event.name]:
            raise Withheld(f"no conversion action is set for it ({event.name}_action).")
        click = newest_click(lead, event, CLICK_IDS)
        person = [
            {name: value}
            for name, value in (
                ("emailAddress", hashed(lead.email, google_email)),
                ("phoneNumber", hashed(lead.phone, google_phone)),
            )
            if value
        ]
        if click is None and not person:
            raise Withheld("no usable identifier: no click of Google's, no e-mail, no phone number.")
        body: dict[str, Any] = {
            "destinationReferences": [event.name],
            # Google accepts a number and loses it later.
            "transactionId": f"event-{event.event_id}" if event.event_id.isdigit() else event.event_id,
            "eventTimestamp": time_of(event, click, notes).astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "eventSource": "WEB",
            "consent": CONSENT,
        }
        if click is not None:
            body["adIdentifiers"] = {click.name: click.value}
        if person:
            body["userData"] = {"userIdentifiers": person}
        if event.value is not None and event.currency:
            body |= {"conversionValue": float(event.value), "currency": event.currency}
        return body

    async def send(self, calls: Calls, events: Sequence[EventBody]) -> str:
        """Ingest the events and return the request's id. Raises `Rejected` when one is bad, which refuses all."""
        answer = await self._ingest(calls, "send events", events, validate_only=False)
        return str(answer["requestId"])

    def delivered(self, order: Order, words: Mapping[str, str]) -> Delivered:
        """`remote_id` names the requests whose status is to be read: of now, and of a state that was superseded before
        it was verified; the lead itself when there are none.
        """
        pending = _pending(order) | dict(words)
        return Delivered(" ".join(sorted(set(pending.values()))) or order.lead.lead_id, {"events": pending})

    async def verify(self, sent: Sequence[tuple[Order, Delivered]]) -> Mapping[UUID, DeliveryFailed | None]:
        """Read what became of the requests. A refusal is `Rejected`; what is not processed yet is looked at later."""
        return {order.delivery_id: await self._verdict(order, delivered) for order, delivered in sent}

    async def test(self, calls: Calls) -> list[Finding]:
        """Let Google validate an event of each conversion action, which it does not keep."""
        named = [name for name, action in self._actions.items() if action]
        findings = [
            Finding(f"{name}_action", "note", "Not set: these events are not sent.")
            for name in self._actions
            if name not in named
        ]
        event = LeadEvent("echolead-test", "lead", datetime.now(UTC))
        trial = Lead("echolead-test", email="test@echolead.test")
        bodies = [{**self.event_of(trial, event, []), "destinationReferences": [name]} for name in named]
        await self._ingest(calls, "validate events", bodies, validate_only=True)
        return [*findings, Finding("events", "ok", f"Google finds no fault in events of {', '.join(named)}.")]

    async def _ingest(self, calls: Calls, operation: str, events: Sequence[EventBody], *, validate_only: bool) -> Any:
        used = sorted({event["destinationReferences"][0] for event in events})
        body = {
            "destinations": [self._destination(name) for name in used],
            "events": list(events),
            "encoding": "HEX",
            "validateOnly": validate_only,
        }
        return await calls.ask(operation, "POST", "v1/events:ingest", body=body)

    def _destination(self, name: str) -> EventBody:
        account = {"operatingAccount": {"accountType": "GOOGLE_ADS", "accountId": self._account}}
        if self._login_account:
            account["loginAccount"] = {"accountType": "GOOGLE_ADS", "accountId": self._login_account}
        return {"reference": name, **account, "productDestinationId": self._actions[name]}

    async def _verdict(self, order: Order, delivered: Delivered) -> DeliveryFailed | None:
        pending: Mapping[str, str] = delivered.fields.get("events") or _pending(order)
        reasons: set[str] = set()
        for request_id in sorted(set(pending.values())):
            try:
                answer = await order.calls.ask(
                    "read status", "GET", "v1/requestStatus:retrieve", params={"requestId": request_id}
                )
            except NotThere:
                return Postponed("Google does not know the request yet.", retry_after=NEXT_LOOK_SECONDS)
            except DeliveryFailed as failure:
                return failure
            statuses = answer["requestStatusPerDestination"]
            if not statuses or any(each.get("requestStatus") == "PROCESSING" for each in statuses):
                return Postponed("Google is still processing it.", retry_after=NEXT_LOOK_SECONDS)
            reasons |= {reason for each in statuses for reason in _reasons(each)}
        return await self._judged(order, pending, reasons - DONE)

    async def _judged(self, order: Order, pending: Mapping[str, str], reasons: set[str]) -> DeliveryFailed | None:
        # Refused ones are to be sent again, all of them: of what Google has it says so.
        for kind in pending:
            await order.remember(kind, UNSENT if reasons else SENT)
        if not reasons:
            return None
        said = ", ".join(sorted(reason.removeprefix(REASON) for reason in reasons))
        if reasons <= PASSING:
            return Mismatch(f"Google failed in processing it: {said}.")
        return Rejected(f"Google refused it in processing: {said}.", status=200, code=said)

    def _assertion(self) -> str:
        now = int(time.time())
        claims = {"iss": self._email, "scope": SCOPE, "aud": self._token_url, "iat": now}
        return jwt.encode({**claims, "exp": now + TOKEN_LIFETIME_SECONDS}, self._private_key, algorithm="RS256")


def _pending(order: Order) -> dict[str, str]:
    """The requests of the lead's events whose status is not known, by the events' kinds in the ledger."""
    marks = {event.kind: order.history.records.get(event.kind, UNSENT) for event in order.lead.events}
    requests = {kind: mark.removeprefix(SENT) for kind, mark in marks.items() if mark.startswith(SENT)}
    return {kind: request for kind, request in requests.items() if request}


def _reasons(status: Mapping[str, Any]) -> list[str]:
    """Why events of a destination failed; a failure without a reason has the unspecified one."""
    counts = (status.get("errorInfo") or {}).get("errorCounts") or []
    found = [str(count.get("reason") or f"{REASON}UNSPECIFIED") for count in counts]
    return found or ([] if status.get("requestStatus") == "SUCCESS" else [f"{REASON}UNSPECIFIED"])


def _violations(content: Any) -> list[tuple[str, str]]:
    error = content.get("error") if isinstance(content, dict) else None
    details = error.get("details") or [] if isinstance(error, dict) else []
    found = [each for detail in details for each in detail.get("fieldViolations") or []]
    return [(str(each.get("field") or ""), str(each.get("description") or "")) for each in found]
