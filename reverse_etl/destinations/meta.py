"""Meta Conversions API: lead, qualified and won as events of a data set (pixel).

Sources: developers.facebook.com/documentation/ads-commerce/conversions-api, "Server Event Parameters", "Customer
Information Parameters", "fbp and fbc Parameters", and the Graph API's "Handle Errors".
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Self

import httpx

from echolead.normalize import normalize_email
from reverse_etl.calls import TIMEOUT, Calls, Reply, judge_by_status
from reverse_etl.destination import Finding, Traits
from reverse_etl.destinations.ad_events import CLOCK_SLIP, EPOCH, AdEvents, EventBody, newest_click, time_of
from reverse_etl.destinations.hashing import as_it_is, hashed, meta_name, meta_phone
from reverse_etl.errors import DeliveryFailed, Misconfigured, OutcomeUnknown, Rejected, Unavailable, Withheld
from reverse_etl.lead import Click, Lead, LeadEvent

# fb.<index of the domain>.<milliseconds>.<fbclid>, and a newer fifth part. A cut one makes Meta refuse the request.
FBC = re.compile(r"fb\.\d\.(\d{13})\.([^.\s]+)(\.[^.\s]+)?")
FBP = re.compile(r"fb\.\d\.\d{13}\.\d+(\.[^.\s]+)?")
TOKEN_CODES = {102, 190, 463, 467}
LIMIT_CODES = {4, 17, 32, 613, 80004}
PASSING_CODES = {1, 2}
RIGHTS_CODES = {3, 10, *range(200, 300)}
NO_SUCH_OBJECT = 33  # subcode of 100: the data set is not there, or not for this token


class MetaConversions(AdEvents):
    """Sends events to one data set; Meta tells a repeated `event_name` and `event_id` for 48 hours."""

    # A call is recorded with each of its leads, whole: more leads would fill the ledger with one another's events.
    traits = Traits(batch_size=20, reads_back=False)
    platform = "Meta"
    longest_age = timedelta(days=7)
    repeats_for: ClassVar[timedelta | None] = timedelta(hours=48)

    def __init__(self, configuration: Mapping[str, Any], access_token: str) -> None:
        self._base_url = str(configuration["base_url"]).rstrip("/")
        self._path = f"{configuration['version']}/{configuration['pixel_id']}"
        self._names = {name: str(configuration[f"{name}_event"]) for name in ("lead", "qualified", "won")}
        self._test_event_code = str(configuration.get("test_event_code") or "")
        self._whatsapp_account = str(configuration.get("whatsapp_business_account_id") or "")
        self._access_token = access_token

    @classmethod
    def of(cls, configuration: Mapping[str, Any], secrets: Mapping[str, str], _lead_url: Callable[[str], str]) -> Self:
        """From a destination's configuration and secret (`access_token`). Raises `Misconfigured`."""
        try:
            return cls(configuration, secrets["access_token"])
        except KeyError as missing:
            raise Misconfigured(f"The Meta destination lacks {missing}.") from None

    def client(self, transport: httpx.AsyncBaseTransport) -> httpx.AsyncClient:
        """A pool for the Graph API. The token goes in a header, which no record and no log of addresses has."""
        headers = {"Authorization": f"Bearer {self._access_token}", "User-Agent": "EchoLead"}
        return httpx.AsyncClient(base_url=f"{self._base_url}/", headers=headers, timeout=TIMEOUT, transport=transport)

    def judge(self, answer: Reply) -> DeliveryFailed | None:
        """By the error's code: the status is 400 for a bad event, a limit and an expired token alike."""
        return judge_graph(answer)

    def event_of(self, lead: Lead, event: LeadEvent, notes: list[str]) -> EventBody:
        """One row of `data`. Raises `Withheld` when Meta could find nobody by it."""
        message = _newest_ad_message(lead, event)
        click = None if message else newest_click(lead, event, ["fbclid"])
        at = time_of(event, message or click, notes)
        person = _person(lead)
        if message is not None:
            person |= self._of_message(message)
        elif fbc := _fbc(lead, click, _milliseconds(at)):
            person["fbc"] = fbc
        if FBP.fullmatch(lead.cookies.get("_fbp", "")):
            person["fbp"] = lead.cookies["_fbp"]
        if not person:
            raise Withheld(
                "no usable identifier: no e-mail, no phone number, and no id of a click or browser of Meta's."
            )
        person["external_id"] = [hashed(lead.lead_id, as_it_is)]
        body: dict[str, Any] = {
            "event_name": self._names[event.name],
            # Rounded up, so that no click of the same second is later than its event.
            "event_time": math.ceil(at.timestamp()),
            "event_id": event.event_id,
            "action_source": "system_generated",
            "user_data": person,
        }
        if message is not None:
            body |= {"action_source": "business_messaging", "messaging_channel": "whatsapp"}
        elif event.page_url and event.user_agent:
            body |= {"action_source": "website", "event_source_url": event.page_url}
            person["client_user_agent"] = event.user_agent
        if event.value is not None and event.currency:
            body["custom_data"] = {"value": float(event.value), "currency": event.currency}
            if event.order_id:
                body["custom_data"]["order_id"] = event.order_id
        elif body["event_name"] == "Purchase":
            raise Withheld("Meta takes no Purchase without a value and its currency.")
        return body

    def _of_message(self, message: Click) -> dict[str, str]:
        """What names the click of an ad that led into WhatsApp. Raises `Withheld` when it cannot be named."""
        if not message.value:
            raise Withheld("the ad on WhatsApp that the lead came from last sent no click id (ctwa_clid).")
        if not self._whatsapp_account:
            raise Withheld("it came from an ad on WhatsApp: set whatsapp_business_account_id to report it.")
        return {"ctwa_clid": message.value, "whatsapp_business_account_id": self._whatsapp_account}

    async def send(self, calls: Calls, events: Sequence[EventBody]) -> str:
        """Post the events. Raises `Rejected` when Meta refuses one, and so all."""
        answer = await calls.ask("send events", "POST", f"{self._path}/events", body={"data": list(events)})
        if not isinstance(answer, dict) or answer.get("events_received") != len(events):
            raise OutcomeUnknown("The answer does not say that the events were received.")
        return str(answer.get("fbtrace_id") or "")

    async def test(self, calls: Calls) -> list[Finding]:
        """Read the data set; with a `test_event_code` send an event that shows under Test Events and counts nowhere."""
        about = await calls.ask("show data set", "GET", self._path, params={"fields": "id,name"})
        findings = [Finding("data set", "ok", str(about.get("name") or about.get("id")))]
        if not self._test_event_code:
            return [*findings, Finding("test event", "note", "Set test_event_code to see an event in Events Manager.")]
        now = datetime.now(UTC)
        event = {
            "event_name": self._names["lead"],
            "event_time": int(now.timestamp()),
            "event_id": f"echolead-test-{_milliseconds(now)}",
            "action_source": "system_generated",
            "user_data": {"em": [hashed("test@echolead.test", as_it_is)]},
        }
        body = {"data": [event], "test_event_code": self._test_event_code}
        await calls.ask("send a test event", "POST", f"{self._path}/events", body=body)
        return [*findings, Finding("test event", "ok", f"Look for {event['event_id']} under Test Events.")]


def judge_graph(answer: Reply) -> DeliveryFailed | None:
    """What an answer of the Graph API stands for; `code` of a refusal is its subcode where it has one."""
    content = answer.content
    error = content.get("error") if isinstance(content, dict) else None
    if not isinstance(error, dict):
        return judge_by_status(answer)
    code, subcode = error.get("code"), error.get("error_subcode")
    said = f"({code}/{subcode}) {error.get('error_user_msg') or error.get('message') or ''}"[:500]
    if code in TOKEN_CODES or code in RIGHTS_CODES or (code == 100 and subcode == NO_SUCH_OBJECT):
        return Misconfigured(f"Meta refuses the token, the data set or the account: {said}")
    if code in LIMIT_CODES or answer.status == 429:
        return Unavailable(f"Meta's limit is reached: {said}", retry_after=60.0)
    if code in PASSING_CODES or error.get("is_transient") or answer.status >= 500:
        return OutcomeUnknown(f"Meta failed: {said}")
    return Rejected(f"Meta refuses it: {said}", status=answer.status, code=str(subcode or code))


def _newest_ad_message(lead: Lead, event: LeadEvent) -> Click | None:
    """The message that answered an ad on WhatsApp, if no click on the web is newer; without a value if it has no id."""
    ours = [click for click in lead.clicks if click.name in ("fbclid", "ctwa_clid")]
    newest = max((each for each in ours if each.at <= event.at + CLOCK_SLIP), key=lambda each: each.at, default=None)
    return newest if newest is not None and newest.name == "ctwa_clid" else None


def _person(lead: Lead) -> dict[str, Any]:
    first, _, rest = lead.name.partition(" ")
    keys = {
        "em": hashed(lead.email, normalize_email),
        "ph": hashed(lead.phone, meta_phone),
    }
    found = {key: [value] for key, value in keys.items() if value}
    if found:  # a name alone finds nobody
        names = {"fn": hashed(first, meta_name), "ln": hashed(rest.split(" ")[-1], meta_name)}
        found |= {key: [value] for key, value in names.items() if value}
    return found


def _fbc(lead: Lead, click: Click | None, event_ms: int) -> str:
    """The click id with the time of the click: of the landing, or of the pixel's cookie when that is newer.

    A cookie of the same click is passed on as the browser has it, so that both say the same.
    """
    clicked_ms = 0 if click is None else _milliseconds(click.at)
    cookie = FBC.fullmatch(lead.cookies.get("_fbc", ""))
    if cookie is not None and int(cookie[1]) <= event_ms:
        is_same = click is not None and cookie[2] == click.value
        if is_same or int(cookie[1]) > clicked_ms:
            return cookie[0]
    return "" if click is None else f"fb.1.{clicked_ms}.{click.value}"


def _milliseconds(at: datetime) -> int:
    return (at - EPOCH) // timedelta(milliseconds=1)
