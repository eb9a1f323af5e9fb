"""GA4 Measurement Protocol: lead, qualified and won as events of a visitor that GA4 knows.

GA4 answers 204 whatever it is sent, and tells no event twice. So an answer verifies nothing, and what may have arrived
is not sent again. Sources: developers.google.com/analytics/devguides/collection/protocol/ga4, "Sending events",
"Reference", "Validating events".
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Self

import httpx

from echolead.outbound import UnsafeAddress
from echolead.security import redact_text
from reverse_etl.calls import TIMEOUT, Calls, Reply, judge_by_status
from reverse_etl.destination import Finding
from reverse_etl.destinations.ad_events import EPOCH, AdEvents, EventBody, time_of
from reverse_etl.errors import DeliveryFailed, Misconfigured, Withheld
from reverse_etl.lead import Lead, LeadEvent

# GA1.<depth of the domain>.<random>.<first visit>: the last two are the client id that gtag reports.
CLIENT_COOKIE = re.compile(r"GA\d\.\d+\.(\d+\.\d+)")
# GS1.1.<session>.… and, since 2025, GS2.1.s<session>$…; gtag's own `get` reports the number alone.
SESSION_COOKIE = re.compile(r"(?:GS\d\.\d\.s?)?(\d{9,11})(?:\D.*)?")
LONGEST_VALUE, LONGEST_ADDRESS = 100, 1000
GRANTED = {"ad_user_data": "GRANTED", "ad_personalization": "GRANTED"}


class _SecretInAddress(httpx.AsyncBaseTransport):
    """Adds the secret below the client, which logs every address that it calls."""

    def __init__(self, inner: httpx.AsyncBaseTransport, secret: str) -> None:
        self._inner = inner
        self._secret = secret

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        signed = httpx.Request(
            method=request.method,
            url=request.url.copy_merge_params({"api_secret": self._secret}),
            headers=request.headers,
            stream=request.stream,
            extensions=request.extensions,
        )
        try:
            return await self._inner.handle_async_request(signed)
        except UnsafeAddress as error:  # which names the address
            raise UnsafeAddress(redact_text(str(error), (self._secret,))) from None

    async def aclose(self) -> None:
        await self._inner.aclose()


class Ga4Events(AdEvents):
    """Sends events to one web stream, under the client id of the browser's cookie; none is ever made up."""

    platform = "GA4"
    longest_age = timedelta(hours=72)
    repeats_for: ClassVar[timedelta | None] = timedelta(0)
    events_per_call = 25

    def __init__(self, configuration: Mapping[str, Any], api_secret: str) -> None:
        self._base_url = str(configuration["base_url"]).rstrip("/")
        self._measurement_id = str(configuration["measurement_id"])
        self._names = {name: str(configuration[f"{name}_event"]) for name in ("lead", "qualified", "won")}
        self._api_secret = api_secret

    @classmethod
    def of(cls, configuration: Mapping[str, Any], secrets: Mapping[str, str], _lead_url: Callable[[str], str]) -> Self:
        """From a destination's configuration and secret (`api_secret`). Raises `Misconfigured`."""
        try:
            return cls(configuration, secrets["api_secret"])
        except KeyError as missing:
            raise Misconfigured(f"The GA4 destination lacks {missing}.") from None

    def client(self, transport: httpx.AsyncBaseTransport) -> httpx.AsyncClient:
        """A pool whose transport puts the secret into each address, as GA4 has no other place for it."""
        return httpx.AsyncClient(
            base_url=f"{self._base_url}/",
            params={"measurement_id": self._measurement_id},
            headers={"User-Agent": "EchoLead"},
            timeout=TIMEOUT,
            transport=_SecretInAddress(transport, self._api_secret),
        )

    def judge(self, answer: Reply) -> DeliveryFailed | None:
        """By the status, which says nothing of the events."""
        return judge_by_status(answer)

    def event_of(self, lead: Lead, event: LeadEvent, notes: list[str]) -> EventBody:
        """An event with its `client_id`. Raises `Withheld` without one, or when analytics were denied."""
        if lead.consent.get("analytics") == "denied":
            raise Withheld("consent to analytics is denied.")
        client = CLIENT_COOKIE.fullmatch(lead.cookies.get("_ga", ""))
        if client is None:
            raise Withheld("no client id: the browser had no _ga cookie, and a made-up one would be a new user.")
        params: dict[str, Any] = {"transaction_id": event.order_id or event.event_id, "engagement_time_msec": 1}
        if session := self._session(lead):
            params["session_id"] = session
        if event.page_url:
            params["page_location"] = event.page_url
        if event.value is not None and event.currency:
            params |= {"value": float(event.value), "currency": event.currency}
        return {
            "client_id": client[1],
            "name": self._names[event.name],
            # In the event: at the top of the body the time is ignored, as some found.
            "timestamp_micros": (time_of(event, None, notes) - EPOCH) // timedelta(microseconds=1),
            "params": {name: _cut(name, value, notes) for name, value in params.items()},
        }

    async def send(self, calls: Calls, events: Sequence[EventBody]) -> str:
        """Post the events of one lead. It is not repeated after an unknown outcome."""
        await calls.ask(
            "send events", "POST", "mp/collect", body=_body(events), is_safe_to_repeat=False, expects_json=False
        )
        return ""

    async def test(self, calls: Calls) -> list[Finding]:
        """Let GA4 validate an event, which it keeps nothing of. It does not check the secret."""
        event = {
            "client_id": "1.1",
            "name": self._names["lead"],
            "timestamp_micros": (datetime.now(UTC) - EPOCH) // timedelta(microseconds=1),
            "params": {"engagement_time_msec": 1},
        }
        answer = await calls.ask("validate an event", "POST", "debug/mp/collect", body=_body([event]))
        said = [f"{each.get('fieldPath', '')}: {each.get('description')}" for each in answer["validationMessages"]]
        valid = Finding("event", "wrong" if said else "ok", " ".join(said) or "GA4 finds no fault in an event.")
        return [valid, Finding("api_secret", "note", "GA4 does not say whether it is right: look into DebugView.")]

    def _session(self, lead: Lead) -> str:
        cookie = lead.cookies.get(f"_ga_{self._measurement_id.removeprefix('G-')}", "")
        found = SESSION_COOKIE.fullmatch(cookie)
        return found[1] if found else ""


def _body(events: Sequence[EventBody]) -> EventBody:
    bare = [{key: value for key, value in event.items() if key != "client_id"} for event in events]
    return {"client_id": events[0]["client_id"], "consent": GRANTED, "events": bare}


def _cut(name: str, value: Any, notes: list[str]) -> Any:
    longest = LONGEST_ADDRESS if name == "page_location" else LONGEST_VALUE
    if not isinstance(value, str) or len(value) <= longest:
        return value
    notes.append(f"{name} was cut to {longest} characters")
    return value[:longest]
