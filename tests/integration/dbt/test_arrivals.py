"""Where a visit begins, where a lead comes from, and what a conversion is worth, by turns as in the live path."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dlt_pipelines.collector.rows import EventRows
from dlt_pipelines.collector.straight import NO_MESSAGE
from echolead.demo.traffic.generator import generate
from echolead.demo.traffic.sites import sites
from tests.factories import (
    arrival,
    moment,
    raw_destination,
    raw_event,
    raw_tenant,
    raw_tenant_host,
    raw_tenant_rate,
    uid,
)
from tests.integration.dbt.conftest import Project, Rows, Story, StoryResults, run_stories

# What the script makes of the same walks is held against the same file (tracking/test/walks.spec.js).
WALKS = json.loads((Path(__file__).parents[2] / "fixtures" / "arrivals.json").read_text())
HOST = "https://lp.acme.test"
TENANTS = ("walks", "tabs", "slow", "inside", "bank", "night")
DAY = 1440


def a_walk(walk: dict[str, Any]) -> Rows:
    """The pages of a walk as a browser without the script reports them: their addresses alone say how it came."""
    return [
        raw_event(
            tenant_id="walks",
            visitor=walk["case"],
            at=moment(minute),
            url=f"{HOST}{address}",
            referrer=f"{HOST}/before" if referrer == "own" else referrer,
            sent_by="pixel",
        )
        for minute, address, referrer in walk["pages"]
    ]


def two_tabs_that_alternate() -> Rows:
    """Tab a came at 0 and tab b a minute later; each tells of its own arrival until the form in a."""
    tabs = {
        name: arrival(moment(minute), f"{HOST}/?utm_campaign={name}", utm_campaign=name)
        for minute, name in enumerate("ab")
    }

    def in_tab(tab: str, minute: float, name: str = "page_ping", **said: Any) -> dict[str, Any]:
        return raw_event(name, tenant_id="tabs", visitor="T1", at=moment(minute), arrived=tabs[tab], **said)

    pings = [in_tab(tab, minute) for minute, tab in enumerate("abab", start=2)]
    form = in_tab("a", 6, "form_submit", user={"email": "t1@x.test"})
    return [in_tab("a", 0, "page_view"), in_tab("b", 1, "page_view"), *pings, form]


def requests_of_which_the_first_was_slow(visitor: str, clock: timedelta) -> Rows:
    """The view's request took 40 s, so that the form 20 s later was received before it."""
    seconds = timedelta(seconds=1)

    def sent(name: str, after: int, latency: float, path: str, **said: Any) -> dict[str, Any]:
        at = moment() + after * seconds
        sent_at = at + 0.05 * seconds
        times = {"at": at + clock, "sent_at": sent_at + clock, "received_at": sent_at + latency * seconds}
        return raw_event(name, tenant_id="slow", visitor=visitor, url=f"{HOST}{path}", **times, **said)

    view = sent("page_view", 0, 40, "/oferta")
    return [view, sent("form_submit", 20, 0.1, "/oferta/fim", user={"email": f"{visitor}@x.test"})]


AD = arrival(moment(), f"{HOST}/?gclid=Abc_1", "https://www.google.com/", gclid="Abc_1")


def visits_of_an_older_script(tenant_id: str, second: dict[str, Any], url: str, referrer: str) -> Rows:
    """After an ad it took the page at 7 min for an arrival, as scripts before this one did; then a sale and a form."""

    def seen(name: str, minute: float, last: dict[str, Any], **said: Any) -> dict[str, Any]:
        touches = {"arrived": last, "first": AD, "last_non_direct": last}
        return raw_event(name, tenant_id=tenant_id, visitor="T1", at=moment(minute), **touches, **said)

    return [
        seen("page_view", 0, AD, url=AD["landing_url"], referrer=AD["referrer"]),
        seen("page_view", 7, second, url=url, referrer=referrer),
        seen("conversion", 8, second, url=url, referrer=referrer, properties={"value": 10}),
        seen("form_submit", 9, second, url=f"{HOST}/form", referrer=url, user={"email": "t1@x.test"}),
    ]


def an_own_link_with_a_campaign() -> Rows:
    url = f"{HOST}/planos?utm_source=site&utm_medium=banner"
    banner = arrival(moment(7), url, utm_source="site", utm_medium="banner")
    return visits_of_an_older_script("inside", banner, url, f"{HOST}/")


def a_way_by_a_bank() -> Rows:
    bank = "https://acs.banco.example/"
    url = f"{HOST}/obrigado"
    return visits_of_an_older_script("bank", arrival(moment(7), url, bank), url, bank)


def a_visit_in_the_night() -> Rows:
    at = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)
    return [raw_event("form_submit", tenant_id="night", visitor="T1", at=at, user={"email": "t1@x.test"})]


@pytest.fixture(scope="module")
def visited(project: Project) -> Project:
    """Every visit, in one turn."""
    project.forget()
    project.write("tenants", [raw_tenant(each) for each in TENANTS])
    project.write("tenant_hosts", [raw_tenant_host(each, "lp.acme.test") for each in TENANTS])
    project.write("destinations", [raw_destination("night")])
    visits = [two_tabs_that_alternate(), an_own_link_with_a_campaign(), a_way_by_a_bank(), a_visit_in_the_night()]
    visits += [a_walk(walk) for walk in WALKS]
    visits += [requests_of_which_the_first_was_slow("right", timedelta())]
    visits += [requests_of_which_the_first_was_slow("ahead", timedelta(hours=2))]
    project.write("events", [row for rows in visits for row in rows])
    project.turn()
    return project


@pytest.mark.parametrize("walk", WALKS, ids=[walk["case"] for walk in WALKS])
def test_addresses_open_the_sessions_that_the_script_would(visited: Project, walk: dict[str, Any]) -> None:
    found = visited.query(
        "select started_at from marts.sessions where tenant_id = 'walks' and tracking_id = {v:String} order by 1",
        v=uid(walk["case"]),
    )
    assert [row["started_at"] for row in found] == [moment(walk["pages"][place][0]) for place in walk["opens"]]


def test_two_tabs_are_two_sessions_however_they_alternate(visited: Project) -> None:
    found = visited.query(
        "select campaign, started_at, ended_at, events from marts.sessions where tenant_id = 'tabs' order by started_at"
    )
    assert [tuple(row.values()) for row in found] == [
        ("a", moment(0), moment(0), 1),
        ("b", moment(1), moment(6), 6),
    ]
    events = visited.query(
        "select session_number, event_name from marts.session_events where tenant_id = 'tabs' order by occurred_at"
    )
    assert [row["session_number"] for row in events] == [1, 2, 2, 2, 2, 2, 2]
    (lead,) = visited.query("select campaign, last_campaign from marts.leads where tenant_id = 'tabs'")
    assert (lead["campaign"], lead["last_campaign"]) == ("b", "b")


@pytest.mark.parametrize("visitor", ["right", "ahead"])
def test_a_slow_request_is_no_wrong_clock(visited: Project, visitor: str) -> None:
    (session,) = visited.query(
        "select landing_page, exit_page, duration_seconds, started_at from marts.sessions"
        " where tenant_id = 'slow' and tracking_id = {v:String}",
        v=uid(visitor),
    )
    assert tuple(session.values()) == (f"{HOST}/oferta", f"{HOST}/oferta/fim", 20, moment())


@pytest.mark.parametrize("tenant_id", ["inside", "bank"])
def test_who_comes_from_an_own_page_or_a_bank_has_not_arrived(visited: Project, tenant_id: str) -> None:
    sessions = visited.query(
        "select source, medium, toString(click_ids['gclid']) as gclid from marts.sessions where tenant_id = {t:String}",
        t=tenant_id,
    )
    assert [tuple(row.values()) for row in sessions] == [("google", "cpc", "Abc_1")]
    (lead,) = visited.query(
        "select source, medium, last_non_direct_click_ids['gclid'] as gclid, last_source from marts.leads"
        " where tenant_id = {t:String}",
        t=tenant_id,
    )
    assert tuple(lead.values()) == ("google", "cpc", "Abc_1", "google")
    credited = visited.query("select distinct source from marts.attribution where tenant_id = {t:String}", t=tenant_id)
    assert credited == [{"source": "google"}]


def test_agents_read_times_on_the_tenants_clock(visited: Project) -> None:
    (row,) = visited.query("select payload from activation.lead_deliveries where tenant_id = 'night'")
    attributes = json.loads(row["payload"])["attributes"]
    assert attributes["first_seen_at"] == attributes["last_seen_at"] == "2026-03-01T22:30:00-03:00"


def ad(campaign: str, minute: float) -> dict[str, Any]:
    return arrival(moment(minute), f"{HOST}/?utm_source={campaign}", utm_source=campaign, utm_medium="cpc")


def a_source_stays_when_the_lead_comes_back_by_another_ad(project: Project) -> Iterator[None]:
    """Before consent came ad a; then the form, ad b, and a sale, which is credited to b."""

    def ana(name: str, minute: float, **said: Any) -> dict[str, Any]:
        return raw_event(name, tenant_id="returns", at=moment(minute), **said)

    project.write("events", [ana("form_submit", 0, last_non_direct=ad("a", -DAY), user={"email": "ana@x.test"})])
    yield
    returned = {"arrived": ad("b", 10 * DAY), "last_non_direct": ad("b", 10 * DAY)}
    sale = ana("conversion", 10 * DAY + 1, event="sale", properties={"value": 5}, **returned)
    project.write("events", [ana("page_view", 10 * DAY, **returned), sale])
    yield
    (lead,) = project.query(
        "select source, last_source, first_converted_at from marts.leads where tenant_id = 'returns'"
    )
    assert tuple(lead.values()) == ("a", "b", moment())
    credited = project.query(
        "select conversion_kind, source from marts.attribution"
        " where tenant_id = 'returns' and model = 'last_non_direct' order by converted_at"
    )
    assert [tuple(row.values()) for row in credited] == [("lead", "a"), ("event", "b")]


def a_server_that_knows_the_lead_before_any_visit_names_its_source(project: Project) -> Iterator[None]:
    """Also when the visitor comes later."""
    url, user = f"{HOST}/?utm_source=feira", {"email": "ana@x.test"}
    project.write("events", [raw_event("identify", tenant_id="fair", sent_by="server", url=url, user=user)])
    yield
    project.write("events", [raw_event(tenant_id="fair", at=moment(60), arrived=ad("a", 60))])
    yield
    (lead,) = project.query("select source, last_source from marts.leads where tenant_id = 'fair'")
    assert tuple(lead.values()) == ("feira", "a")


def form(tenant_id: str, visitor: str, minute: float = 0) -> dict[str, Any]:
    user = {"email": f"{visitor}@x.test"}
    return raw_event("form_submit", tenant_id=tenant_id, visitor=visitor, at=moment(minute), user=user)


def sale(tenant_id: str, event: str, visitor: str, minute: float, **properties: Any) -> dict[str, Any]:
    return raw_event(
        "conversion", tenant_id=tenant_id, event=event, visitor=visitor, at=moment(minute), properties=properties
    )


def counted(project: Project, tenant_id: str) -> set[str]:
    names = ("browser", "server", "stranger", "refund", "empty", "empty too")
    known = {uid(name): name for name in names}
    found = project.query(
        "select event_id from marts.conversions where tenant_id = {t:String} and kind = 'event'", t=tenant_id
    )
    return {known[row["event_id"]] for row in found}


def an_order_is_a_conversion_once_whoever_reports_it_first(project: Project) -> Iterator[None]:
    """Each is loaded in a turn of its own, the earliest last: of leads alone, and a refund takes nothing away."""

    def sold(*report: Any, **properties: Any) -> dict[str, Any]:
        return sale("orders", *report, **properties)

    forms = [form("orders", "ana"), form("orders", "bia")]
    project.write("events", [*forms, sold("server", "bia", 11, order_id="A-1", value=90)])
    yield
    assert counted(project, "orders") == {"server"}
    project.write("events", [sold("browser", "ana", 10, transaction_id="A-1", value=90)])
    yield
    assert counted(project, "orders") == {"browser"}
    more = [sold("stranger", "caio", 9, order_id="A-1", value=90), sold("refund", "bia", 12, order_id="A-1", value=-90)]
    more += [sold("empty", "ana", 13, order_id="undefined"), sold("empty too", "bia", 14, order_id="undefined")]
    project.write("events", more)
    yield
    assert counted(project, "orders") == {"browser", "refund", "empty", "empty too"}
    project.write("events", [form("orders", "caio", 30)])
    yield
    assert counted(project, "orders") == {"stranger", "refund", "empty", "empty too"}


def an_order_that_is_a_number_is_the_one_that_is_text(project: Project) -> Iterator[None]:
    sales = [
        sale("numbers", "browser", "ana", 1, order_id=1042),
        sale("numbers", "server", "ana", 2, order_id=" 1042 "),
    ]
    project.write("events", [form("numbers", "ana"), *sales])
    yield
    assert counted(project, "numbers") == {"browser"}


def revenue(project: Project) -> tuple[str | None, dict[str, Any]]:
    """Of the funnel: the tenant's sum, and what stays in other currencies."""
    (row,) = project.query(
        "select toString(sum(revenue)) as own, mapApply((name, amount) -> (name, toString(amount)),"
        " sumMap(unconverted_revenue)) as others from marts.funnel_daily where tenant_id = 'currencies'"
    )
    return row["own"], row["others"]


def currencies_are_added_only_at_the_tenants_rate(project: Project) -> Iterator[None]:
    sales = [
        sale("currencies", "reais", "ana", 1, value=100, currency="BRL"),
        sale("currencies", "unsaid", "ana", 2, value="1,50"),
        sale("currencies", "dollars", "ana", 3, value=10, currency="usd"),
        sale("currencies", "some back", "ana", 4, value=-4, currency="USD"),
        sale("currencies", "euros", "ana", 5, value=7, currency="EUR"),
    ]
    project.write("events", [form("currencies", "ana"), *sales])
    yield
    assert revenue(project) == ("101.5", {"EUR": "7", "USD": "6"})
    project.write("tenant_rates", [raw_tenant_rate("currencies", "USD", "5.42000000", mirrored_at=moment(1))])
    yield
    assert revenue(project) == ("134.02", {"EUR": "7"})
    credited = project.query(
        "select currency, toString(sum(revenue)) as own, toString(sum(converted_revenue)) as converted"
        " from marts.attribution where tenant_id = 'currencies' and model = 'linear' and conversion_kind = 'event'"
        " group by currency order by 1"
    )
    assert [tuple(row.values()) for row in credited] == [
        ("BRL", "101.5", "101.5"),
        ("EUR", "7", None),
        ("USD", "6", "32.52"),
    ]


STORIES = {
    "returns": a_source_stays_when_the_lead_comes_back_by_another_ad,
    "fair": a_server_that_knows_the_lead_before_any_visit_names_its_source,
    "orders": an_order_is_a_conversion_once_whoever_reports_it_first,
    "numbers": an_order_that_is_a_number_is_the_one_that_is_text,
    "currencies": currencies_are_added_only_at_the_tenants_rate,
}


@pytest.fixture(scope="module")
def results(project: Project) -> StoryResults:
    """Of every story."""
    project.forget()
    project.write("tenants", [raw_tenant(each) for each in STORIES])
    project.write("tenant_hosts", [raw_tenant_host(each, "lp.acme.test") for each in STORIES])
    return run_stories(project, STORIES.values())


@pytest.mark.parametrize("story", STORIES.values(), ids=lambda story: story.__name__)
def test_over_several_turns(results: StoryResults, story: Story) -> None:
    results.check(story)


def test_the_turns_of_stories_leave_what_a_rebuild_gives(results: StoryResults) -> None:
    assert results.differing == []


def test_generated_traffic_has_one_source_for_each_lead(project: Project) -> None:
    """Campaigns, devices, returning leads, consent, wrong clocks, sales of a server; the earliest third comes last."""
    project.forget()
    clients = sites(3)
    project.write("tenants", [raw_tenant(each.tenant_id) for each in clients])
    project.write("tenant_hosts", [raw_tenant_host(each.tenant_id, each.host) for each in clients])
    requests = list(generate(7, clients, 120, 8_000, datetime(2026, 3, 1, tzinfo=UTC)))
    third = len(requests) // 3
    for part in (requests[third : 2 * third], requests[2 * third :], requests[:third]):
        rows = EventRows([])
        for request in part:
            rows.add_request(NO_MESSAGE, request)
        project.write("events", rows.table().to_pylist())
        project.turn()
    assert len(project.query("select lead_id from marts.leads where channel != 'Direct'")) > 20
    project.run("test", "assert_everything_agrees_on_the_source_of_a_lead")
    by_turns = project.marts()
    project.rebuild()
    assert project.marts() == by_turns
