"""Conversations: who answered whom and when, whatever came of webhooks, in whatever order."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from echolead.demo.traffic.chats import ACCOUNT_ID, AGENTS
from echolead.demo.traffic.chats import Chats as GeneratedChats
from echolead.demo.traffic.generator import generate
from echolead.demo.traffic.sites import sites
from orchestration.live.chat_turns import ChatTurns
from tests.factories import (
    Row,
    raw_business_hours,
    raw_chat_settings,
    raw_destination,
    raw_event,
    raw_tenant,
    raw_webhook,
    uid,
)
from tests.fixtures.chat import conversation, found, message, told, told_message
from tests.integration.dbt.conftest import Project

SAO_PAULO = ZoneInfo("America/Sao_Paulo")
TABLES = (
    "staging.chat_states",
    "staging.chat_messages_seen",
    "staging.chat_contacts",
    "staging.chat_names",
    "marts.conversation_facts",
    "ops.chat_turns",
)
HOURS = {day: [("09:00", "18:00")] for day in ("mon", "tue", "wed", "thu", "fri")}


def local(text: str) -> datetime:
    """A time of São Paulo."""
    return datetime.fromisoformat(text).replace(tzinfo=SAO_PAULO).astimezone(UTC)


def day(time: str) -> datetime:
    """A time of Wednesday, 4 March 2026."""
    return local(f"2026-03-04T{time}")


def history(entries: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The entries of a history, times in UTC."""
    return [(*each[:-1], each[-1].replace(tzinfo=UTC)) for each in entries]


class Chats:
    """The project, and turns of chats over what a test writes."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._turns = ChatTurns(project.settings, project.dbt).__enter__()

    def webhooks(self, *rows: Row) -> None:
        """One load of webhooks, and a turn."""
        self.project.write("chatwoot_events", rows)
        self.turn()

    def pulled(self, *rows: Row) -> None:
        """One pull, and a turn."""
        number = self.project.query("select max(load_seq) as last from raw.chat_records")[0]["last"] + 1
        self.project.write("chat_records", [{**row, "load_seq": number} for row in rows])
        self.turn()

    def turn(self) -> None:
        """Turns until nothing is left."""
        while self._turns.run():
            pass

    def one(self, number: int, table: str = "marts.conversations", tenant_id: str = "acme") -> dict[str, Any]:
        rows = self.project.query(
            f"select * from {table} where conversation_id = {{n:Int64}} and tenant_id = {{t:String}}",
            n=number,
            t=tenant_id,
        )
        assert len(rows) == 1, rows
        return rows[0]

    def forget(self) -> None:
        """Nothing is known of chats, and nobody has anything."""
        self.project.forget()
        for table in TABLES:
            self.project.command(f"truncate table {table}")


@pytest.fixture(scope="module")
def built(project: Project) -> Iterator[Chats]:
    chats = Chats(project)
    yield chats
    chats.forget()


@pytest.fixture
def chats(built: Chats) -> Chats:
    """A tenant that is open from Monday to Friday, 9 to 18."""
    built.forget()
    built.project.write("tenants", [raw_tenant()])
    built.project.write("destinations", [raw_destination()])
    built.project.write("business_hours", [raw_business_hours(weekly=HOURS)])
    return built


MORNING = [
    message(1, day("10:00:00")),
    message(2, day("10:00:01"), "", kind=3),
    message(3, day("10:00:03"), "Ana", private=True, content="Jornada"),
    message(4, day("10:00:05"), "", automation=True),
    message(5, day("10:00:10"), "Caio", campaign=True),
    message(6, day("10:01:00"), "bot"),
    message(7, day("10:05:00"), "Ana", private=True),
    message(8, day("10:12:00"), "Bia"),
]


def test_only_a_person_who_speaks_to_the_customer_answers(chats: Chats) -> None:
    state = conversation(401, day("10:00:00"), assignee="Ana")
    chats.webhooks(
        told("conversation_created", state, day("10:00:00")), *(told_message(state, each) for each in MORNING)
    )
    one = chats.one(401)
    assert one["first_response_at"] == day("10:12:00")
    assert (one["responder"], one["assignee"], one["opened_by"]) == ("Bia", "Ana", "contact")
    assert one["first_response_business_seconds"] == 720
    assert (one["customer_messages"], one["human_messages"], one["notes"]) == (1, 1, 2)
    assert one["automatic_messages"] == 4
    assert one["waiting_since"] is None
    sla = chats.one(401, "marts.chat_sla")
    assert (sla["due_at"], sla["is_breached"], sla["is_waiting"]) == (day("10:15:00"), False, False)


def test_without_a_persons_answer_the_customer_waits_and_the_target_is_missed(chats: Chats) -> None:
    state = conversation(402, day("10:00:00"), assignee="Ana")
    chats.webhooks(*(told_message(state, each) for each in MORNING[:-1]))
    assert chats.one(402)["first_response_at"] is None
    assert chats.one(402)["waiting_since"] == day("10:00:00")
    sla = chats.one(402, "marts.chat_sla")
    assert (sla["due_at"], sla["is_breached"], sla["is_waiting"]) == (day("10:15:00"), True, True)


def test_the_out_of_office_text_answers_nobody_and_the_night_does_not_count(chats: Chats) -> None:
    asked = local("2026-03-07T22:00:00")
    state = conversation(403, asked)
    weekend = [message(1, asked), message(2, local("2026-03-07T22:00:02"), "", kind=3)]
    chats.webhooks(*(told_message(state, each) for each in weekend))
    sla = chats.one(403, "marts.chat_sla")
    assert (sla["is_waiting"], sla["due_at"]) == (True, local("2026-03-09T09:15:00"))
    chats.webhooks(told_message(state, message(3, local("2026-03-09T09:10:00"), "Bia")))
    assert chats.one(403)["first_response_business_seconds"] == 600
    assert chats.one(403, "marts.chat_sla")["is_breached"] is False


def test_a_conversation_that_ended_in_time_and_is_reopened_waits_and_missed_nothing(chats: Chats) -> None:
    state = conversation(407, day("10:00"))
    ended = conversation(407, day("10:05"), status="resolved", opened_at=day("10:00"))
    again = conversation(407, day("16:00"), opened_at=day("10:00"))
    chats.webhooks(
        told_message(state, message(1, day("10:00"))),
        told("conversation_status_changed", ended, day("10:05")),
        told_message(again, message(2, day("16:00"))),
    )
    sla = chats.one(407, "marts.chat_sla")
    assert (sla["status"], sla["is_breached"], sla["is_waiting"]) == ("open", False, True)


def test_a_later_question_waits_again(chats: Chats) -> None:
    state = conversation(404, day("10:00"))
    said = [
        message(1, day("10:00")),
        message(2, day("10:03"), "Bia"),
        message(3, day("11:00")),
        message(4, day("11:20")),
    ]
    chats.webhooks(*(told_message(state, each) for each in said))
    assert chats.one(404)["waiting_since"] == day("11:00")
    assert chats.one(404, "marts.chat_sla")["is_waiting"] is False


@pytest.mark.parametrize(
    ("asked", "answered", "seconds", "due"),
    [
        ("2026-03-04T11:55", "2026-03-04T13:40", 900, "2026-03-04T13:40"),
        ("2026-03-06T17:50", "2026-03-09T09:30", 2400, "2026-03-09T09:05"),
        ("2026-03-04T12:30", "2026-03-04T12:45", 0, "2026-03-04T13:45"),
        ("2026-04-02T17:55", "2026-04-06T09:10", 900, "2026-04-06T09:10"),
        ("2026-12-23T17:50", "2026-12-24T09:30", 2400, "2026-12-24T09:05"),
        ("2026-12-24T11:50", "2026-12-28T09:01", 660, "2026-12-28T09:05"),
    ],
    ids=[
        "over lunch",
        "over a weekend",
        "within lunch",
        "over a holiday",
        "into a short day",
        "out of a short day, over a holiday and a weekend",
    ],
)
def test_seconds_count_while_the_tenant_is_open(
    asked: str, answered: str, seconds: int, due: str, chats: Chats
) -> None:
    halves = {name: [("09:00", "12:00"), ("13:30", "18:00")] for name in HOURS}
    hours = raw_business_hours(
        weekly=halves,
        closed_dates=["2026-04-03", "2026-12-24", "2026-12-25"],
        special_days=[{"date": "2026-12-24", "name": "Véspera", "intervals": [("09:00", "12:00")]}],
        mirrored_at=day("09:00"),
    )
    chats.project.write("business_hours", [hours])
    state = conversation(405, local(asked))
    chats.webhooks(
        told_message(state, message(1, local(asked))), told_message(state, message(2, local(answered), "Ana"))
    )
    assert chats.one(405)["first_response_business_seconds"] == seconds
    assert chats.one(405, "marts.chat_sla")["due_at"] == local(due)


def test_the_target_is_the_tenants(chats: Chats) -> None:
    chats.project.write("chat_settings", [raw_chat_settings(first_response_minutes=600)])
    state = conversation(406, day("10:00"))
    chats.webhooks(told_message(state, message(1, day("10:00"))))
    sla = chats.one(406, "marts.chat_sla")
    assert (sla["target_minutes"], sla["due_at"]) == (600, local("2026-03-05T11:00"))


STATES = {
    "D1": conversation(501, day("10:00:00.100"), status="pending"),
    "D2": conversation(501, day("10:02:00.500"), assignee="Ana", opened_at=day("10:00")),
    "D3": conversation(501, day("10:05:00"), assignee="Ana", labels=("quente",), opened_at=day("10:00")),
    "D5": conversation(501, day("10:15:00"), assignee="Ana", labels=("quente",), opened_at=day("10:00")),
    "D4": conversation(
        501, day("10:20:00"), status="resolved", assignee="Ana", labels=("quente",), opened_at=day("10:00")
    ),
}


def changed(name: str, delivery: str = "") -> Row:
    return told("conversation_updated", STATES[name], day("10:30"), delivery=delivery)


def test_state_follows_the_products_clock_and_not_the_order_of_arrival(chats: Chats) -> None:
    for name, delivery in (("D2", ""), ("D3", "a"), ("D3", "b"), ("D4", ""), ("D5", ""), ("D1", "")):
        chats.webhooks(changed(name, delivery))
    one = chats.one(501)
    assert history(one["status_history"]) == [
        ("pending", day("10:00:00.100")),
        ("open", day("10:02:00.500")),
        ("resolved", day("10:20:00")),
    ]
    assert history(one["label_history"]) == [("quente", "added", day("10:05:00"))]
    assert (one["status"], one["resolved_at"], one["assignee"]) == ("resolved", day("10:20:00"), "Ana")


def test_a_pull_tells_what_webhooks_did_not(chats: Chats) -> None:
    chats.webhooks(changed("D1"), changed("D3"), changed("D5"))
    assert chats.one(501)["status"] == "open"
    chats.pulled(*found(STATES["D4"], at=day("10:31")))
    one = chats.one(501)
    assert (one["status"], one["resolved_at"]) == ("resolved", day("10:20:00"))
    assert history(one["label_history"]) == [("quente", "added", day("10:05:00"))]


def test_our_own_write_that_comes_back_is_no_news(chats: Chats) -> None:
    chats.webhooks(changed("D1"), changed("D3"))
    before = chats.one(501)
    echo = {**STATES["D3"], "updated_at": day("10:06:00").timestamp()}
    chats.webhooks(told("conversation_updated", echo, day("10:06:01")))
    assert chats.one(501) == before


def script(number: int, chance: random.Random) -> tuple[list[Row], list[Row]]:
    """A conversation as it went: what webhooks tell of it, and what a pull finds in the end."""
    opened = day("09:00")
    states, messages, webhooks = [], [], []
    labels: list[str] = []
    status = "open"
    for step in range(12):
        at = datetime.fromtimestamp(opened.timestamp() + 60 * step + chance.random(), UTC)
        match chance.choice(("message", "message", "label", "status")):
            case "label":
                labels = sorted({*labels, chance.choice("abc")}) if chance.random() < 0.7 else labels[1:]
            case "status":
                status = chance.choice(("open", "resolved", "pending"))
            case _:
                sender = chance.choice(("customer", "customer", "Ana", "Bia", "bot"))
                said = message(100 * number + step, at.replace(microsecond=0), sender, private=chance.random() < 0.2)
                messages.append({**said, "private": said["private"] and sender != "customer"})
        states.append(conversation(number, at, status=status, labels=tuple(labels), opened_at=opened))
        webhooks.append(told("conversation_updated", states[-1], at))
        if messages and messages[-1]["id"] == 100 * number + step:
            webhooks.append(told_message(states[-1], messages[-1]))
    return webhooks, found(states[-1], *messages, at=day("12:00"))


ENDS = (
    "status, labels, resolved_at is null, first_response_at, responder_id, waiting_since, customer_messages,"
    " human_messages, notes, automatic_messages, opened_by"
)


def ends(chats: Chats, columns: str = ENDS) -> list[dict[str, Any]]:
    return chats.project.query(f"select conversation_id, {columns} from marts.conversations order by conversation_id")


def test_lost_doubled_and_reordered_webhooks_give_the_same_end_after_a_pull(chats: Chats) -> None:
    chance = random.Random(20260304)
    scripts = [script(number, chance) for number in range(1, 31)]
    in_order = [row for webhooks, _ in scripts for row in webhooks]
    pulls = [row for _, rows in scripts for row in rows]
    chats.webhooks(*in_order)
    chats.pulled(*pulls)
    wanted = ends(chats)
    assert len(wanted) == 30
    chats.forget()
    chats.project.write("tenants", [raw_tenant()])
    kept = [row for row in in_order if chance.random() > 0.2]
    shuffled = [*kept, *chance.sample(kept, len(kept) // 3)]
    chance.shuffle(shuffled)
    for start in range(0, len(shuffled), 100):
        chats.webhooks(*shuffled[start : start + 100])
    assert ends(chats) != wanted
    chats.pulled(*pulls)
    assert ends(chats) == wanted


def test_a_rebuild_gives_the_same(chats: Chats) -> None:
    chance = random.Random(4)
    scripts = [script(number, chance) for number in range(1, 9)]
    for webhooks, pulled in scripts:
        chats.webhooks(*webhooks)
        chats.pulled(*pulled)
    tables = ("staging.chat_states", "staging.chat_messages_seen", "staging.chat_contacts", "marts.conversation_facts")
    by_turns = {name: chats.project.table(name) for name in tables}
    chats.project.run("run", "tag:chat", full_refresh=True)
    assert {name: chats.project.table(name) for name in tables} == by_turns


def test_a_conversation_is_the_leads_that_its_contact_is(chats: Chats) -> None:
    now = datetime.now(UTC)
    chats.project.write("events", [
        raw_event("form_submit", visitor="ana", at=now, user={"email": "ana@x.test"}),
        raw_event("form_submit", visitor="bia", at=now, user={"email": "bia@x.test", "phone": "+5511987650002"}),
    ])  # fmt: skip
    chats.project.turn()
    by = {
        601: {"identifier": uid("ana")},
        602: {"email": "BIA@x.test", "identifier": "crm-7"},
        603: {"phone_number": "+5511987650002"},
        604: {"email": "nobody@x.test"},
    }
    chats.webhooks(*(
        told("conversation_created", conversation(number, day("10:00"), contact=contact), day("10:00"))
        for number, contact in by.items()
    ))  # fmt: skip
    leads = {number: chats.one(number)["lead_id"] for number in by}
    assert leads == {601: uid("ana"), 602: uid("bia"), 603: uid("bia"), 604: ""}


def test_each_ad_click_is_a_touch_at_its_own_time(chats: Chats) -> None:
    state = conversation(801, local("2026-03-05T10:00"), opened_at=local("2026-01-10T10:00"))
    ad = {"source_type": "ad", "source_id": "120000000001", "ctwa_clid": "A1", "source_url": "https://fb.me/1"}
    said = [
        message(1, local("2026-01-10T10:00")),
        message(2, local("2026-03-02T10:00"), referral=ad),
        message(3, local("2026-03-05T10:00"), referral={**ad, "source_id": "120000000002", "ctwa_clid": "B2"}),
        message(4, local("2026-03-06T10:00"), referral={**ad, "ctwa_clid": ""}, content=None),
        message(5, local("2026-03-07T10:00"), referral={"source_type": "post", "source_id": "9"}),
    ]
    chats.webhooks(*(told_message(state, {**each, "content_attributes": {}}) for each in said))
    assert chats.project.query("select * from marts.chat_touches") == []
    chats.pulled(*found(state, *said, at=local("2026-03-08T10:00")))
    touches = chats.project.query("select * from marts.chat_touches order by touched_at")
    assert [(each["touched_at"], each["source_id"], each["ctwa_clid"]) for each in touches] == [
        (local("2026-03-02T10:00"), "120000000001", "A1"),
        (local("2026-03-05T10:00"), "120000000002", "B2"),
        (local("2026-03-06T10:00"), "120000000001", ""),
        (local("2026-03-07T10:00"), "9", ""),
    ]
    assert [each["channel"] for each in touches] == ["Paid Social"] * 3 + ["Organic Social"]
    assert [each["no_feedback_reason"] for each in touches] == ["", "", "no_click_id", "not_an_ad"]


def test_texts_reach_no_table_unless_the_tenant_keeps_them(chats: Chats) -> None:
    state = conversation(701, day("10:00"))
    chats.webhooks(told_message(state, message(1, day("10:00"), content="Meu CPF")))
    assert chats.project.query("select content from staging.chat_messages_seen") == [{"content": ""}]
    chats.project.write("chat_settings", [raw_chat_settings(keeps_texts=True)])
    chats.webhooks(told_message(state, message(2, day("10:01"), content="Pode ligar")))
    found_texts = chats.project.query("select content from staging.chat_messages_seen where message_id = 2")
    assert found_texts == [{"content": "Pode ligar"}]


@pytest.mark.parametrize(
    "payload",
    ["{}", '{"id": "x", "status": 7}', "[]", '{"id": 9, "messages": 3, "meta": [], "updated_at": "never"}', "\\u0000"],
)
def test_what_cannot_be_read_stops_nobody(payload: str, chats: Chats) -> None:
    broken = told("conversation_updated", {}, day("10:00"))
    said = told("message_created", {}, day("10:00"), delivery="m")
    chats.webhooks(
        {**broken, "payload": payload},
        {**said, "payload": payload},
        told("conversation_created", conversation(1, day("10:01")), day("10:01")),
    )
    assert chats.one(1)["status"] == "open"


def test_tenants_and_accounts_do_not_share_a_number(chats: Chats) -> None:
    chats.project.write(
        "tenants", [raw_tenant(mirrored_at=day("09:00")), raw_tenant("bistro", mirrored_at=day("09:00"))]
    )
    chats.webhooks(
        told("conversation_created", conversation(1, day("10:00")), day("10:00")),
        told("conversation_created", conversation(1, day("11:00"), status="pending"), day("11:00"), tenant_id="bistro"),
    )
    assert chats.one(1)["status"] == "open"
    assert chats.one(1, tenant_id="bistro")["status"] == "pending"


def test_generated_chats_are_conversations_that_people_answered(chats: Chats) -> None:
    until = local("2026-03-01T12:00:00")
    begun = GeneratedChats(seed=3)
    for _ in generate(3, sites(1), 60, 12_000, until, chats=begun):
        pass
    webhooks = list(begun.webhooks(until))
    chats.webhooks(
        *(
            raw_webhook(each.delivery_id, tenant_id=each.tenant_id, event_kind=json.loads(each.body)["event"],
                        payload=each.body.decode(), received_at=each.received_at)
            for each in webhooks
        )
    )  # fmt: skip
    found = chats.project.query("select * from marts.conversations where tenant_id = 'demo'")
    assert len(found) == sum(b'"conversation_created"' in each.body for each in webhooks) > 10
    assert {each["account_id"] for each in found} == {ACCOUNT_ID}
    assert all(each["opened_by"] == "contact" for each in found)
    answered = [each for each in found if each["first_response_at"] is not None]
    assert 0.7 < len(answered) / len(found) < 1
    assert {each["responder"] for each in answered} <= {name for _, name in AGENTS}
    assert {each["status"] for each in found} == {"open", "resolved"}
