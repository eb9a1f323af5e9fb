"""What of a lead's event goes to a platform, and when it does not go."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from echolead.demo.ads import Platforms, create_app
from reverse_etl import destination as contract
from reverse_etl.calls import Calls, LaneConnection, Reply
from reverse_etl.destinations.ad_events import SENDING, AdEvents
from reverse_etl.destinations.ga4 import Ga4Events
from reverse_etl.destinations.google_ads import GoogleAdsConversions
from reverse_etl.destinations.meta import MetaConversions
from reverse_etl.destinations.openai_ads import OpenAiConversions
from reverse_etl.errors import Misconfigured, NotThere, OutcomeUnknown, Rejected, Unavailable, Withheld
from reverse_etl.lead import Click, Lead, LeadEvent
from reverse_etl.pace import Breaker, Pace
from tests.fixtures.demo_ads import ServedAds
from tests.fixtures.orders import delivered, order

AT = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
MS = int(AT.timestamp() * 1000)
DAY, DAY_MS = timedelta(days=1), 86_400_000
PLATFORMS: dict[str, Any] = {
    "meta": MetaConversions,
    "google_ads": GoogleAdsConversions,
    "ga4": Ga4Events,
    "openai_ads": OpenAiConversions,
}
PERSON = Lead("lead-1", name="Ana Souza", email="ana@example.com", consent={"ads": "granted"})


class InProcess:
    """The demo platforms without a socket."""

    def __init__(self) -> None:
        self.platforms = Platforms()
        self.transport = httpx.ASGITransport(create_app(self.platforms))

    def destination(self, kind: str, **more: str) -> Any:
        """A destination of this kind."""
        served = ServedAds("http://ads.test", self.platforms, None)  # type: ignore[arg-type]  # no faults here
        checked = served.settings(kind, **more)
        return PLATFORMS[kind].of(checked.configuration, checked.secrets, str)

    def connection(self, destination: contract.DestinationProduct) -> LaneConnection:
        """As the engine makes it."""
        breaker = Breaker(threshold=100, cooldown_seconds=1, longest_seconds=1)
        client = destination.client(self.transport)
        return LaneConnection(client, Pace(1e6, 1000), breaker, judge=destination.judge)


@pytest.fixture
def ads() -> InProcess:
    """The platforms."""
    return InProcess()


def lead(*clicks: Click, cookies: Mapping[str, str] | None = None) -> Lead:
    return Lead("lead-1", email="ana@example.com", clicks=clicks, cookies=cookies or {}, consent={"ads": "granted"})


def event(name: str = "lead", **fields: Any) -> LeadEvent:
    return LeadEvent(**{"event_id": "e1", "name": name, "at": AT, "page_url": "https://p.test/", **fields})


def written(ads: InProcess, kind: str, of: Lead, what: LeadEvent) -> dict[str, Any]:
    platform: AdEvents = ads.destination(kind)
    return dict(platform.event_of(of, what, []))


@pytest.mark.parametrize(
    ("clicks", "cookie", "fbc"),
    [
        pytest.param([("IwAR_a-B9", AT - DAY)], "", f"fb.1.{MS - DAY_MS}.IwAR_a-B9", id="the landing's time"),
        pytest.param([], f"fb.1.{MS - 1000}", None, id="a cut cookie is not passed on"),
        pytest.param([], f"fb.1.{MS - 1000}.", None, id="a cookie without a click"),
        pytest.param([("NEW", AT - DAY)], f"fb.1.{MS - 2 * DAY_MS}.OLD", f"fb.1.{MS - DAY_MS}.NEW", id="newer click"),
        pytest.param([("OLD", AT - DAY)], f"fb.1.{MS - 1000}.NEW", f"fb.1.{MS - 1000}.NEW", id="newer cookie"),
        pytest.param([("X", AT - DAY)], f"fb.1.{MS - DAY_MS - 9}.X", f"fb.1.{MS - DAY_MS - 9}.X", id="the browser's"),
        pytest.param([], f"fb.1.{MS - 1000}.X.AQECAQMB", f"fb.1.{MS - 1000}.X.AQECAQMB", id="with its appendix"),
        pytest.param([("LATE", AT + DAY)], f"fb.1.{MS + DAY_MS}.LATER", None, id="clicks after the event"),
    ],
)
def test_metas_click_id_has_the_time_of_the_click(
    ads: InProcess, clicks: list[tuple[str, datetime]], cookie: str, fbc: str | None
) -> None:
    of = lead(*[Click("fbclid", value, at) for value, at in clicks], cookies={"_fbc": cookie})

    for what in (event(), event("qualified")):
        assert written(ads, "meta", of, what)["user_data"].get("fbc") == fbc


def test_metas_click_is_not_later_than_an_event_of_the_same_second(ads: InProcess) -> None:
    of = lead(Click("fbclid", "F", AT + timedelta(milliseconds=400)))
    body = written(ads, "meta", of, event(at=AT + timedelta(milliseconds=900)))

    assert body["user_data"]["fbc"] == f"fb.1.{MS + 400}.F"
    assert body["event_time"] * 1000 >= MS + 400


def test_metas_browser_id_is_the_browsers_or_none(ads: InProcess) -> None:
    known = written(ads, "meta", lead(cookies={"_fbp": "fb.1.1772359200123.123456789"}), event())
    assert known["user_data"]["fbp"] == "fb.1.1772359200123.123456789"
    assert "fbp" not in written(ads, "meta", lead(), event())["user_data"]


def test_meta_gets_a_page_with_its_browser_or_none_of_both(ads: InProcess) -> None:
    site = written(ads, "meta", lead(), event(user_agent="Mozilla/5.0"))
    assert (site["action_source"], site["event_source_url"]) == ("website", "https://p.test/")
    assert site["user_data"]["client_user_agent"] == "Mozilla/5.0"
    assert written(ads, "meta", lead(), event())["action_source"] == "system_generated"


def test_meta_gets_the_click_of_an_ad_on_whatsapp_or_a_reason(ads: InProcess) -> None:
    page, message = Click("fbclid", "F", AT - 2 * DAY), Click("ctwa_clid", "B2", AT - DAY)
    platform = ads.destination("meta")
    with pytest.raises(Withheld, match="whatsapp_business_account_id"):
        platform.event_of(lead(page, message), event(), [])
    with pytest.raises(Withheld, match="no click id"):
        platform.event_of(lead(page, Click("ctwa_clid", "", AT - DAY)), event(), [])
    assert isinstance(platform, MetaConversions)
    platform._whatsapp_account = "777"
    body = dict(platform.event_of(lead(page, Click("ctwa_clid", "A1", AT - 2 * DAY), message), event(), []))
    assert (body["action_source"], body["messaging_channel"]) == ("business_messaging", "whatsapp")
    assert (body["user_data"]["ctwa_clid"], body["user_data"]["whatsapp_business_account_id"]) == ("B2", "777")
    later = Click("fbclid", "N", AT - timedelta(hours=1))
    assert "messaging_channel" not in platform.event_of(lead(message, later), event(), [])


def test_meta_gets_no_purchase_without_its_value(ads: InProcess) -> None:
    with pytest.raises(Withheld, match="Purchase"):
        written(ads, "meta", lead(), event("won"))
    paid = written(ads, "meta", lead(), event("won", value=Decimal("12.50"), currency="BRL", order_id="o1"))
    assert paid["custom_data"] == {"value": 12.5, "currency": "BRL", "order_id": "o1"}


@pytest.mark.parametrize(
    ("clicks", "sent"),
    [
        pytest.param([("gclid", -2 * DAY), ("wbraid", -DAY)], {"wbraid": "wbraid"}, id="the newest"),
        pytest.param([("gbraid", -DAY), ("wbraid", -DAY)], {"wbraid": "wbraid"}, id="two of one landing"),
        pytest.param([("wbraid", -DAY), ("gclid", -DAY)], {"gclid": "gclid"}, id="gclid of one landing"),
        pytest.param([("gclid", -DAY), ("wbraid", DAY)], {"gclid": "gclid"}, id="none after the conversion"),
        pytest.param([("gclid", -DAY), ("wbraid", timedelta(seconds=2))], {"gclid": "gclid"}, id="none soon after it"),
        pytest.param([("fbclid", -DAY)], None, id="another platform's"),
    ],
)
def test_google_gets_one_click_the_newest_before_the_conversion(
    ads: InProcess, clicks: list[tuple[str, timedelta]], sent: dict[str, str] | None
) -> None:
    """Two ids in one conversion are refused, and a check for one blocked those without."""
    body = written(ads, "google_ads", lead(*[Click(name, name, AT + after) for name, after in clicks]), event())

    assert body.get("adIdentifiers") == sent
    assert body["userData"]["userIdentifiers"]


def test_a_conversion_two_seconds_before_its_click_is_put_behind_it(ads: InProcess) -> None:
    """By the phone's clock the form came first, and Google refuses a conversion before the click."""
    notes: list[str] = []
    of = lead(Click("gclid", "G", AT + timedelta(seconds=2)))

    body = ads.destination("google_ads").event_of(of, event(), notes)

    assert body["adIdentifiers"] == {"gclid": "G"}
    assert datetime.fromisoformat(body["eventTimestamp"]) == AT + timedelta(seconds=3)
    assert len(notes) == 1


def test_googles_time_is_utc_and_a_number_is_no_transaction_id(ads: InProcess) -> None:
    """Local time sent with +00:00 put all evening leads of Brazil before their clicks."""
    at = datetime.fromisoformat("2026-03-03T22:30:00-03:00")
    body = written(ads, "google_ads", lead(), event(at=at, event_id="12345"))

    assert body["eventTimestamp"] == "2026-03-04T01:30:00Z"
    assert body["transactionId"] == "event-12345"


@pytest.mark.parametrize(
    ("value", "currency", "amount"),
    [("12.345", "BRL", 1235), ("12.50", "JPY", 13), ("12.3456", "KWD", 12346), ("10", "USD", 1000)],
)
def test_openai_gets_amounts_in_minor_units(ads: InProcess, value: str, currency: str, amount: int) -> None:
    body = written(ads, "openai_ads", lead(), event("won", value=Decimal(value), currency=currency))

    assert body["data"] == {"type": "contents", "amount": amount, "currency": currency}


@pytest.mark.parametrize(
    ("kind", "age", "is_sent"),
    [
        pytest.param("meta", timedelta(hours=1), True, id="Meta tells it"),
        pytest.param("meta", timedelta(hours=49), False, id="Meta has forgotten it"),
        pytest.param("google_ads", timedelta(days=20), True, id="Google tells it for ever"),
        pytest.param("ga4", timedelta(seconds=1), False, id="GA4 never tells it"),
    ],
)
async def test_an_event_that_an_engine_died_with_is_sent_again_where_it_is_told(
    ads: InProcess, kind: str, age: timedelta, is_sent: bool
) -> None:
    destination, what = ads.destination(kind), event()
    of = Lead(**{**vars(PERSON), "events": (what,), "cookies": {"_ga": "GA1.1.111.222"}})
    mark = {what.kind: f"{SENDING}{(datetime.now(UTC) - age).isoformat()}"}
    asked = order(ads.connection(destination), of, **mark)

    if is_sent:
        await delivered(destination, asked)
    else:
        with pytest.raises(Withheld, match="count it twice"):
            await delivered(destination, asked)
    platforms = ads.platforms
    counted = [*platforms.meta.events, *platforms.google.conversions, *platforms.ga4.events]
    assert len(counted) == is_sent


@pytest.mark.parametrize(("minutes_left", "is_sent"), [(2, False), (10, True)])
async def test_an_event_whose_age_ends_on_the_way_is_not_sent(
    ads: InProcess, minutes_left: float, is_sent: bool
) -> None:
    """One that is too old when the platform looks at its clock makes it refuse all of a request."""
    destination = ads.destination("meta")
    at = datetime.now(UTC) - destination.longest_age + timedelta(minutes=minutes_left)
    asked = order(ads.connection(destination), Lead(**{**vars(PERSON), "events": (event(at=at),)}))
    if is_sent:
        await delivered(destination, asked)
    else:
        with pytest.raises(Withheld, match="older than 168 hours"):
            await delivered(destination, asked)
    assert len(ads.platforms.meta.events) == is_sent


async def test_an_event_that_cannot_be_written_costs_no_other_lead(ads: InProcess) -> None:
    destination = ads.destination("meta")
    strange = Lead(**{**vars(PERSON), "lead_id": "lead-2", "events": (event("born"),)})
    usual = Lead(**{**vars(PERSON), "events": (event(),)})
    connection = ads.connection(destination)
    orders = [order(connection, strange), order(connection, usual)]

    first, second = (await destination.deliver(orders)).values()

    assert isinstance(first, Withheld)
    assert second.fields
    assert list(ads.platforms.meta.events) == [("Lead", "e1")]


@pytest.mark.parametrize("kind", ["meta", "google_ads", "ga4", "openai_ads"])
async def test_an_account_is_tried_without_an_event_that_counts(ads: InProcess, kind: str) -> None:
    more = {"test_event_code": "TEST1"} if kind == "meta" else {}
    destination = ads.destination(kind, **more)
    assert isinstance(destination, contract.Testable)

    findings = await destination.test(Calls(ads.connection(destination)))

    assert {finding.state for finding in findings} <= {"ok", "note"}
    platforms = ads.platforms
    assert not [*platforms.meta.events, *platforms.google.conversions, *platforms.ga4.events, *platforms.openai.events]
    assert (
        len(platforms.meta.tests) + platforms.google.validated + platforms.openai.validated
        == {
            "meta": 1,
            "google_ads": 3,
            "ga4": 0,
            "openai_ads": 1,
        }[kind]
    )


async def test_ga4_says_what_is_wrong_with_an_event(ads: InProcess) -> None:
    destination = ads.destination("ga4")
    destination._names["lead"] = "not-a-name"

    first, _ = await destination.test(Calls(ads.connection(destination)))

    assert (first.state, "name is not valid" in first.detail) == ("wrong", True)


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        pytest.param(400, {"code": 190, "error_subcode": 463}, Misconfigured, id="token"),
        pytest.param(400, {"code": 100, "error_subcode": 33}, Misconfigured, id="no such data set"),
        pytest.param(403, {"code": 200}, Misconfigured, id="rights"),
        pytest.param(400, {"code": 80004}, Unavailable, id="limit"),
        pytest.param(400, {"code": 2}, OutcomeUnknown, id="passing"),
        pytest.param(500, {"code": 99}, OutcomeUnknown, id="broken"),
        pytest.param(400, {"code": 100, "error_subcode": 2804001}, Rejected, id="malformed fbc"),
    ],
)
def test_metas_code_says_more_than_the_status(ads: InProcess, status: int, error: dict[str, int], kind: type) -> None:
    body = httpx.Response(status, json={"error": error}).text

    assert type(ads.destination("meta").judge(Reply(status, httpx.Headers(), body, body))) is kind


def test_a_pixel_that_is_not_there_is_no_lost_record(ads: InProcess) -> None:
    answer = Reply(404, httpx.Headers(), "{}", "{}")
    assert isinstance(ads.destination("openai_ads").judge(answer), Misconfigured)
    assert isinstance(ads.destination("google_ads").judge(answer), NotThere)


async def test_the_secret_of_ga4_is_in_no_address_that_is_logged_or_recorded(
    ads: InProcess, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    destination = ads.destination("ga4")
    calls = Calls(ads.connection(destination))
    body = destination.event_of(lead(cookies={"_ga": "GA1.1.1.2"}), event(), [])
    await destination.send(calls, [body])

    assert len(ads.platforms.ga4.events) == 1
    assert "mp/collect" in caplog.text
    assert ads.platforms.ga4.api_secret not in caplog.text + str(calls.recorded)
