"""A visitor follows a WhatsApp link and writes: the conversation is theirs, and had been led to by their visit."""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pyarrow as pa
import pytest

from dlt_pipelines.chatwoot import records
from dlt_pipelines.collector.loader import EventLoader, Load
from dlt_pipelines.collector.texts import without_texts
from dlt_pipelines.loads import last_load, write_load
from echolead.warehouse import connect
from orchestration.live.chat_turns import ChatTurns
from orchestration.live.code_joins import CodeJoins
from orchestration.live.conversation_turns import ConversationTurns
from tests.factories import Row, arrival, raw_chat_record, raw_destination, raw_event, raw_tenant, uid
from tests.fixtures.chat import conversation, found, message, told, told_message
from tests.integration.dbt.conftest import Project

TABLES_OF_CHATS = (
    "staging.chat_states", "staging.chat_messages_seen", "staging.chat_contacts", "staging.chat_names",
    "staging.chat_presence", "staging.chat_teams", "marts.chat_loads", "marts.chat_codes", "marts.code_joins",
    "marts.conversation_facts", "marts.conversation_leads", "marts.conversation_covers", "ops.chat_turns",
    "activation.conversation_deliveries", "ops.conversation_turns",
)  # fmt: skip
COMPARED = (
    "marts.link_codes", "marts.chat_codes", "marts.code_joins", "marts.leads", "marts.lead_touches", "marts.identities",
    "marts.conversation_facts",
)  # fmt: skip
JOINED = ("webhook", "pull", "late", "same", "named_later", "deleted")
APART = ("expired", "foreign", "known", "two_visitors", "two_leads")
TENANTS = (*JOINED, *APART, "twice")
NOW = datetime.now(UTC).replace(microsecond=0)
HOME = "https://lp.acme.test/"
PAID = {"utm_source": "google", "utm_medium": "cpc", "utm_campaign": "verao", "gclid": "Abc_123"}
ANA, BIA = "+5511987650001", "+5511987650002"


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def code(tenant: str, visitor: str = "ana") -> str:
    """What the script puts into the links of a visitor."""
    return uid(f"{tenant} {visitor} session")[-8:]


def event(
    name: str, tenant: str, at: datetime, visitor: str = "ana", begun: datetime | None = None, **more: Any
) -> Row:
    arrived = arrival(begun or ago(60), HOME, **PAID)
    return raw_event(name, tenant_id=tenant, visitor=f"{tenant} {visitor}", at=at, arrived=arrived, **more)


def visit(tenant: str, begun: datetime | None = None, visitor: str = "ana", said: str = "") -> list[Row]:
    """Two pages, and a click on the link of the second."""
    begun = begun or ago(60)
    more = {"visitor": visitor, "begun": begun}
    clicked = {"kind": "whatsapp", "whatsapp_code": said or code(tenant, visitor)}
    price = f"{HOME}precos"
    return [
        event("page_view", tenant, begun, url=HOME, **more),
        event("page_view", tenant, begun + timedelta(seconds=20), url=price, **more),
        event("click", tenant, begun + timedelta(seconds=40), url=price, properties=clicked, **more),
    ]


def form(tenant: str, user: Mapping[str, str]) -> Row:
    return event("form_submit", tenant, ago(59.5), user=user)


def state(number: int, phone: str = ANA, at: datetime | None = None) -> Row:
    at = at or ago(58)
    return conversation(number, at, contact={"id": 900 + number, "name": "Aninha", "phone_number": phone})


def webhook(tenant: str, text: str, number: int = 17, phone: str = ANA, at: datetime | None = None) -> Row:
    """A message of WhatsApp, as the loader stores its webhook for a tenant that keeps no texts."""
    at = at or ago(58)
    row = told_message(state(number, phone, at), message(number, at, content=text), tenant_id=tenant)
    return {**row, "payload": without_texts(row["payload"])}


def pull(tenant: str, text: str) -> list[Row]:
    """The same by a pull alone."""
    kept = records.message(message(17, ago(58), content=text), 17, keeps_text=False)
    said = raw_chat_record("message", json.loads(kept.payload), conversation_id=17, tenant_id=tenant, loaded_at=NOW)
    return [said, *found(state(17), at=NOW, tenant_id=tenant)]


class Stack:
    """The project and the live path's steps, in its order; takes the place of the loader, which has a queue."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.added = 0
        self._chats = ChatTurns(project.settings, project.dbt).__enter__()
        self._conversations = ConversationTurns(project.settings, project.dbt).__enter__()
        self.joins = CodeJoins(project.settings)

    def add(self, rows: Mapping[str, pa.Table], package: str) -> Load:
        with closing(connect(self.project.settings.clickhouse("loader"))) as client:
            write_load(client, last_load(client) + 1, rows, package)
        self.added += rows["events"].num_rows
        return Load(events=rows["events"].num_rows)

    def settle(self) -> None:
        """Turns until nothing is left."""
        loaded = True
        while loaded:
            self.project.turn()
            while self._chats.run():
                pass
            while self._conversations.run():
                pass
            loaded = bool(self.joins.add_to(cast(EventLoader, self)).events)

    def close(self) -> None:
        self.joins.close()
        self.project.forget()
        for table in TABLES_OF_CHATS:
            self.project.command(f"truncate table {table}")


def written(stack: Stack) -> None:
    """What each tenant's visitor and contacts do, in two loads."""
    project = stack.project
    project.write("tenants", [raw_tenant(tenant) for tenant in TENANTS])
    project.write("destinations", [
        {**raw_destination(tenant), "configuration": '{"account_id": 1}'} for tenant in TENANTS
    ])  # fmt: skip
    long_ago = NOW - timedelta(days=8)
    project.write("events", [
        *(row for tenant in ("webhook", "pull", "twice", "named_later", "deleted") for row in visit(tenant)),
        *visit("expired", long_ago),
        *visit("known"), form("known", {"email": "ana@x.test", "phone": ANA}),
        *visit("same"), form("same", {"phone": ANA, "email": "ana@x.test"}),
        *visit("two_visitors"), *visit("two_visitors", visitor="bia", said=code("two_visitors")),
        *visit("two_leads"), form("two_leads", {"email": "ana@x.test"}),
        event("form_submit", "two_leads", ago(59), visitor="bia", user={"email": "bia@x.test", "phone": BIA}),
    ])  # fmt: skip
    project.write("chatwoot_events", [
        *(webhook(tenant, f"Olá, quero saber [#{code(tenant)}]") for tenant in ("webhook", "late", "expired", "same")),
        webhook("deleted", f"quero saber #{code('deleted').upper()}"),
        webhook("twice", f"Oi [#{code('twice')}]"),
        webhook("twice", f"Oi [#{code('twice')}]", number=18, phone=BIA, at=ago(50)),
        webhook("foreign", f"Oi [#{code('webhook')}]"),
        webhook("known", f"Oi [#{code('known')}]", phone=BIA),
        webhook("two_visitors", f"Oi [#{code('two_visitors')}]"),
        webhook("two_leads", f"Oi [#{code('two_leads')}]", phone=BIA),
        webhook("named_later", f"Oi [#{code('named_later')}]", phone=""),
    ])  # fmt: skip
    project.write("chat_records", [{**row, "load_seq": 1} for row in pull("pull", f"Oi [#{code('pull')}] 😀")])
    stack.settle()
    project.write("events", visit("late"))
    named = {"id": 917, "phone_number": ANA, "account": {"id": 1}}
    project.write(
        "chatwoot_events", [told("contact_updated", named, NOW + timedelta(seconds=1), tenant_id="named_later")]
    )
    stack.settle()


@pytest.fixture(scope="module")
def stack(project: Project) -> Iterator[Stack]:
    project.forget()
    stack = Stack(project)
    written(stack)
    yield stack
    stack.close()


def leads_of(stack: Stack, tenant: str) -> dict[int, str]:
    rows = stack.project.query(
        "select conversation_id, lead_id from marts.conversations where tenant_id = {t:String}", t=tenant
    )
    return {row["conversation_id"]: row["lead_id"] for row in rows}


@pytest.mark.parametrize("tenant", JOINED)
def test_the_conversation_is_of_the_visitor_who_clicked(stack: Stack, tenant: str) -> None:
    lead = stack.project.query("select * from marts.leads where tenant_id = {t:String}", t=tenant)
    assert leads_of(stack, tenant) == {17: uid(f"{tenant} ana")}
    assert [(each["lead_id"], each["phone"], each["chats"]) for each in lead] == [(uid(f"{tenant} ana"), ANA, 1)]


@pytest.mark.parametrize("tenant", JOINED)
def test_agents_see_the_visit_as_of_a_chat_of_the_widget(stack: Stack, tenant: str) -> None:
    query = "select payload from activation.conversation_deliveries where tenant_id = {t:String}"
    [wanted] = [json.loads(row["payload"]) for row in stack.project.query(query, t=tenant)]
    assert (wanted["attributes"]["campaign"], wanted["attributes"]["gclid"]) == ("verao", "Abc_123")
    assert "campanha-verao" in wanted["labels"]
    assert "Páginas: / → /precos" in wanted["conversation"]["note"].splitlines()


@pytest.mark.parametrize("tenant", JOINED)
def test_the_link_is_no_second_arrival(stack: Stack, tenant: str) -> None:
    query = "select origin from marts.lead_touches where tenant_id = {t:String}"
    assert [row["origin"] for row in stack.project.query(query, t=tenant)] == ["session"]


@pytest.mark.parametrize("tenant", APART)
def test_a_code_that_is_old_foreign_or_of_another_person_joins_nobody(stack: Stack, tenant: str) -> None:
    query = "select count() as n from marts.link_codes where event_name = 'chat_start' and tenant_id = {t:String}"
    assert stack.project.query(query, t=tenant) == [{"n": 0}]
    assert leads_of(stack, tenant)[17] in ("", uid("two_leads bia"))
    assert leads_of(stack, tenant)[17] != uid(f"{tenant} ana")


def test_of_two_contacts_with_one_code_the_first_is_the_visitor(stack: Stack) -> None:
    assert leads_of(stack, "twice") == {17: uid("twice ana"), 18: ""}
    [identifiers] = stack.project.query("select identifiers from marts.leads where tenant_id = 'twice'")
    assert BIA not in str(identifiers)


def test_a_code_is_kept_and_its_text_is_not(stack: Stack) -> None:
    rows = stack.project.query("select link_code, content from staging.chat_messages_seen where link_code != ''")
    assert len(rows) == len(TENANTS) + 1
    assert {row["content"] for row in rows} == {""}


def test_a_live_run_that_begins_again_joins_nothing_twice(stack: Stack) -> None:
    added = stack.added
    with closing(CodeJoins(stack.project.settings)) as after_a_restart:
        assert after_a_restart.add_to(cast(EventLoader, stack)).events == 0
    assert added == len(JOINED) + 1


def test_a_rebuild_gives_the_same(stack: Stack) -> None:
    project = stack.project
    by_turns = {table: project.table(table) for table in COMPARED}
    project.rebuild()
    project.run("run", "tag:chat", "tag:conversations", full_refresh=True)
    stack.settle()
    assert {table: project.table(table) for table in COMPARED} == by_turns
