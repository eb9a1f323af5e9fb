"""Rules that ask of conversations and deals: what changes there reaches the lead, and the clock what waits."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orchestration.live.chat_turns import ChatTurns
from orchestration.live.conversation_turns import ConversationTurns
from orchestration.live.deal_turns import DealTurns
from tests.factories import (
    START,
    Row,
    raw_business_hours,
    raw_chat_record,
    raw_chat_settings,
    raw_destination,
    raw_event,
    raw_lead_rules,
    raw_tenant,
    uid,
)
from tests.fixtures.chat import conversation, message, told_message
from tests.fixtures.deal_rows import deal_payload, of_destination, raw_deal_record, raw_deal_stages
from tests.integration.dbt.conftest import Project

# A Monday, 10 in São Paulo.
TEN = datetime(2026, 3, 9, 13, tzinfo=UTC)
RULES = """
rules:
  - {id: open, when: {fact: conversation.status, eq: open}, then: [{points: 1}]}
  - {id: boleto, when: {fact: conversation.label, contains: boleto}, then: [{points: 2}]}
  - {id: waits, when: {fact: conversation.waiting_minutes, gte: 10}, then: [{points: 4}, {label: esperando}]}
  - {id: wrote, when: {fact: conversation.messages, gte: 2}, then: [{points: 8}]}
  - {id: won, when: {fact: deal.status, eq: won}, then: [{points: 16}, {stage: won}]}
  - {id: large, when: {fact: deal.value, gte: 1000}, then: [{points: 32}]}
  - {id: pipeline, when: {fact: deal.pipeline, eq: Vendas}, then: [{points: 64}]}
"""
OURS = (
    "staging.chat_states", "staging.chat_messages_seen", "staging.chat_contacts", "staging.chat_names",
    "marts.conversation_facts", "ops.chat_turns", "activation.conversation_deliveries", "ops.conversation_turns",
    "marts.conversation_leads", "marts.conversation_covers", "marts.lead_deals", "ops.deal_turns",
    "staging.chat_presence", "staging.chat_teams", "marts.chat_loads",
)  # fmt: skip


class Followed:
    """The turns of everything, as the live path takes them, over what a test writes."""

    def __init__(self, project: Project) -> None:
        self.project = project
        conversations = ConversationTurns(project.settings, project.dbt_of_moment)
        self._side = [
            turns.__enter__()
            for turns in (
                ChatTurns(project.settings, project.dbt),
                DealTurns(project.settings, project.dbt),
                conversations,
            )
        ]
        project.clocked.append(conversations)

    def turn(self, now: datetime) -> None:
        """Everything that is new, at this moment of the rules' clock."""
        self.project.set_clock(now)
        self.project.turn()
        for turns in self._side:
            while turns.run():
                pass
        self.project.turn()

    def points(self, who: str = "ana") -> dict[str, int]:
        found = self.project.query(
            "select reasons from marts.lead_results where lead_id = {lead:String}", lead=self.lead(who)
        )
        return {rule: points for rule, _, points, _ in found[0]["reasons"]} if found else {}

    def lead(self, who: str) -> str:
        query = "select lead_id from marts.identities where kind = 'email' and value = {value:String}"
        rows = self.project.query(query, value=f"{who}@x.test")
        return str(rows[0]["lead_id"])

    def links(self, who: str = "ana") -> dict[str, str | None]:
        """The conversation that each destination is told of."""
        query = (
            "select payload from activation.lead_deliveries where destination_id = {d:String} and lead_id = {l:String}"
        )
        found = {}
        for kind in ("chatwoot", "hubspot"):
            (row,) = self.project.query(query, d=uid(f"acme {kind}"), l=self.lead(who))
            found[kind] = json.loads(row["payload"])["attributes"].get("conversation_url")
        return found

    def results(self) -> list[tuple[Any, ...]]:
        return self.project.table("marts.lead_results", without=("evaluated_at",))

    def forget(self) -> None:
        self.project.forget()
        for table in OURS:
            self.project.command(f"truncate table {table}")


@pytest.fixture(scope="module")
def followed(project: Project) -> Iterator[Followed]:
    """One tenant with a Chatwoot, a CRM and rules over both."""
    followed = Followed(project)
    followed.forget()
    project.write("tenants", [raw_tenant()])
    chatwoot = {"configuration": '{"account_id": 1, "base_url": "https://chat.test/"}'}
    project.write("destinations", [raw_destination() | chatwoot, raw_destination(kind="hubspot")])
    project.write("lead_rules", raw_lead_rules(RULES))
    project.write("deal_stages", raw_deal_stages("acme", a_1="new", a_2="qualified", a_3="won"))
    yield followed
    project.follow_clock()
    del project.clocked[2:]
    followed.forget()


def form(who: str, at: datetime) -> Row:
    return raw_event("form_submit", visitor=who, at=at, user={"email": f"{who}@x.test"})


def test_what_happens_in_chats_and_deals_reaches_the_rules_of_the_lead(followed: Followed) -> None:
    project = followed.project
    state = conversation(17, TEN, labels=("boleto-vencido",), contact={"identifier": uid("ana")})
    ad = {"source_type": "ad", "source_id": "…01", "ctwa_clid": ""}
    project.write("events", [form("ana", TEN)])
    project.write("chatwoot_events", [told_message(state, message(1, TEN, referral=ad))])
    followed.turn(TEN + timedelta(minutes=1))
    assert followed.points() == {"open": 1, "boleto": 2}
    assert followed.links() == {"chatwoot": None, "hubspot": "https://chat.test/app/accounts/1/conversations/17"}
    (touch,) = project.query("select * from marts.lead_touches where origin = 'message'")
    assert (touch["touch_at"], touch["channel"], touch["content"], touch["click_ids"]) == (
        TEN,
        "Paid Social",
        "…01",
        {},
    )

    followed.turn(TEN + timedelta(minutes=10))  # by the clock alone
    assert followed.points() == {"open": 1, "boleto": 2, "waits": 4}

    answers = [message(2, TEN + timedelta(minutes=11), "Ana"), message(3, TEN + timedelta(minutes=12))]
    project.write("chatwoot_events", [told_message(state, each) for each in answers])
    deal = deal_payload("a/2", ("a/2", TEN), value="2000.00", currency="BRL", lead_key=followed.lead("ana"))
    project.write("deal_records", [raw_deal_record("deal", "d1", deal, version=TEN)])
    followed.turn(TEN + timedelta(minutes=13))
    assert followed.points() == {"open": 1, "boleto": 2, "wrote": 8, "large": 32}

    later = TEN + timedelta(minutes=15)
    sale = {"name": "purchase", "value": "900.00", "currency": "BRL"}  # the page tells of it as well
    project.write("events", [raw_event("conversion", visitor="ana", at=later, properties=sale)])
    won = deal | deal_payload("a/3", ("a/2", TEN), ("a/3", later)) | {"value": "900.00", "lead_key": deal["lead_key"]}
    project.write("deal_records", [raw_deal_record("deal", "d1", won, version=later)])
    followed.turn(later)
    assert followed.points() == {"open": 1, "boleto": 2, "wrote": 8, "won": 16}
    merged = won | {"merged_ids": ["d1"]}  # another deal of hers, in which the sale lives on: it is told of once
    project.write("deal_records", [raw_deal_record("deal", "d2", merged, version=later + timedelta(minutes=1))])
    followed.turn(later + timedelta(minutes=2))
    (signals,) = project.query("select events_json, clicks_json from staging.lead_signals")
    steps = [(event["name"], event["value"], event["event_id"]) for event in json.loads(signals["events_json"])]
    of_deal = f"deal:{of_destination('acme')}:d1"
    assert [step for step in steps if step[0] != "lead"] == [
        ("qualified", "", f"{of_deal}:qualified"),
        ("won", "900", f"{of_deal}:won"),
    ]
    assert [click["name"] for click in json.loads(signals["clicks_json"])] == ["ctwa_clid"]
    by_turns = followed.results()
    project.rebuild()
    assert followed.results() == by_turns


def agent(name: str, *, is_online: bool = False, is_gone: bool = False) -> Row:
    """An agent as a pull finds them."""
    number = {"Ana": 1, "Bia": 2}[name]
    status = "gone" if is_gone else "online" if is_online else "offline"
    return {"id": number, "name": name, "email": f"{name.lower()}@x.test", "availability_status": status}


def team(*members: int) -> Row:
    return {"id": 5, "name": "Vendas", "member_ids": list(members)}


class Covered:
    """A lead whose owner is Ana, and conversations of theirs."""

    def __init__(self, followed: Followed) -> None:
        self.project, self.turn, self.lead = followed.project, followed.turn, followed.lead

    def pulled(self, at: datetime, *rows: tuple[str, Row]) -> None:
        """A pull finds these agents and teams."""
        self.project.write("chat_records", [self._numbered(kind, row, at) for kind, row in rows])

    def _numbered(self, kind: str, row: Row, at: datetime) -> Row:
        return {**raw_chat_record(kind, row, loaded_at=at), "load_seq": int(at.timestamp())}

    def wants(self, number: int) -> dict[str, Any]:
        """Priority, team, agent and whom the agent covers, as Chatwoot should have them."""
        rows = self.project.query(
            "select payload from activation.conversation_deliveries where conversation_id = {number:String}",
            number=str(number),
        )
        return dict(json.loads(rows[0]["payload"])["conversation"]) if rows else {}

    def owner(self, who: str = "bea") -> str:
        found = self.project.query("select owner from marts.lead_results where lead_id = {l:String}", l=self.lead(who))
        return str(found[0]["owner"])


def test_an_owner_who_is_away_is_covered_by_one_colleague_and_stays_the_owner(followed: Followed) -> None:
    covered = Covered(followed)
    project = followed.project
    now = datetime.now(UTC).replace(microsecond=0)
    route = "rules: [{id: r, when: {fact: lead.email, is_set: true}, then: [{route: {team: Vendas, agent: Ana}}]}]"
    later = START + timedelta(minutes=1)
    project.write("lead_rules", raw_lead_rules(route, version=2, mirrored_at=later))
    project.write("chat_settings", [raw_chat_settings(covers_absence=True, cover_after_minutes=10)])
    always = {day: [("00:00", "24:00")] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
    project.write("business_hours", [raw_business_hours(weekly=always)])
    project.write("events", [form("bea", now - timedelta(days=30))])
    covered.pulled(now - timedelta(hours=1), ("agent", agent("Ana", is_online=False)),
                   ("agent", agent("Bia", is_online=True)), ("team", team(1, 2)))  # fmt: skip

    def says(number: int, at: datetime, who: str = "customer", **of: Any) -> None:
        state = conversation(number, at, assignee="Ana", contact={"identifier": uid("bea"), "id": 950}, **of)
        project.write("chatwoot_events", [told_message(state, message(number * 100 + at.minute, at, who))])

    says(700, now)  # Ana is on holiday
    covered.turn(now + timedelta(minutes=1))
    wanted = covered.wants(700)
    assert (wanted["agent"], wanted["covers"], wanted["team"]) == ("2", "Ana", "Vendas")
    (cover,) = project.query("select * from marts.conversation_covers where conversation_id = 700")
    assert (cover["cover"], cover["reason"], cover["owner"]) == ("Bia", "owner away", "Ana")

    covered.pulled(now + timedelta(minutes=2), ("agent", agent("Ana", is_online=True)))
    says(701, now + timedelta(minutes=3))  # Ana is back, and silent
    covered.turn(now + timedelta(minutes=4))
    assert (covered.wants(700)["agent"], covered.wants(701)["agent"]) == ("2", "Ana")
    says(700, now + timedelta(minutes=12), "Bia", status="resolved")
    covered.turn(now + timedelta(minutes=13))  # 701 by the clock alone
    (cover,) = project.query("select * from marts.conversation_covers where conversation_id = 701")
    assert (cover["cover"], cover["reason"]) == ("Bia", "no answer")
    assert covered.wants(700) == {}

    says(700, now + timedelta(minutes=16))  # the customer writes again, and the owner is there
    covered.turn(now + timedelta(minutes=17))
    assert covered.wants(700)["agent"] == "Ana"
    assert covered.owner() == "Ana"

    covered.pulled(now + timedelta(minutes=18), ("agent", agent("Ana", is_gone=True)))
    says(702, now + timedelta(minutes=19))  # Ana has left: her customers are covered, and she gets no new ones
    covered.turn(now + timedelta(minutes=20))
    assert (covered.wants(702)["agent"], covered.wants(702)["covers"]) == ("2", "Ana")
    project.write("events", [form("cleo", now - timedelta(days=30))])
    covered.turn(now + timedelta(minutes=21))
    assert (covered.owner(), covered.owner("cleo")) == ("Ana", "")
