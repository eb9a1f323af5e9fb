"""Rules that ask of conversations and deals: what changes there reaches the lead, and the clock what waits."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orchestration.live.chat_turns import ChatTurns
from orchestration.live.conversation_turns import ConversationTurns
from orchestration.live.deal_turns import DealTurns
from tests.factories import Row, raw_destination, raw_event, raw_lead_rules, raw_tenant, uid
from tests.fixtures.chat import conversation, message, told, told_message
from tests.fixtures.deal_rows import deal_payload, raw_deal_record, raw_deal_stages
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
    "marts.conversation_leads", "marts.lead_deals", "ops.deal_turns",
)  # fmt: skip


class Followed:
    """The turns of everything, as the live path takes them, over what a test writes."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._side = [
            kind(project.settings, project.dbt).__enter__() for kind in (ChatTurns, DealTurns, ConversationTurns)
        ]

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
    project.write("destinations", [raw_destination() | {"configuration": '{"account_id": 1}'}])
    project.write("lead_rules", raw_lead_rules(RULES))
    project.write("deal_stages", raw_deal_stages("acme", a_1="new", a_2="qualified", a_3="won"))
    yield followed
    project.follow_clock()
    followed.forget()


def form(who: str, at: datetime) -> Row:
    return raw_event("form_submit", visitor=who, at=at, user={"email": f"{who}@x.test"})


def test_what_happens_in_chats_and_deals_reaches_the_rules_of_the_lead(followed: Followed) -> None:
    project = followed.project
    project.write("events", [form("ana", TEN)])
    followed.turn(TEN)
    assert followed.points() == {}

    state = conversation(17, TEN, labels=("boleto-vencido",), contact={"identifier": uid("ana")})
    first = message(1, TEN)
    project.write("chatwoot_events", [told("conversation_created", state, TEN), told_message(state, first)])
    followed.turn(TEN + timedelta(minutes=1))
    assert followed.points() == {"open": 1, "boleto": 2}

    followed.turn(TEN + timedelta(minutes=10))  # by the clock alone
    assert followed.points() == {"open": 1, "boleto": 2, "waits": 4}

    answers = [message(2, TEN + timedelta(minutes=11), "Ana"), message(3, TEN + timedelta(minutes=12))]
    project.write("chatwoot_events", [told_message(state, each) for each in answers])
    followed.turn(TEN + timedelta(minutes=13))
    assert followed.points() == {"open": 1, "boleto": 2, "wrote": 8}

    deal = deal_payload("a/1", ("a/1", TEN), value="2000.00", currency="BRL", lead_key=followed.lead("ana"))
    project.write("deal_records", [raw_deal_record("deal", "d1", deal, version=TEN)])
    followed.turn(TEN + timedelta(minutes=14))
    assert followed.points() == {"open": 1, "boleto": 2, "wrote": 8, "large": 32}

    later = TEN + timedelta(minutes=20)
    won = deal | deal_payload("a/3", ("a/1", TEN), ("a/3", later)) | {"value": "900.00", "lead_key": deal["lead_key"]}
    project.write("deal_records", [raw_deal_record("deal", "d1", won, version=later)])
    followed.turn(later)
    assert followed.points() == {"open": 1, "boleto": 2, "wrote": 8, "won": 16}
    by_turns = followed.results()
    project.rebuild()
    assert followed.results() == by_turns
