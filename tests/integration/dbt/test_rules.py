"""What rules make of leads, told as stories: each of a tenant of its own, all of them through the same turns."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.factories import (
    Row,
    raw_business_hours,
    raw_destination,
    raw_event,
    raw_lead_decision,
    raw_lead_rules,
    raw_tenant,
    uid,
)
from tests.integration.dbt.conftest import Project, Rows

NOON = datetime(2026, 3, 1, 15, 0, tzinfo=UTC)
"""Noon in São Paulo."""
SAO_PAULO = ZoneInfo("America/Sao_Paulo")
CLOCK = (
    NOON + timedelta(days=1),
    NOON + timedelta(days=14, hours=-12),  # the beginning of the 15th
    NOON + timedelta(days=28),
    NOON + timedelta(days=30, seconds=-1),
    NOON + timedelta(days=30),
)
"""The moments of the turns, all of one day's until the next."""
BROWSERS_OF_ROBOTS = ("WhatsApp/2.23.20.0", "facebookexternalhit/1.1")

Story = Callable[["RuledTenant"], Iterator[None]]


class RuledTenant:
    """What a story tells of its tenant. At each `yield` turns take what was told, at the next moment of `CLOCK`."""

    def __init__(self, name: str, project: Project) -> None:
        self.name = name
        self._project = project
        self.rules = ""
        self.destinations: list[str] = ["chatwoot"]
        self.decisions: list[Row] = []
        self._events: list[Row] = []

    def tell(self, name: str, who: str, at: datetime = NOON, **said: Any) -> Row:
        """An event of the visitor `who`."""
        row = raw_event(name, tenant_id=self.name, visitor=f"{self.name} {who}", at=at, **said)
        self._events.append(row)
        return row

    def again(self, row: Row, **changed: Any) -> None:
        """The same event once more."""
        self._events.append({**row, **changed})

    def form(self, who: str, at: datetime = NOON, **properties: Any) -> Row:
        """A form with the person's e-mail."""
        return self.tell("form_submit", who, at, user={"email": f"{who}@{self.name}.test"}, properties=properties)

    def taken(self) -> list[Row]:
        """What was told since this was last asked."""
        told, self._events = self._events, []
        return told

    def result(self, who: str) -> Any:
        """The row of marts.lead_results."""
        (row,) = self.query("select * from marts.lead_results", who)
        return row

    def points(self, who: str) -> dict[str, int]:
        """The points of each reason."""
        return {rule: points for rule, _, points, _ in self.result(who)["reasons"]}

    def changes(self, who: str) -> Rows:
        """What was recorded, the oldest first."""
        return sorted(self.query("select * from marts.lead_result_changes", who), key=lambda row: int(row["turn"]))

    def wanted(self, who: str, kind: str) -> Any:
        """What a destination should have, None when nothing."""
        place = f"and destination_id = '{uid(f'{self.name} {kind}')}'"
        rows = self.query("select payload from activation.lead_deliveries", who, place)
        return json.loads(rows[0]["payload"]) if rows else None

    def query(self, select: str, who: str, rest: str = "") -> Rows:
        """Rows of a lead."""
        return self._project.query(
            f"{select} where tenant_id = {{tenant:String}} and lead_id = {{lead:String}} {rest}",
            tenant=self.name,
            lead=uid(f"{self.name} {who}"),
        )


def points_are_a_function_of_what_happened(tenant: RuledTenant) -> Iterator[None]:
    tenant.rules = """
rules:
  - {id: form, then: [{points: {value: 5, each: event.form_submit, at_most: 10}}]}
  - {id: company, when: {fact: lead.company, is_set: true}, then: [{points: 20}]}
  - {id: open, when: {fact: event.mail_open, is_set: true}, then: [{points: 7}]}
  - {id: click, when: {fact: event.mail_click, is_set: true}, then: [{points: 3}]}
"""
    form = tenant.form("ana", company="ACME")
    tenant.again(form)
    tenant.again(form, received_at=NOON + timedelta(minutes=3))
    for number in range(20):
        tenant.form("bia", NOON + timedelta(seconds=number), company="ACME")
    tenant.tell("identify", "caio", user={"email": "caio@x.test"})
    tenant.tell("mail_click", "caio")
    yield
    assert tenant.points("ana") == {"form": 5, "company": 20}
    assert tenant.points("bia") == {"form": 10, "company": 20}
    assert tenant.result("bia")["score"] == 30
    assert tenant.points("caio") == {"click": 3}


def a_threshold_calls_a_webhook_once(tenant: RuledTenant) -> Iterator[None]:
    yield from crossings(tenant, "[webhook]", called_with=[None, 33, 33, 33])


def a_threshold_calls_a_webhook_each_time_where_the_rule_says_so(tenant: RuledTenant) -> Iterator[None]:
    yield from crossings(tenant, "{destinations: [webhook], each_time: true}", called_with=[None, 33, 33, 35])


def crossings(tenant: RuledTenant, webhook: str, *, called_with: list[int | None]) -> Iterator[None]:
    """A lead with 28, 33, 27, 35 points. A product that keeps records follows it once it was sent."""
    tenant.destinations = ["chatwoot", "hubspot", "webhook"]
    tenant.rules = f"""
rules:
  - {{id: a, when: {{fact: goal.a, is_set: true}}, then: [{{points: 28}}]}}
  - {{id: b, when: {{fact: goal.b, is_set: true}}, then: [{{points: 5}}]}}
  - {{id: c, when: {{fact: goal.c, is_set: true}}, then: [{{points: -6}}]}}
  - {{id: d, when: {{fact: goal.d, is_set: true}}, then: [{{points: 8}}]}}
  - {{id: record, when: {{fact: lead.score, gte: 30}}, then: [{{send_to: [hubspot]}}]}}
  - {{id: call, when: {{fact: lead.score, gte: 30}}, then: [{{send_to: {webhook}}}]}}
"""
    tenant.form("ana")
    scores = []
    for goal in "abcd":
        tenant.tell("conversion", "ana", properties={"name": goal})
        yield
        wanted = [tenant.wanted("ana", kind) for kind in tenant.destinations]
        scores.append([each and each["attributes"]["score"] for each in wanted])
    assert [list(each) for each in zip(*scores, strict=True)] == [[28, 33, 27, 35], [None, 33, 27, 35], called_with]


def segments_and_points_change_by_the_clock_alone(tenant: RuledTenant) -> Iterator[None]:
    tenant.rules = """
rules:
  - {id: prices, name: Viu preços, when: {fact: page./precos, within_days: 30}, then: [{points: 30}]}
  - {id: demo, when: {fact: page./demo, is_set: true}, then: [{points: {value: 40, half_life_days: 14}}]}
  - {id: hot, when: {fact: lead.score, gte: 30}, then: [{segment: quente}, {label: quente}]}
"""
    for who, page in (("a", "/precos"), ("b", "/demo")):
        tenant.tell("page_view", who, url=f"https://lp.{tenant.name}.test{page}")
        tenant.tell("identify", who, user={"email": f"{who}@{tenant.name}.test"})
    yield
    assert [tenant.result(who)["score"] for who in "ab"] == [30, 38]
    yield
    assert [tenant.result(who)["score"] for who in "ab"] == [30, 20]
    assert tenant.result("b")["segments"] == []
    yield
    assert [tenant.result(who)["score"] for who in "ab"] == [30, 10]
    yield
    assert tenant.result("a")["segments"] == ["quente"]
    assert "quente" in tenant.wanted("a", "chatwoot")["labels"]
    assert tenant.result("a")["due_at"] == NOON + timedelta(days=30)
    yield
    assert tenant.result("a")["score"] == 0
    assert "quente" not in tenant.wanted("a", "chatwoot")["labels"]
    left = tenant.changes("a")[-1]
    assert (left["left_segments"], left["valid_from"]) == (["quente"], NOON + timedelta(days=30))


def other_rules_count_for_every_lead_in_the_same_turn(tenant: RuledTenant) -> Iterator[None]:
    rules = """
rules:
  - {id: pages, when: {fact: page./precos, is_set: true}, then: [{points: 30}]}
  - {id: hot, when: {fact: lead.score, gte: 30}, then: [{segment: quente}]}
"""
    tenant.rules = rules
    for who, page in (("a", "/precos"), ("b", "/planos")):
        tenant.tell("page_view", who, url=f"https://lp.{tenant.name}.test{page}")
        tenant.tell("identify", who, user={"email": f"{who}@{tenant.name}.test"})
    yield
    assert [tenant.result(who)["segments"] for who in "ab"] == [["quente"], []]
    tenant.rules = rules.replace("/precos", "/planos")
    yield
    assert [tenant.result(who)["segments"] for who in "ab"] == [[], ["quente"]]
    assert [tenant.result(who)["version"] for who in "ab"] == [2, 2]
    assert tenant.changes("a")[-1]["left_segments"] == ["quente"]


def robots_give_no_points_and_suspected_scanners_are_told(tenant: RuledTenant) -> Iterator[None]:
    tenant.rules = """
rules:
  - {id: prices, when: {fact: page./precos, is_set: true}, then: [{points: 5}]}
  - {id: mail, when: {fact: event.mail_click, is_set: true}, then: [{points: 3}]}
"""
    site = f"https://lp.{tenant.name}.test"
    for who in ("previewed", "scanned", "read"):
        tenant.tell("identify", who, user={"email": f"{who}@{tenant.name}.test"}, sent_by="server")
    for agent in BROWSERS_OF_ROBOTS:
        tenant.tell("page_view", "previewed", url=f"{site}/precos", user_agent=agent)
    for who in ("scanned", "read"):
        for number, page in enumerate(("/precos", "/demo", "/sair", "/oferta")):
            at = NOON + timedelta(milliseconds=400 * number)
            tenant.tell("page_view", who, at, url=f"{site}{page}", sent_by="pixel")
    later = NOON + timedelta(hours=3)
    tenant.tell("page_view", "read", later, url=f"{site}/precos")
    tenant.tell("mail_click", "read", later)
    yield
    assert tenant.result("previewed")["reasons"] == []
    ((rule, _, points, why),) = tenant.result("scanned")["reasons"]
    assert (rule, points) == ("prices", 0)
    assert why == "page./precos not counted: 1 within 2 s of other pages, without script"
    assert tenant.points("read") == {"prices": 5, "mail": 3}


def a_condition_means_the_same_everywhere(tenant: RuledTenant) -> Iterator[None]:
    tenant.rules = """
rules:
  - {id: a, when: {fact: field.tags, contains: google}, then: [{points: 1}]}
  - {id: b, when: {fact: field.city, eq: sao paulo}, then: [{points: 1}]}
  - {id: c, when: {fact: field.employees, gt: 100}, then: [{points: 1}]}
  - {id: d, when: {fact: field.state, ne: SP}, then: [{points: 1}]}
  - {id: e, when: {not: {fact: field.state, eq: SP}}, then: [{points: 1}]}
  - {id: f, when: {fact: field.budget, gte: 1000}, then: [{points: 1}]}
  - id: g
    when: {all: [{any: [{fact: field.city, is_set: true}, {fact: field.x, eq: y}]}, {fact: field.x, is_set: true}]}
    then: [{points: 1}]
  - {id: h, when: {fact: field.tags, in: [Google]}, then: [{points: 1}]}
"""
    tenant.form("ana", fields={"tags": ["Google Ads"], "city": "São Paulo", "employees": "90", "budget": "1.200"})
    yield
    reasons = {rule: facts for rule, _, _, facts in tenant.result("ana")["reasons"]}
    assert reasons == {
        "a": "tags: google ads",
        "b": "city: sao paulo",
        "d": "state missing",
        "e": "state missing",
        "f": "budget: 1.200",
    }


def a_lead_keeps_its_owner(tenant: RuledTenant) -> Iterator[None]:
    tenant.rules = """
rules:
  - {id: b, name: Produto B, when: {fact: field.product, eq: B}, then: [{route: {team: Time B, agent: Bia}}]}
  - {id: a, name: Produto A, when: {fact: field.product, eq: A}, then: [{route: {team: Time A, agent: Ana}}]}
  - {id: c, when: {fact: field.product, eq: C}, then: [{route: {agent: Caio, keep_owner: false}}]}
"""
    tenant.form("ana", fields={"product": "A"})
    tenant.form("first", fields={"product": "A"})
    tenant.tell("form_submit", "second", user={"phone": "+5511987650002"}, properties={"fields": {"product": "B"}})
    yield
    first = tenant.result("ana")
    assert (first["owner"], first["team"], first["route_reason"]) == ("Ana", "Time A", "rule Produto A")
    assert tenant.result("second")["owner"] == "Bia"
    tenant.form("ana", NOON + timedelta(days=1), fields={"product": "B"})
    both = {"email": f"first@{tenant.name}.test", "phone": "+5511987650002"}
    tenant.tell("form_submit", "second", NOON + timedelta(days=1), user=both)
    yield
    kept = tenant.result("ana")
    assert (kept["owner"], kept["team"]) == ("Ana", "Time A")
    assert kept["route_reason"] == "kept; rule Produto B would have chosen Bia"
    assert tenant.result("first")["owner"] == "Ana"
    assert not tenant.query("select 1 from marts.lead_results", "second")
    tenant.form("ana", NOON + timedelta(days=2), fields={"product": "C"})
    yield
    assert tenant.result("ana")["owner"] == "Caio"


def owners_come_back_when_a_merge_is_undone(tenant: RuledTenant) -> Iterator[None]:
    tenant.rules = """
rules:
  - {id: a, when: {fact: field.product, eq: A}, then: [{route: {agent: Ana}}]}
  - {id: b, when: {fact: field.product, eq: B}, then: [{route: {agent: Bia}}]}
"""

    def decide(*, is_reverted: bool, at: datetime) -> None:
        """The operator's merge; both come by, as the request of a decision would compute them again."""
        visitors = [f"{tenant.name} {who}" for who in ("first", "second")]
        tenant.decisions = [raw_lead_decision("merge", *visitors, tenant_id=tenant.name, is_reverted=is_reverted)]
        for who in ("first", "second"):
            tenant.tell("page_view", who, at)

    tenant.form("first", fields={"product": "A"})
    tenant.form("second", NOON + timedelta(minutes=1), fields={"product": "B"})
    yield
    decide(is_reverted=False, at=NOON + timedelta(hours=1))
    yield
    assert tenant.result("first")["owner"] == "Ana"
    assert not tenant.query("select 1 from marts.lead_results", "second")
    decide(is_reverted=True, at=NOON + timedelta(hours=2))
    yield
    assert (tenant.result("first")["owner"], tenant.result("second")["owner"]) == ("Ana", "Bia")


def a_rule_may_ask_whether_the_tenant_is_open(tenant: RuledTenant) -> Iterator[None]:
    """A Monday, two Sundays, and a Tuesday that is a holiday."""
    tenant.rules = "rules: [{id: open, when: {fact: clock.business_hours, eq: open}, then: [{points: 1}]}]"
    tenant.form("ana")
    found = []
    for _ in CLOCK:
        yield
        result = tenant.result("ana")
        found.append((result["score"], result["due_at"].astimezone(SAO_PAULO).strftime("%d %H:%M")))
    assert found == [(1, "02 18:00"), (0, "16 00:00"), (0, "30 00:00"), (0, "01 00:00"), (0, "01 00:00")]


STORIES: tuple[Story, ...] = (
    points_are_a_function_of_what_happened,
    a_threshold_calls_a_webhook_once,
    a_threshold_calls_a_webhook_each_time_where_the_rule_says_so,
    segments_and_points_change_by_the_clock_alone,
    other_rules_count_for_every_lead_in_the_same_turn,
    robots_give_no_points_and_suspected_scanners_are_told,
    a_condition_means_the_same_everywhere,
    a_lead_keeps_its_owner,
    owners_come_back_when_a_merge_is_undone,
    a_rule_may_ask_whether_the_tenant_is_open,
)


class Told:
    """The stories once they are told: what ended some of them, and the results before and after a rebuild."""

    def __init__(self, project: Project) -> None:
        self.failed: dict[str, Exception] = {}
        self._project = project
        self._tenants = {story.__name__: RuledTenant(f"t{number}", project) for number, story in enumerate(STORIES)}
        running = {story.__name__: story(self._tenants[story.__name__]) for story in STORIES}
        for number, moment in enumerate(CLOCK):
            self._go_on(running)
            self._write(number)
            project.set_clock(moment)
            project.turn()
        self._go_on(running)
        self.by_turns = results(project)
        project.rebuild()
        self.rebuilt = results(project)

    def _go_on(self, running: dict[str, Iterator[None]]) -> None:
        for name, story in list(running.items()):
            try:
                next(story)
            except Exception as error:
                del running[name]
                if not isinstance(error, StopIteration):
                    self.failed[name] = error

    def _write(self, number: int) -> None:
        """The whole configuration, as the mirror writes it, and what the stories tell."""
        at = NOON + timedelta(minutes=number)
        tenants = self._tenants.values()
        project = self._project
        project.write("tenants", [raw_tenant(each.name, mirrored_at=at) for each in tenants])
        project.write(
            "destinations",
            [raw_destination(each.name, kind, mirrored_at=at) for each in tenants for kind in each.destinations],
        )
        project.write(
            "lead_rules",
            [
                rule
                for each in tenants
                for rule in raw_lead_rules(each.rules, each.name, version=number + 1, mirrored_at=at)
            ],
        )
        project.write(
            "business_hours",
            [raw_business_hours(each.name, closed_dates=["2026-03-31"], mirrored_at=at) for each in tenants],
        )
        if decisions := [row for each in tenants for row in each.decisions]:
            project.decide(decisions)
        events = [row for each in tenants for row in each.taken()]
        if events:
            project.write("events", events)


def results(project: Project) -> list[tuple[Any, ...]]:
    """All results, without the moment at which they were computed and the number of the version."""
    return project.table("marts.lead_results", without=("evaluated_at", "version"))


@pytest.fixture(scope="module")
def told(project: Project) -> Iterator[Told]:
    """Every story through the same turns."""
    project.forget()
    yield Told(project)
    project.follow_clock()
    project.forget()


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_the_story(told: Told, story: Story) -> None:
    if story.__name__ in told.failed:
        raise told.failed[story.__name__]


def test_a_rebuild_gives_the_same_scores_routes_and_owners(told: Told) -> None:
    assert told.by_turns
    assert told.rebuilt == told.by_turns
