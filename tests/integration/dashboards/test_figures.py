"""The figures of people over the real engine: one base for every filter, a merged person once, the tenant's days."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pandas as pd
import pytest
from clickhouse_connect.driver.client import Client

from dashboards.listings import Asked
from dashboards.listings.chat import RESPONSES_BY_AGENT, WAITING_NOW
from dashboards.listings.leads import leads, number_of_leads
from dashboards.listings.people import PEOPLE_BY, PEOPLE_BY_TIME, figures
from echolead.embedded.clickhouse import EmbeddedWarehouse
from echolead.warehouse import connect
from echolead.warehouse_accounts import tenant_url

ZONE = "America/Sao_Paulo"
NUMBERS = count(1)
NOW = datetime(2026, 3, 10, 17, 30, tzinfo=UTC)  # Tuesday, 14:30 in São Paulo


class Rows:
    """Writes the rows of one tenant and asks for its figures."""

    def __init__(self, owner: Client, own: Client, tenant_id: str) -> None:
        self._owner, self._own, self.tenant_id = owner, own, tenant_id
        self._added: dict[tuple[str, tuple[str, ...]], list[list[Any]]] = {}

    def add(self, table: str, **values: Any) -> None:
        """One row, written before the next query; columns that are not named are at their default."""
        row = {"tenant_id": self.tenant_id, **values}
        self._added.setdefault((table, tuple(row)), []).append(list(row.values()))

    def visit(self, tracking_id: str, started_at: str, **values: Any) -> None:
        """A session."""
        at = datetime.fromisoformat(started_at).replace(tzinfo=UTC)
        self.add("marts.sessions", tracking_id=tracking_id, session_id=f"{tracking_id} {at}", started_at=at, **values)

    def lead(self, lead_id: str, created_at: str, *visitors: str, stage: str = "lead", **values: Any) -> None:
        """A lead with its visitors."""
        at = datetime.fromisoformat(created_at).replace(tzinfo=UTC)
        for tracking_id in visitors or (lead_id,):
            self.add("marts.identities", lead_id=lead_id, kind="tracking_id", value=tracking_id)
        self.add("marts.leads", lead_id=lead_id, name=lead_id, created_at=at, **values)
        sources = {name: value for name, value in values.items() if name in ("channel", "source", "campaign")}
        self.add("marts.lead_journeys", lead_id=lead_id, created_at=at, furthest_stage=stage, **sources)

    def query(self, sql: str, tenant_id: str, **parameters: Any) -> pd.DataFrame:
        """As a page asks."""
        for (table, columns), rows in self._added.items():
            self._owner.insert(table, rows, column_names=columns)
        self._added.clear()
        return self._own.query_df(sql, parameters={"tenant_id": tenant_id, **parameters})

    def ask(self, **address: Any) -> Asked:
        """What an address asks for at `NOW`."""
        said = {key: value if isinstance(value, list) else [value] for key, value in address.items()}
        return Asked(self.query, self.tenant_id, ZONE, "BRL", NOW, said)


@pytest.fixture
def rows(tables: Client, warehouse_server: EmbeddedWarehouse) -> Iterator[Rows]:
    """A tenant of the test's own."""
    tenant_id = f"figures-{next(NUMBERS)}"
    url = tenant_url(warehouse_server.address, warehouse_server.tenant_key, tenant_id)
    with closing(connect(url)) as own:
        yield Rows(tables, own, tenant_id)


def test_a_rate_has_one_base_under_every_filter(rows: Rows) -> None:
    """Case P4: 100 leads, 12 won; of them 20 from Centro, 4 won."""
    for number in range(100):
        campaign = "Centro" if number < 20 else "Norte"
        is_won = number < 4 or 20 <= number < 28
        rows.lead(f"l{number}", "2026-03-09T12:00", stage="won" if is_won else "lead", campaign=campaign,
                  channel="Email" if number % 2 else "Direct")  # fmt: skip
    whole = figures(rows.ask(period="7d")).whole()
    assert (whole["leads"], whole["won"]) == (100, 12)
    centro = figures(rows.ask(period="7d", campaign="Centro")).whole()
    assert (centro["visitors"], centro["leads"], centro["won"]) == (20, 20, 4)
    both = figures(rows.ask(period="7d", campaign="Centro", channel="Email")).whole()
    assert (both["leads"], both["won"]) == (10, 2)
    by_campaign = PEOPLE_BY.rows(rows.ask(period="7d")).set_index("key")
    assert by_campaign["leads"].to_dict() == {"Norte": 80, "Centro": 20}
    assert by_campaign["conversion"].max() <= 1
    assert (
        number_of_leads(rows.ask(period="7d", campaign="Centro"), leads(rows.ask(period="7d", campaign="Centro"))) == 20
    )
    assert len(leads(rows.ask(period="7d", reached="won", campaign="Centro"))) == 4


def test_a_person_with_two_devices_counts_once(rows: Rows) -> None:
    """Case P6: the phone clicks, the laptop converts, and later both are one lead."""
    rows.visit("a1", "2026-03-02T12:00", campaign="ad", device_type="mobile")
    rows.visit("a2", "2026-03-09T12:00", campaign="", device_type="desktop")
    rows.lead("a2", "2026-03-10T12:00", "a1", "a2", campaign="ad")
    whole = figures(rows.ask(period="month")).whole()
    assert (whole["visitors"], whole["leads"], whole["conversion"]) == (1, 1, 1)
    by_device = figures(rows.ask(period="month")).of("device")
    assert by_device.set_index("key")["visitors"].to_dict() == {"mobile": 1}


def test_undoing_the_join_leaves_the_click_unconverted(rows: Rows) -> None:
    rows.visit("a1", "2026-03-02T12:00", campaign="ad")
    rows.visit("a2", "2026-03-09T12:00", campaign="")
    rows.lead("a2", "2026-03-10T12:00", "a2")
    by_campaign = figures(rows.ask(period="month")).of("campaign").set_index("key")
    assert by_campaign["visitors"].to_dict() == {"ad": 1, "": 1}
    assert by_campaign["leads"].to_dict() == {"ad": 0, "": 1}


def test_today_meets_the_same_part_of_yesterday(rows: Rows) -> None:
    """Case P1: 40 leads on Monday, 18 of them before 14:30; 20 today."""
    for number in range(40):
        rows.lead(f"m{number}", "2026-03-09T13:00" if number < 18 else "2026-03-09T20:00")
    for number in range(20):
        rows.lead(f"d{number}", "2026-03-10T12:00")
    found = figures(rows.ask(period="today"))
    assert (found.whole()["leads"], found.whole("before")["leads"]) == (20, 18)
    by_hour = PEOPLE_BY_TIME.rows(rows.ask(period="today"))
    assert by_hour["leads"].tolist() == [0] * 9 + [20] + [0] * 5
    assert by_hour["leads_before"].sum() == 18


def test_a_lead_falls_on_one_day_in_figures_chart_and_list(rows: Rows) -> None:
    """Case P2: 23:30 and 23:59:59 of the tenth, and midnight."""
    for name, at in (("a", "2026-03-10T02:30"), ("b", "2026-03-10T02:59:59"), ("c", "2026-03-10T03:00")):
        rows.lead(name, at)
    for day, expected in (("2026-03-09", {"a", "b"}), ("2026-03-10", {"c"})):
        asked = rows.ask(period=f"{day}..{day}")
        assert figures(asked).whole()["leads"] == len(expected)
        assert PEOPLE_BY_TIME.rows(asked)["leads"].sum() == len(expected)
        assert set(leads(asked)["lead_id"]) == expected


def test_a_robot_counts_only_as_a_lead(rows: Rows) -> None:
    rows.visit("r1", "2026-03-09T12:00", is_bot=True)
    rows.visit("r2", "2026-03-09T12:00", is_bot=True)
    rows.lead("r2", "2026-03-09T12:05")
    assert figures(rows.ask(period="7d")).whole()["visitors"] == 1


def test_a_search_finds_a_whole_identifier_and_a_part_of_a_name(rows: Rows) -> None:
    rows.lead("l1", "2026-03-09T12:00", email="ana@acme.test", phone="+5511999998888")
    rows.lead("l2", "2026-03-09T12:00", email="bia@acme.test")
    rows.add("marts.identities", lead_id="l1", kind="email", value="ana@acme.test")
    rows.add("marts.identities", lead_id="l1", kind="phone", value="+5511999998888")
    for text in ("Ana@acme.test", "(11) 99999-8888", "+55 11 99999-8888", "l1"):
        assert list(leads(rows.ask(q=text, period="today"))["lead_id"]) == ["l1"], text
    assert set(leads(rows.ask(q="acme", period="today"))["lead_id"]) == {"l1", "l2"}
    assert leads(rows.ask(q="nobody", period="today")).empty


def test_of_several_deliveries_of_a_lead_one_that_was_read_back_is_enough(rows: Rows) -> None:
    states_of = {"a": ("verified", "delivered"), "b": ("delivered", "failed"), "c": ("failed",), "d": ()}
    for name, states in states_of.items():
        rows.lead(name, "2026-03-09T12:00")
        for state in states:
            rows.add("marts.deliveries", lead_id=name, state=state)
    rows.visit("no lead", "2026-03-09T12:00")
    whole = figures(rows.ask(period="7d")).whole()
    assert (whole["visitors"], whole["synced"], whole["verified"]) == (5, 0.5, 0.25)


def test_shares_speed_and_revenue_are_those_of_leads_alone(rows: Rows) -> None:
    rows.visit("no lead", "2026-03-09T12:00", source="(direct)")
    for name, source, minutes, revenue in (("a", "google", 0, 100), ("b", "(direct)", 10, None), ("c", "meta", 40, 50)):
        at = datetime(2026, 3, 9, 12, minutes, tzinfo=UTC)
        first = datetime(2026, 3, 9, 12, tzinfo=UTC)
        rows.add("marts.lead_journeys", lead_id=name, created_at=at, first_visit_at=first, source=source,
                 furthest_stage="won" if revenue else "lead", revenue=revenue)  # fmt: skip
    whole = figures(rows.ask(period="7d")).whole()
    assert (whole["visitors"], whole["leads"], whole["won"], whole["revenue"]) == (4, 3, 2, 150)
    assert whole["known_source"] == pytest.approx(2 / 3)
    assert (whole["speed_p50"], whole["speed_p90"]) == (600, 2400)


def test_an_answer_counts_for_who_gave_it_and_only_what_waits_beyond_the_target_is_listed(rows: Rows) -> None:
    asked_at = datetime(2026, 3, 9, 12, tzinfo=UTC)
    late = {"is_breached": True, "due_at": asked_at}
    answer = {"responder": "Bia", "first_response_at": asked_at, "first_response_business_seconds": 60}
    for number, assignee, values in (
        (1, "Ana", answer), (2, "Ana", {"is_waiting": True, **late}), (3, "Bia", {**answer, **late}),
        (4, "Ana", {"is_waiting": True}), (5, "Caio", {"asked_at": datetime(2026, 2, 1, tzinfo=UTC)}),
    ):  # fmt: skip
        rows.add("marts.chat_sla", conversation_id=number, assignee=assignee, **{"asked_at": asked_at, **values})
    by_agent = RESPONSES_BY_AGENT.rows(rows.ask(period="7d")).set_index("agent")
    counted = by_agent[["conversations", "answered", "breached", "within_target"]]
    assert {name: tuple(row) for name, row in counted.iterrows()} == {"Ana": (2, 0, 1, 0.5), "Bia": (2, 2, 1, 0.5)}
    assert by_agent["response_p50"]["Bia"] == 60
    assert WAITING_NOW.rows(rows.ask())["conversation_id"].tolist() == [2]
