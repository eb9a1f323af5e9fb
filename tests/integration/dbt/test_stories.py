"""What the marts make of what visitors did: a tenant for each story, all built together and tested by dbt."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from echolead.metrics.people import Question, statement
from echolead.metrics.periods import period
from reverse_etl.lead import Click, Lead
from tests.factories import (
    CHROME_ON_ANDROID,
    moment,
    raw_delivery,
    raw_delivery_attempt,
    raw_destination,
    raw_rejected_event,
    raw_tenant,
    raw_tenant_host,
    uid,
)
from tests.fixtures.visitor_stories import ARRIVALS, STORIES
from tests.integration.dbt.conftest import Project


@pytest.fixture(scope="module")
def told(project: Project) -> Project:
    """Every story, built by `dbt build`: models, unit tests, data tests."""
    project.forget()
    tenants = ["acme", "bistro", "clinica", "dentista", "escola", "frota", "galeria", "hotel", "igreja", "jornal"]
    project.write("tenants", [raw_tenant(each) for each in tenants])
    project.write("tenant_hosts", [raw_tenant_host("acme", "lp.acme.test")])
    project.write(
        "destinations",
        [raw_destination(each) for each in tenants]
        + [raw_destination(tenant, kind) for tenant in ("acme", "clinica", "jornal") for kind in ("webhook", "meta")]
        + [raw_destination("acme", "hubspot", is_enabled=False)],
    )
    project.write("events", [row for story in STORIES for row in story()])
    project.write("rejected_events", [raw_rejected_event("invalid_event"), raw_rejected_event("invalid_event")])
    project.write(
        "deliveries",
        [
            raw_delivery("first"),
            raw_delivery("first", state="verified", attempts=1, updated_at=moment(1)),
            raw_delivery("second", state="retry", attempts=3),
        ],
    )
    project.write("delivery_attempts", [raw_delivery_attempt("first"), raw_delivery_attempt("first")])
    project.run("build")
    return project


def payload_of(project: Project, tenant_id: str, lead: str, kind: str = "chatwoot") -> dict[str, Any]:
    (row,) = project.query(
        "select payload from activation.lead_deliveries"
        " where tenant_id = {t:String} and lead_id = {lead:String} and destination_kind = {kind:String}",
        t=tenant_id,
        lead=uid(lead),
        kind=kind,
    )
    payload: dict[str, Any] = json.loads(row["payload"])
    return payload


def test_an_event_received_twice_is_one_event(told: Project) -> None:
    (seen,) = told.query("select received_at from enriched.events where event_id = {e:String}", e=uid("ana sees"))
    assert seen["received_at"] < moment(5)


def test_a_paid_visit_arrives_in_chatwoot_with_its_origin(told: Project) -> None:
    payload = payload_of(told, "acme", "ana")
    assert (payload["name"], payload["email"], payload["phone"]) == ("Ana", "ana@example.test", "+5511987654321")
    assert payload["labels"] == ["campanha-lancamento", "canal-paid-search", "origem-google"]
    assert payload["tracking_ids"] == sorted([uid("ana"), uid("ana at work")])
    expected = {
        "channel": "Paid Search",
        "source": "google",
        "medium": "cpc",
        "campaign": "Lançamento",
        "gclid": "Abc_123",
        "first_source": "google",
        "first_landing_page": "https://lp.acme.test/oferta",
        "first_seen_at": "2025-03-10T12:00:00-03:00",
        "last_source": "(direct)",
        "sessions_count": 2,
        "marketing_consent": "granted",
    }
    assert expected.items() <= payload["attributes"].items()


def test_a_lead_says_why_it_has_its_source(told: Project) -> None:
    (lead,) = told.query("select source_reason from marts.leads where tenant_id = 'acme'")
    assert lead["source_reason"] == (
        "last_non_direct session / utm / Paid Search: "
        "utm_source=google utm_medium=cpc utm_campaign=Lançamento gclid=Abc_123"
    )


def test_a_phone_with_and_without_its_ninth_digit_is_one_lead(told: Project) -> None:
    assert told.query("select lead_id from marts.leads where tenant_id = 'acme'") == [{"lead_id": uid("ana")}]


def test_the_same_person_at_two_tenants_is_two_leads(told: Project) -> None:
    leads = told.query("select tenant_id from marts.leads where email = 'ana@example.test' order by tenant_id")
    assert [each["tenant_id"] for each in leads] == ["acme", "clinica"]


def test_a_direct_return_does_not_take_the_source_from_the_organic_visit(told: Project) -> None:
    attributes = payload_of(told, "bistro", "bia")["attributes"]
    assert (attributes["channel"], attributes["first_source"], attributes["last_source"]) == (
        "Organic Search",
        "google",
        "(direct)",
    )


def test_marketing_denied_lets_nothing_but_the_contact_leave(told: Project) -> None:
    assert payload_of(told, "clinica", "caio") == {
        "lead_id": uid("caio"),
        "name": "Caio",
        "email": "caio@x.test",
        "phone": "",
        "external_id": "",
        "tracking_ids": [],
        "labels": ["sem-consentimento-marketing"],
        "attributes": {"marketing_consent": "denied"},
        "withheld": ["attributes", "external_id", "labels", "tracking_ids"],
    }


def test_an_ad_platform_gets_the_click_and_what_came_of_it(told: Project) -> None:
    """The click is as old as its landing however often it is told of; the form has the id that the browser gave it."""
    lead = Lead.of(payload_of(told, "jornal", "gil", "meta"))
    assert lead.clicks == (Click("fbclid", "IwAR_a-B9", datetime(2025, 3, 10, 15, 0, 0, 123_000, tzinfo=UTC)),)
    assert lead.cookies == {"_fbp": "fb.1.1741608000000.77", "_ga": "GA1.1.111.222"}
    assert lead.consent == {"ads": "granted", "analytics": "granted", "marketing": "granted"}
    form, call, sale = lead.events
    assert (form.event_id, form.name, form.at) == (uid("gil form_submit 5"), "lead", moment(5))
    assert (form.page_url, form.user_agent) == ("https://j.test/", CHROME_ON_ANDROID)
    assert (call.event_id, call.name, call.value) == (uid("gil is called"), "qualified", None)
    assert (sale.event_id, sale.name, sale.at) == (uid("gil pays"), "won", moment(1440))
    assert (sale.value, sale.currency, sale.order_id) == (Decimal("1234.50"), "BRL", "77")
    assert (sale.page_url, sale.user_agent) == ("https://j.test/obrigado", "")
    assert (lead.attributes, lead.labels, lead.tracking_ids) == ({}, (), (uid("gil"),))


def test_a_receiver_of_everything_gets_the_same_and_the_origin(told: Project) -> None:
    meta, webhook = (Lead.of(payload_of(told, "jornal", "gil", kind)) for kind in ("meta", "webhook"))
    assert (webhook.clicks, webhook.cookies, webhook.events) == (meta.clicks, meta.cookies, meta.events)
    assert webhook.attributes["source"] == "facebook"
    assert webhook.first_touch_at is not None
    assert webhook.time_zone == "America/Sao_Paulo"


def test_who_said_nothing_of_ads_is_named_to_no_ad_platform(told: Project) -> None:
    assert payload_of(told, "acme", "ana", "meta") == {
        "lead_id": uid("ana"),
        "consent": {"ads": "unknown", "analytics": "unknown", "marketing": "unknown"},
        "withheld": [
            "clicks",
            "cookies",
            "email",
            "events",
            "external_id",
            "name",
            "phone",
            "time_zone",
            "tracking_ids",
        ],
    }
    assert [click.value for click in Lead.of(payload_of(told, "acme", "ana", "webhook")).clicks] == ["Abc_123"]


def test_who_allows_marketing_and_no_ads_is_told_of_to_the_crm_alone(told: Project) -> None:
    assert payload_of(told, "jornal", "hana", "meta").keys() == {"lead_id", "consent", "withheld"}
    webhook = Lead.of(payload_of(told, "jornal", "hana", "webhook"))
    assert webhook.consent == {"ads": "denied", "analytics": "unknown", "marketing": "granted"}
    assert [event.name for event in webhook.events] == ["lead"]


def test_withdrawn_consent_is_said_and_the_history_is_not(told: Project) -> None:
    lead = Lead.of(payload_of(told, "clinica", "caio", "webhook"))
    assert lead.consent == {"ads": "denied", "analytics": "granted", "marketing": "denied"}
    assert (lead.clicks, lead.cookies, lead.events, lead.first_touch_at) == ((), {}, (), None)
    assert {"clicks", "events", "first_touch_at"} < set(lead.withheld)


def test_marketing_denied_without_a_form_is_said_where_the_lead_is_already(told: Project) -> None:
    """The engine sends a withdrawal to nobody who does not know the lead."""
    delivered = told.query("select lead_id, payload from activation.lead_deliveries where tenant_id = 'clinica'")
    withdrawals = {each["lead_id"] for each in delivered if Lead.of(json.loads(each["payload"])).is_withdrawal}
    assert withdrawals == {uid("davi")}
    assert {each["lead_id"] for each in delivered} == {uid("caio"), uid("ana"), uid("davi")}
    assert payload_of(told, "clinica", "davi") == {
        "lead_id": uid("davi"),
        "name": "",
        "email": "",
        "phone": "",
        "external_id": "",
        "tracking_ids": [],
        "labels": ["sem-consentimento-marketing"],
        "attributes": {"marketing_consent": "denied"},
        "withdrawal": True,
        "withheld": ["attributes", "external_id", "labels", "tracking_ids"],
    }


def test_a_form_brings_the_first_touch_from_before_consent(told: Project) -> None:
    (lead,) = told.query(
        "select first_source, first_channel, first_touch_at, last_source, source, sessions_count from marts.leads"
        " where tenant_id = 'dentista'"
    )
    assert (lead["first_source"], lead["first_channel"], lead["last_source"]) == ("google", "Paid Search", "(direct)")
    assert lead["source"] == "google"
    assert lead["first_touch_at"] < moment(1)
    assert lead["sessions_count"] == 1


@pytest.mark.parametrize(("referrer", "expected"), ARRIVALS.items(), ids=[each.split("/")[2] for each in ARRIVALS])
def test_a_referrer_names_source_and_channel(told: Project, referrer: str, expected: tuple[str, str]) -> None:
    (row,) = told.query(
        "select source, channel from enriched.events where tenant_id = 'escola' and touch_referrer = {r:String}",
        r=referrer,
    )
    assert (row["source"], row["channel"]) == expected


def test_a_bot_is_flagged_and_kept_out_of_the_funnel(told: Project) -> None:
    rows = told.query(
        "select tracking_id, is_bot, bot_reason, device_type, os from enriched.events where tenant_id = 'frota'"
    )
    found = {each["tracking_id"]: each for each in rows}
    assert found[uid("bot")]["bot_reason"] == "crawler"
    assert found[uid("nobody")]["bot_reason"] == "no_user_agent"
    assert (found[uid("tablet")]["is_bot"], found[uid("tablet")]["device_type"]) == (False, "tablet")
    assert found[uid("tablet")]["os"] == "iOS"
    assert told.query("select sum(visitors) as n from marts.funnel_daily where tenant_id = 'frota'") == [{"n": 1}]


def test_the_funnel_counts_visits_leads_and_revenue(told: Project) -> None:
    rows = told.query(
        "select channel, visitors, sessions, chats, leads, toString(revenue) as revenue from marts.funnel_daily"
        " where tenant_id in ('acme', 'bistro') order by tenant_id, channel"
    )
    assert [tuple(each.values()) for each in rows] == [
        ("Direct", 1, 1, 0, 0, None),
        ("Paid Search", 1, 1, 0, 1, "99.9"),
        ("Direct", 1, 1, 1, 0, None),
        ("Organic Search", 1, 1, 0, 1, None),
    ]


def test_the_figures_of_a_period_look_for_its_sessions_by_their_times(told: Project) -> None:
    sql, bound = statement(Question(period("7d", "America/Sao_Paulo", datetime(2026, 3, 10, tzinfo=UTC))))
    plan = [str(row) for row in told.query(f"explain indexes = 1 {sql}", tenant_id="acme", **bound)]
    of_sessions = next(number for number, line in enumerate(plan) if "marts.sessions" in line)
    assert any("of_time" in line for line in plan[of_sessions:])


def test_a_delivery_is_what_the_ledger_said_last(told: Project) -> None:
    rows = told.query("select state, attempts, destination_name from marts.deliveries order by state")
    assert [tuple(each.values()) for each in rows] == [("retry", 3, "chatwoot"), ("verified", 1, "chatwoot")]
    assert len(told.query("select * from marts.delivery_attempts")) == 1


def test_operators_see_what_is_stuck_refused_and_how_fresh_the_layers_are(told: Project) -> None:
    assert told.query("select delivery_id from ops.stuck_deliveries") == [{"delivery_id": uid("second")}]
    (refused,) = told.query("select stage, reason, rejected from ops.rejected_by_reason")
    assert tuple(refused.values()) == ("collector", "invalid_event", 2)
    layers = told.query("select layer from ops.freshness where tenant_id = 'acme' order by layer")
    assert [each["layer"] for each in layers] == ["deliveries", "enriched", "leads", "raw"]


def test_three_people_at_one_tablet_are_three_leads_with_their_own_data(told: Project) -> None:
    leads = told.query("select lead_id, name, email, phone from marts.leads where tenant_id = 'galeria' order by name")
    assert [(each["name"], each["email"], each["phone"]) for each in leads] == [
        ("Ana", "ana@x.test", "+5511987650001"),
        ("Bia", "bia@x.test", "+5511987650002"),
        ("Caio", "caio@x.test", ""),
    ]
    ana, bia, caio = (each["lead_id"] for each in leads)
    assert ana == uid("tablet")
    assert {bia.partition(".")[0], caio.partition(".")[0]} == {ana}


def test_what_is_sent_of_a_person_at_a_tablet_names_nobody_else(told: Project) -> None:
    """A destination looks a lead up by the ids it is sent: the tablet's own is the first person's alone."""
    rows = told.query("select payload from activation.lead_deliveries where tenant_id = 'galeria'")
    payloads = {each["name"]: each for each in (json.loads(row["payload"]) for row in rows)}
    assert payloads["Ana"]["tracking_ids"] == [uid("tablet")]
    assert payloads["Bia"]["tracking_ids"] == sorted([payloads["Bia"]["lead_id"], uid("bia's phone")])
    assert payloads["Caio"]["tracking_ids"] == [payloads["Caio"]["lead_id"]]
    assert {each["attributes"]["source"] for each in payloads.values()} == {"google"}


def test_visits_and_conversions_are_of_the_person_who_last_said_who_they_are(told: Project) -> None:
    visits = told.query(
        "select name, sessions_count, first_source from marts.leads where tenant_id = 'galeria' order by name"
    )
    assert [(each["name"], each["sessions_count"]) for each in visits] == [("Ana", 1), ("Bia", 2), ("Caio", 2)]
    assert {each["first_source"] for each in visits} == {"google"}
    converted = told.query(
        "select name from marts.leads where (tenant_id, lead_id) in"
        " (select tenant_id, lead_id from marts.conversions where tenant_id = 'galeria' and name = 'agendou')"
    )
    assert converted == [{"name": "Caio"}]


def test_what_many_give_connects_nobody_and_a_contact_of_different_people_is_shown(told: Project) -> None:
    leads = told.query("select email, phone, alternatives from marts.leads where tenant_id = 'hotel' order by phone")
    assert [(each["email"], each["phone"]) for each in leads] == [
        ("nao@tem.com", "+5511987650001"),
        ("nao@tem.com", "+5511987650002"),
        ("contato@imobiliaria.example", "+5511987650005"),
    ]
    assert [other[:3] for other in leads[2]["alternatives"]] == [
        ("name", "Davi", uid("t6")),
        ("phone", "+5511987650006", uid("t6")),
    ]
    shown = told.query("select kind, value, reason, visitors, leads from ops.shared_values where tenant_id = 'hotel'")
    assert [tuple(each.values()) for each in shown] == [
        ("email", "contato@imobiliaria.example", "different_people", 2, 1)
    ]


def test_an_id_that_is_a_word_for_none_connects_nobody(told: Project) -> None:
    people = told.query("select people from marts.leads where tenant_id = 'igreja'")
    assert sorted(sorted(each["people"]) for each in people) == sorted(
        [
            *([uid(f"{given} {number}")] for given in ("undefined", "null") for number in range(3)),
            sorted([uid("77 0"), uid("77 1")]),
        ]
    )
    assert told.query("select value from ops.shared_values where tenant_id = 'igreja'") == []


def test_the_id_of_a_lead_that_is_part_of_another_names_it(told: Project) -> None:
    rows = told.query(
        "select alias, lead_id from marts.lead_aliases where tenant_id in ('acme', 'galeria') order by all"
    )
    leads = told.query("select lead_id from marts.leads where tenant_id = 'galeria' and name = 'Bia'")
    assert {tuple(each.values()) for each in rows} == {
        (uid("ana at work"), uid("ana")),
        (uid("bia's phone"), leads[0]["lead_id"]),
    }
