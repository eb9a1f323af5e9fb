"""Conversations of generated traffic: as Chatwoot would tell of them, and of the people that the events name."""

import json
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import pytest

from echolead.demo.traffic.chats import ACCOUNT_ID, Chats, at_work
from echolead.demo.traffic.generator import generate
from echolead.demo.traffic.requests import EPOCH
from echolead.demo.traffic.sites import sites
from echolead.webhooks import ReceivedWebhook, encode_webhook

UNTIL = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
Body = dict[str, Any]


def generated() -> tuple[list[ReceivedWebhook], list[Body]]:
    """The webhooks of two tenants, and the events."""
    chats = Chats(5)
    requests = list(generate(5, sites(2), 40, 20_000, UNTIL, chats=chats))
    events = [json.loads(bytes(each.event)) for each in chain.from_iterable(one.events for one in requests)]
    return list(chats.webhooks(UNTIL)), events


@pytest.fixture(scope="module")
def told() -> tuple[list[ReceivedWebhook], list[Body]]:
    return generated()


@pytest.fixture(scope="module")
def conversations(told: tuple[list[ReceivedWebhook], list[Body]]) -> list[list[Body]]:
    """The bodies of each conversation's webhooks, in the order in which they came."""
    found: defaultdict[tuple[str, int], list[tuple[datetime, Body]]] = defaultdict(list)
    for webhook in told[0]:
        body = json.loads(webhook.body)
        number = body["conversation"]["id"] if body["event"] == "message_created" else body["id"]
        found[webhook.tenant_id, number].append((webhook.received_at, body))
    return [[body for _, body in sorted(each, key=lambda one: one[0])] for each in found.values()]


def test_the_same_seed_gives_the_same_conversations() -> None:
    first, second = generated()[0], generated()[0]
    assert [encode_webhook(each) for each in first] == [encode_webhook(each) for each in second]


def test_every_chat_of_an_event_is_a_conversation_and_nothing_is_told_of_the_future(
    told: tuple[list[ReceivedWebhook], list[Body]],
) -> None:
    webhooks, events = told
    begun = {event["properties"]["conversation_id"] for event in events if event["name"] == "chat_start"}
    opened = {
        json.loads(each.body)["id"] for each in webhooks if json.loads(each.body)["event"] == "conversation_created"
    }
    assert len(begun) > 10
    assert begun <= {str(number) for number in opened}
    assert max(each.received_at for each in webhooks) < UNTIL
    assert len({(each.tenant_id, each.delivery_id) for each in webhooks}) == len(webhooks)


def test_contacts_are_the_people_whom_the_events_name(told: tuple[list[ReceivedWebhook], list[Body]]) -> None:
    webhooks, events = told
    stated = {event["user"]["email"].lower() for event in events if event.get("user", {}).get("email")}
    senders = [json.loads(each.body)["meta"]["sender"] for each in webhooks if b'"conversation_created"' in each.body]
    named = {sender["email"] for sender in senders if sender["email"]}
    assert len(named) > 10
    assert len(named & stated) > 0.9 * len(named), "some events are late, and come after the end"
    assert any(not sender["email"] and not sender["phone_number"] for sender in senders), "a chat without a name"


def test_a_conversation_begins_with_the_customer_and_few_are_never_answered(conversations: list[list[Body]]) -> None:
    kinds = Counter[str]()
    for bodies in conversations:
        messages = [body for body in bodies if body["event"] == "message_created"]
        assert bodies[0]["event"] == "conversation_created"
        assert messages[0]["message_type"] == "incoming"
        assert {body["account"]["id"] for body in messages} == {ACCOUNT_ID}
        kinds["answered"] += any(body["message_type"] == "outgoing" for body in messages)
        kinds["resolved"] += bodies[-1].get("status") == "resolved"
        kinds["labelled"] += any(body.get("labels") for body in bodies)
    assert 0.7 < kinds["answered"] / len(conversations) < 1
    assert 0.5 < kinds["resolved"] / len(conversations) < 1
    assert 0.4 < kinds["labelled"] / len(conversations) < 1


@pytest.mark.parametrize(
    ("asked", "at_work_at"),
    [
        pytest.param("2026-03-04T13:00", "2026-03-04T13:00", id="Wednesday at ten"),
        pytest.param("2026-03-04T11:00", "2026-03-04T12:00", id="Wednesday before nine"),
        pytest.param("2026-03-04T21:00", "2026-03-05T12:00", id="Wednesday at six in the evening"),
        pytest.param("2026-03-06T22:00", "2026-03-09T12:00", id="Friday evening"),
        pytest.param("2026-03-08T09:00", "2026-03-09T12:00", id="Sunday"),
    ],
)
def test_agents_answer_in_their_hours(asked: str, at_work_at: str) -> None:
    milliseconds = (datetime.fromisoformat(asked).replace(tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1)
    found = EPOCH + timedelta(milliseconds=at_work(milliseconds))
    assert found == datetime.fromisoformat(at_work_at).replace(tzinfo=UTC)
