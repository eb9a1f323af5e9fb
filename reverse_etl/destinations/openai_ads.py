"""OpenAI Ads: lead, qualified and won as events of a pixel.

Source: developers.openai.com/ads/conversions-api and /ads/supported-events.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, ClassVar, Self

import httpx

from echolead.normalize import normalize_email
from reverse_etl.calls import TIMEOUT, Calls, Reply, judge_by_status
from reverse_etl.destination import Finding, Traits
from reverse_etl.destinations.ad_events import EPOCH, AdEvents, EventBody, newest_click, time_of
from reverse_etl.destinations.hashing import as_it_is, hashed
from reverse_etl.errors import DeliveryFailed, Misconfigured, NotThere, Withheld
from reverse_etl.lead import Lead, LeadEvent

# ISO 4217: the currencies whose smallest unit is not a hundredth.
WHOLE = frozenset("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split())  # noqa: SIM905
THOUSANDTHS = frozenset("BHD IQD JOD KWD LYD OMR TND".split())  # noqa: SIM905
# Event of ours → its type and the shape of its data.
TYPES = {
    "lead": ("lead_created", "customer_action"),
    "qualified": ("custom", "custom"),
    "won": ("order_created", "contents"),
}


class OpenAiConversions(AdEvents):
    """Sends events to one pixel, and reports a repeated `type` and `id`."""

    # A call is recorded with each of its leads, whole: more leads would fill the ledger with one another's events.
    traits = Traits(batch_size=20, reads_back=False)
    platform = "OpenAI"
    longest_age = timedelta(days=7)
    repeats_for: ClassVar[timedelta | None] = None

    def __init__(self, configuration: Mapping[str, Any], api_key: str) -> None:
        self._base_url = str(configuration["base_url"]).rstrip("/")
        self._pixel_id = str(configuration["pixel_id"])
        self._qualified = str(configuration["qualified_event"])
        self._api_key = api_key

    @classmethod
    def of(cls, configuration: Mapping[str, Any], secrets: Mapping[str, str], _lead_url: Callable[[str], str]) -> Self:
        """From a destination's configuration and secret (`api_key`). Raises `Misconfigured`."""
        try:
            return cls(configuration, secrets["api_key"])
        except KeyError as missing:
            raise Misconfigured(f"The OpenAI Ads destination lacks {missing}.") from None

    def client(self, transport: httpx.AsyncBaseTransport) -> httpx.AsyncClient:
        """A pool for the Conversions API."""
        headers = {"Authorization": f"Bearer {self._api_key}", "User-Agent": "EchoLead"}
        return httpx.AsyncClient(base_url=f"{self._base_url}/", headers=headers, timeout=TIMEOUT, transport=transport)

    def judge(self, answer: Reply) -> DeliveryFailed | None:
        """By the status; 404 is the pixel's, not a lead's."""
        judged = judge_by_status(answer)
        if isinstance(judged, NotThere):
            return Misconfigured(f"OpenAI knows no pixel {self._pixel_id}: {answer.kept[:200]}")
        return judged

    def event_of(self, lead: Lead, event: LeadEvent, notes: list[str]) -> EventBody:
        """One event. Raises `Withheld` when OpenAI could find nobody by it."""
        click = newest_click(lead, event, ["oppref"])
        email = hashed(lead.email, normalize_email)
        if click is None and not email:
            raise Withheld("no usable identifier: neither an e-mail nor a click of OpenAI's.")
        kind, shape = TYPES[event.name]
        user = {
            "email_sha256": email,
            "external_id_sha256": hashed(lead.lead_id, as_it_is),
            "user_agent": event.user_agent,
        }
        body: dict[str, Any] = {
            "id": event.event_id,
            "type": kind,
            "timestamp_ms": (time_of(event, click, notes) - EPOCH) // timedelta(milliseconds=1),
            "user": {key: value for key, value in user.items() if value},
            "data": {"type": shape},
        }
        if kind == "custom":
            body["custom_event_name"] = self._qualified
        if click is not None:
            body["oppref"] = click.value
        if event.page_url:
            body |= {"action_source": "web", "source_url": event.page_url}
        if event.value is not None and event.currency:
            body["data"] |= {"amount": _minor(event.value, event.currency), "currency": event.currency}
        return body

    async def send(self, calls: Calls, events: Sequence[EventBody]) -> str:
        """Post the events. Raises `Rejected` when one is bad, which refuses all."""
        await self._post(calls, "send events", events, validate_only=False)
        return ""

    async def test(self, calls: Calls) -> list[Finding]:
        """Let OpenAI validate an event, which it does not save."""
        now = (datetime.now(UTC) - EPOCH) // timedelta(milliseconds=1)
        kind, shape = TYPES["lead"]
        event = {"id": f"echolead-test-{now}", "type": kind, "timestamp_ms": now, "data": {"type": shape}}
        await self._post(calls, "validate an event", [event], validate_only=True)
        return [Finding("event", "ok", "OpenAI finds no fault in an event.")]

    async def _post(self, calls: Calls, operation: str, events: Sequence[EventBody], *, validate_only: bool) -> None:
        body = {"validate_only": validate_only, "events": list(events)}
        await calls.ask(operation, "POST", "v1/events", params={"pid": self._pixel_id}, body=body)


def _minor(value: Decimal, currency: str) -> int:
    """The amount in the currency's smallest unit."""
    digits = 0 if currency in WHOLE else 3 if currency in THOUSANDTHS else 2
    return int((value * 10**digits).to_integral_value(ROUND_HALF_UP))
