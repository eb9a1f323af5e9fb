"""Events of leads from the warehouse to the demo ad platforms, over HTTP, with a real ledger."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from echolead.demo.ads import PLATFORM_KINDS
from echolead.demo.chatwoot import Fault
from reverse_etl.engine import DeliveryEngine
from tests.fixtures.demo_ads import served_ads
from tests.fixtures.resyncing import resync
from tests.integration.reverse_etl.ads import NOW, AdFeedback, event_of, hours_ago, lead_of
from tests.integration.reverse_etl.conftest import Activation
from tests.integration.reverse_etl.settings import QUICK

UNHURRIED = replace(QUICK, attempt_seconds=60, lease_seconds=150)
TELLING = ("meta", "google_ads", "openai_ads")
"""Those that tell a repeated event."""


@pytest.fixture
def ads(activation: Activation) -> Iterator[AdFeedback]:
    """The platforms, with no destination yet."""
    activation.rows("update destinations set is_enabled = false returning 1")
    with served_ads() as served:
        yield AdFeedback(activation, served)


@pytest.fixture
def engine(ads: AdFeedback) -> Iterator[DeliveryEngine]:
    """A running engine that nothing but the platforms keeps from ending an attempt, on a busy machine too."""
    with DeliveryEngine(ads.activation.settings, UNHURRIED) as running:
        yield running


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def counted(ads: AdFeedback, kind: str) -> list[tuple[str, str]]:
    """The events that a platform counts, by its name for them and their id."""
    platforms = ads.served.platforms
    found = {
        "meta": list(platforms.meta.events),
        "google_ads": list(platforms.google.conversions),
        "openai_ads": list(platforms.openai.events),
        "ga4": [(event["name"], event["params"]["transaction_id"]) for event in platforms.ga4.events],
    }
    return sorted(found[kind])


EXPECTED = {
    "meta": [("Lead", "lead-of-l1"), ("Purchase", "won-of-l1"), ("QualifiedLead", "qualified-of-l1")],
    "google_ads": [("111", "lead-of-l1"), ("222", "qualified-of-l1"), ("333", "won-of-l1")],
    "openai_ads": [("custom", "qualified-of-l1"), ("lead_created", "lead-of-l1"), ("order_created", "won-of-l1")],
    "ga4": [
        ("close_convert_lead", "order-of-l1"),
        ("generate_lead", "lead-of-l1"),
        ("qualify_lead", "qualified-of-l1"),
    ],
}


def test_each_event_of_a_lead_is_reported_once_as_it_comes(
    ads: AdFeedback, activation: Activation, engine: DeliveryEngine
) -> None:
    places = ads.destinations(*PLATFORM_KINDS)
    for names in (("lead",), ("lead", "qualified"), ("lead", "qualified", "won")):
        ads.want(places, lead_of("l1", *names))
        activation.settle(engine)

    assert {kind: counted(ads, kind) for kind in PLATFORM_KINDS} == EXPECTED
    assert len(activation.attempts(operation="send events")) == 3 * len(PLATFORM_KINDS)
    states = {kind: ads.rows(place)["l1"]["state"] for kind, place in places.items()}
    assert states == {"meta": "delivered", "google_ads": "verified", "ga4": "delivered", "openai_ads": "delivered"}
    platforms = ads.served.platforms
    assert (platforms.meta.repeated, platforms.google.repeated, platforms.openai.repeated) == (0, 0, 0)
    secrets = [secret for kind in PLATFORM_KINDS for secret in ads.served.settings(kind).secrets.values()]
    assert not any(secret in str(activation.attempts()) for secret in secrets)


def test_without_consent_to_ads_nothing_is_sent_and_the_ledger_says_so(
    ads: AdFeedback, activation: Activation, engine: DeliveryEngine
) -> None:
    places = ads.destinations(*PLATFORM_KINDS)
    stated = {"l1": "denied", "l2": "unknown"}
    leads = [lead_of(lead_id, "lead", consent={"ads": consent}) for lead_id, consent in stated.items()]
    ads.want(places, *leads, lead_of("l3", "lead", consent={}))

    activation.settle(engine)

    for place in places.values():
        reasons = {lead_id: (row["state"], row["last_error"]) for lead_id, row in ads.rows(place).items()}
        assert reasons == {
            "l1": ("withheld", "Consent to ads is denied."),
            "l2": ("withheld", "Consent to ads is unknown."),
            "l3": ("withheld", "Consent to ads is unknown."),
        }
    assert activation.attempts() == []


def test_an_event_that_is_too_old_is_never_sent_and_a_newer_one_of_the_lead_is(
    ads: AdFeedback, activation: Activation, engine: DeliveryEngine
) -> None:
    """One event over the limit makes Meta and OpenAI refuse all of a request, and GA4 drop it without a word."""
    places = ads.destinations(*PLATFORM_KINDS)
    limits = {"meta": 168, "openai_ads": 168, "ga4": 72, "google_ads": 2160}
    for kind, hours in limits.items():
        old = event_of("l1", "lead", at=hours_ago(hours + 1))
        last = event_of("l2", "qualified", at=hours_ago(hours - 1))
        activation.want(lead_of("l1", events=[old]), lead_of("l2", events=[old, last]), destination=places[kind])

    activation.settle(engine)

    for kind, place in places.items():
        withheld = ads.rows(place)["l1"]
        assert withheld["state"] == "withheld"
        assert f"older than {limits[kind]} hours" in withheld["last_error"]
        assert [event_id for _, event_id in counted(ads, kind)] == ["qualified-of-l2"]
    notes = activation.attempts(outcome="withheld")
    assert len(notes) == len(PLATFORM_KINDS)
    assert all("lead of" in note["response"] for note in notes)
    assert ads.served.platforms.ga4.dropped == []


def test_an_event_ahead_of_our_clock_is_sent_as_of_now_and_a_day_ahead_never(
    ads: AdFeedback, activation: Activation, engine: DeliveryEngine
) -> None:
    ads.destination("meta")
    activation.want(
        lead_of("l1", events=[event_of("l1", at=hours_ago(-0.5))]),
        lead_of("l2", events=[event_of("l2", at=hours_ago(-24))]),
    )

    activation.settle(engine)

    assert counted(ads, "meta") == [("Lead", "lead-of-l1")]
    assert {row["lead_id"]: row["state"] for row in activation.rows()} == {"l1": "delivered", "l2": "withheld"}


def test_one_bad_event_costs_neither_the_leads_other_events_nor_its_neighbours(
    ads: AdFeedback, activation: Activation, engine: DeliveryEngine
) -> None:
    places = ads.destinations(*TELLING)
    platforms = ads.served.platforms
    all_refused = (platforms.meta.refused, platforms.google.refused, platforms.openai.refused)
    for refused in all_refused:
        refused.add("lead-of-l3")
    ads.want(places, *[lead_of(f"l{number}", "lead", "qualified") for number in range(8)])

    turn = activation.settle(engine)

    assert turn.dead == len(TELLING)
    events = {f"{name}-of-l{number}" for number in range(8) for name in ("lead", "qualified")}
    for kind, place in places.items():
        assert {event_id for _, event_id in counted(ads, kind)} == events - {"lead-of-l3"}
        dead = [row for row in ads.rows(place).values() if row["state"] == "dead"]
        assert [(row["lead_id"], row["last_error_class"]) for row in dead] == [("l3", "Rejected")]

    for refused in all_refused:
        refused.clear()
    assert resync(activation.settings, activation.tenant_id) == {"dead": len(TELLING)}
    activation.settle(engine)
    assert {kind: len(counted(ads, kind)) for kind in TELLING} == dict.fromkeys(TELLING, 16)
    assert (platforms.meta.repeated, platforms.google.repeated, platforms.openai.repeated) == (0, 0, 0)


def test_an_event_whose_fate_is_unknown_is_sent_again_where_the_platform_tells_it(
    ads: AdFeedback, activation: Activation, engine: DeliveryEngine
) -> None:
    places = ads.destinations(*TELLING)
    ads.served.faults.replace(
        [Fault("cut_after", where=f"{path}/.*events", times=4) for path in ("meta", "google", "openai")]
    )
    ads.want(places, lead_of("l1", "lead"))

    activation.settle(engine)

    platforms = ads.served.platforms
    assert (platforms.meta.repeated, platforms.google.repeated, platforms.openai.repeated) == (4, 4, 4)
    assert {kind: len(counted(ads, kind)) for kind in TELLING} == dict.fromkeys(TELLING, 1)
    assert sorted(activation.states()) == ["delivered", "delivered", "verified"]


def test_ga4_is_sent_nothing_twice_that_may_have_arrived(
    ads: AdFeedback, activation: Activation, engine: DeliveryEngine
) -> None:
    """GA4 counts a repeated event again, and answers 204 to both."""
    ads.destination("ga4")
    ads.served.faults.replace(
        [Fault("cut_after", times=1), Fault("status_after", times=1), Fault("hang_after", times=1, seconds=3)]
    )
    activation.want(*[lead_of(f"l{number}", "lead") for number in range(3)])
    activation.settle(engine)

    assert activation.states() == ["withheld"] * 3
    assert all("would count it twice" in row["last_error"] for row in activation.rows())
    activation.want(lead_of("l1", "lead", "qualified"))
    activation.settle(engine)

    names = ["generate_lead"] * 3 + ["qualify_lead"]
    assert [name for name, _ in counted(ads, "ga4")] == names


def test_ga4_is_asked_again_when_it_took_nothing(
    ads: AdFeedback, activation: Activation, engine: DeliveryEngine
) -> None:
    ads.destination("ga4")
    ads.served.faults.replace([Fault("status", times=2, status=503)])
    activation.want(lead_of("l1", "lead"))

    activation.settle(engine)

    assert counted(ads, "ga4") == [("generate_lead", "lead-of-l1")]
    assert activation.states() == ["delivered"]


def test_ga4_gets_the_browsers_client_and_nothing_is_made_up(
    ads: AdFeedback, activation: Activation, engine: DeliveryEngine
) -> None:
    """Made-up client ids show as new users who came directly: conversions without their campaign."""
    ads.destination("ga4", qualified_event="lead-qualified")
    ga4 = ads.served.platforms.ga4
    ga4.known_clients = {"111.222"}
    cookies = {"_ga": "GA1.1.111.222", "_ga_DEMO12345": "GS1.1.1772359200.3.1.1772359260.0.0.0"}
    long = event_of("l1", "qualified", order_id="x" * 140)
    activation.want(
        lead_of("l1", events=[long], cookies=cookies),
        lead_of("l2", "lead", cookies={}),
        lead_of("l3", events=[event_of("l3", at=hours_ago(80))]),
    )

    activation.settle(engine)

    (event,) = ga4.events
    assert (event["client_id"], event["name"]) == ("111.222", "lead_qualified")
    assert event["params"]["session_id"] == "1772359200"
    assert event["params"]["transaction_id"] == "x" * 100
    assert event["timestamp_micros"] == int((NOW - timedelta(hours=1)).timestamp()) * 1_000_000
    assert (ga4.made_up, ga4.dropped) == ([], [])
    reasons = {row["lead_id"]: row["last_error"] for row in activation.rows() if row["state"] == "withheld"}
    assert "no client id" in reasons["l2"]
    assert "older than 72 hours" in reasons["l3"]
    assert "transaction_id was cut" in activation.attempts(operation="adapt an event")[0]["response"]


def test_meta_and_google_find_the_person_by_their_own_forms(
    ads: AdFeedback, activation: Activation, engine: DeliveryEngine
) -> None:
    """A wrong hash is accepted with 200 and matches nobody; nothing ever reports it."""
    person = {"email": "ana@example.com", "phone": "+5511987654321", "name": "João Silva"}
    known = {"meta": sha256("5511987654321"), "google_ads": sha256("+5511987654321")}
    ads.served.platforms.meta.known = {known["meta"]}
    for kind in known:
        ads.destination(kind)
        activation.want(
            lead_of("l1", "lead", **person),
            lead_of("l2", "lead", email="ana@example.com", phone="+0000000000"),
            lead_of("l3", "lead", email="not an address", clicks=[]),
            lead_of("l4", "lead", email=sha256("ana@example.com").upper(), phone=""),
        )
        activation.settle(engine)

        assert [event_id for _, event_id in counted(ads, kind)] == ["lead-of-l1", "lead-of-l2", "lead-of-l4"]
    assert ads.served.platforms.meta.matched() == {("Lead", "lead-of-l1")}
    of_meta = {event["event_id"]: event["user_data"] for event in ads.served.platforms.meta.events.values()}
    of_google = {
        key[1]: event["userData"]["userIdentifiers"] for key, event in ads.served.platforms.google.conversions.items()
    }
    email = sha256("ana@example.com")
    assert {tuple(each["em"]) for each in of_meta.values()} == {(email,)}
    assert of_google["lead-of-l1"] == [{"emailAddress": email}, {"phoneNumber": known["google_ads"]}]
    assert ("ph" in of_meta["lead-of-l2"], of_google["lead-of-l2"]) == (False, [{"emailAddress": email}])
    assert of_google["lead-of-l4"] == [{"emailAddress": email}]
    reasons = {row["last_error"] for row in activation.rows("select * from deliveries where state = 'withheld'")}
    assert all("no usable identifier" in reason for reason in reasons)
    assert "ana@example.com" not in str(activation.attempts())
    assert "5511987654321" not in str(activation.attempts())


def test_metas_click_has_the_time_of_the_landing_however_late_it_is_sent(
    ads: AdFeedback, activation: Activation, engine: DeliveryEngine
) -> None:
    """Built when it is sent, a late event claims a click after itself."""
    ads.destination("meta")
    landed = NOW - timedelta(hours=3) + timedelta(milliseconds=123)
    click = {"name": "fbclid", "value": "IwAR_a-B9", "at": landed.isoformat()}
    ads.served.faults.replace([Fault("status", times=2, status=503)])
    for names in (("lead",), ("lead", "won")):
        activation.want(lead_of("l1", *names, clicks=[click]))
        activation.settle(engine)

    milliseconds = round(landed.timestamp() * 1000)
    found = {event["user_data"]["fbc"] for event in ads.served.platforms.meta.events.values()}
    assert found == {f"fb.1.{milliseconds}.IwAR_a-B9"}


def test_a_refused_token_stops_the_lane_and_costs_no_event(ads: AdFeedback, activation: Activation) -> None:
    ads.destination("meta")
    meta = ads.served.platforms.meta
    right, meta.access_token = meta.access_token, "replaced"
    activation.want(lead_of("l1", "lead"), lead_of("l2", "lead"))
    with DeliveryEngine(activation.settings) as engine:
        engine.run_once()

    assert set(activation.states()) <= {"pending", "retry"}
    assert "Misconfigured" in {row["last_error_class"] for row in activation.rows()}
    meta.access_token = right
    activation.rows("update deliveries set next_attempt_at = now() returning 1")
    with DeliveryEngine(activation.settings) as engine:
        activation.settle(engine)
    assert len(counted(ads, "meta")) == 2


def test_a_success_that_says_nothing_of_the_events_is_no_success(
    ads: AdFeedback, activation: Activation, engine: DeliveryEngine
) -> None:
    ads.destination("meta")
    ads.served.faults.replace([Fault("status", times=1, status=200)])
    activation.want(lead_of("l1", "lead"))

    activation.settle(engine)

    assert counted(ads, "meta") == [("Lead", "lead-of-l1")]
    assert [row["attempts"] for row in activation.rows()] == [2]


def test_a_request_that_google_still_processes_is_looked_at_later(
    ads: AdFeedback, activation: Activation, engine: DeliveryEngine
) -> None:
    ads.destination("google_ads")
    ads.served.platforms.google.looks = 1
    activation.want(lead_of("l1", "lead"))
    engine.run_once()

    (row,) = activation.rows()
    assert (row["state"], row["last_error"]) == ("delivered", "Google is still processing it.")
    assert (row["next_attempt_at"] - row["delivered_at"]).total_seconds() > 1800
    activation.rows("update deliveries set next_attempt_at = now() returning 1")
    activation.settle(engine)

    assert activation.states() == ["verified"]
    assert len(activation.attempts(operation="send events")) == 1


def test_a_request_whose_state_was_superseded_meanwhile_is_still_looked_at(
    ads: AdFeedback, activation: Activation, engine: DeliveryEngine
) -> None:
    place = ads.destination("google_ads")
    google = ads.served.platforms.google
    google.looks = 1
    google.failures["lead-of-l1"] = "INVALID_GCLID"
    activation.want(lead_of("l1", "lead"))
    engine.run_once()
    google.looks = 0
    activation.want(lead_of("l1", "lead", "qualified"))

    activation.settle(engine)

    assert ads.rows(place)["l1"]["last_error"] == "Google refused it in processing: INVALID_GCLID."
    google.failures.clear()
    resync(activation.settings, activation.tenant_id)
    activation.settle(engine)
    assert counted(ads, "google_ads") == [("111", "lead-of-l1"), ("222", "qualified-of-l1")]
    looks = len(activation.attempts(operation="read status"))
    activation.want(lead_of("l1", "lead", "qualified", name="Ana Maria"))
    activation.settle(engine)
    assert len(activation.attempts(operation="read status")) == looks


def test_what_google_refuses_in_processing_is_dead_with_its_reason_and_can_be_sent_again(
    ads: AdFeedback, activation: Activation, engine: DeliveryEngine
) -> None:
    ads.destination("google_ads")
    failures = ads.served.platforms.google.failures
    failures |= {"lead-of-l1": "INVALID_GCLID", "lead-of-l2": "INTERNAL_ERROR"}
    activation.want(lead_of("l1", "lead", "qualified"))
    activation.settle(engine)
    (dead,) = activation.rows()
    assert (dead["state"], dead["last_error"]) == ("dead", "Google refused it in processing: INVALID_GCLID.")

    del failures["lead-of-l1"]
    resync(activation.settings, activation.tenant_id)
    activation.settle(engine)

    assert activation.states() == ["verified"]
    assert counted(ads, "google_ads") == [("111", "lead-of-l1"), ("222", "qualified-of-l1")]


def test_a_passing_failure_of_googles_is_sent_again(
    ads: AdFeedback, activation: Activation, engine: DeliveryEngine
) -> None:
    ads.destination("google_ads")
    google = ads.served.platforms.google
    google.failures["lead-of-l1"] = "INTERNAL_ERROR"
    activation.want(lead_of("l1", "lead"))
    engine.run_once()
    google.failures.clear()

    activation.settle(engine)

    assert counted(ads, "google_ads") == [("111", "lead-of-l1")]
    assert activation.states() == ["verified"]


def test_a_conversion_action_that_is_not_there_is_the_destinations_fault(
    ads: AdFeedback, activation: Activation, engine: DeliveryEngine
) -> None:
    ads.destination("google_ads", lead_action="999")
    activation.want(lead_of("l1", "lead"))

    engine.run_once()

    (row,) = activation.rows()
    assert (row["state"], row["last_error_class"]) == ("retry", "Misconfigured")
    assert "no such conversion action" in row["last_error"]
