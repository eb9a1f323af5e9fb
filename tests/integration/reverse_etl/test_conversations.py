"""Conversations through the engine: beside the leads of their destination, with the same ledger, on its worst day."""

import random
import threading
from typing import Any

from echolead.demo.chatwoot import Fault
from reverse_etl.engine import Deliveries, DeliveryEngine
from tests.fixtures.wanted_states import conversation_of
from tests.integration.reverse_etl.bad_day import BAD_DAY, kill_engines
from tests.integration.reverse_etl.conftest import Activation, payload_of
from tests.integration.reverse_etl.settings import QUICK

CONVERSATIONS = 20


def opened(activation: Activation, count: int = 1) -> list[int]:
    """So many conversations of one contact."""
    contact = activation.chatwoot.ask("POST", "contacts", {"name": "Ana", "inbox_id": 1})["payload"]["contact"]
    return [
        activation.chatwoot.ask(
            "POST", "conversations", {"inbox_id": 1, "contact_id": contact["id"], "source_id": f"browser-{number}"}
        )["id"]
        for number in range(count)
    ]


def want(activation: Activation, *payloads: dict[str, Any]) -> None:
    activation.wanted.want_conversations(activation.tenant_id, activation.destination_id, payloads)


def shown(activation: Activation) -> dict[int, dict[str, Any]]:
    """The conversations of the account, by their numbers."""
    return {each["id"]: each for each in activation.chatwoot.state()["conversations"]}


def notes(conversation: dict[str, Any]) -> list[str]:
    return [message["content"] for message in conversation["messages"] if message["private"]]


def test_a_conversation_and_a_lead_are_delivered_side_by_side(activation: Activation, engine: DeliveryEngine) -> None:
    (number,) = opened(activation)
    activation.want(payload_of("lead-1"))
    want(activation, conversation_of(number, lead_id="lead-1", priority="high", team="Vendas"))

    turn = activation.settle(engine)

    assert turn == Deliveries(planned=2, delivered=2, verified=2)
    conversation = shown(activation)[number]
    url = f"https://console.test/leads?tenant_id={activation.tenant_id}&lead_id=lead-1"
    assert conversation["custom_attributes"] == {"source": "google", "echolead_url": url}
    assert (conversation["labels"], conversation["priority"]) == (["quente"], "high")
    assert conversation["meta"]["team"]["name"] == "Vendas"
    assert notes(conversation) == [f"Jornada {number}\n\n{url}"]
    assert {row["lead_id"] for row in activation.rows()} == {"lead-1", f"conversation:{number}"}


def test_another_note_alone_is_no_delivery_and_other_attributes_are(
    activation: Activation, engine: DeliveryEngine
) -> None:
    (number,) = opened(activation)
    want(activation, conversation_of(number))
    activation.settle(engine)

    want(activation, conversation_of(number, note="Jornada mais longa"))
    assert activation.settle(engine).is_empty
    want(activation, conversation_of(number, note="Jornada mais longa", attributes={"source": "bing"}))
    assert activation.settle(engine).verified == 1

    conversation = shown(activation)[number]
    assert conversation["custom_attributes"]["source"] == "bing"
    assert len(notes(conversation)) == 1


def test_a_resolved_conversation_that_waits_is_set_aside(activation: Activation) -> None:
    (number,) = opened(activation)
    activation.chatwoot.faults.replace([Fault("status", where="/conversations", status=503)])
    with DeliveryEngine(activation.settings, QUICK) as engine:
        want(activation, conversation_of(number))
        engine.run_once()
        activation.wanted.unwant_conversation(activation.tenant_id, activation.destination_id, number)
        activation.chatwoot.faults.replace([])
        activation.settle(engine)

    assert activation.states() == ["superseded"]
    assert notes(shown(activation)[number]) == []


def test_a_conversation_that_is_gone_is_withheld_and_the_others_arrive(
    activation: Activation, engine: DeliveryEngine
) -> None:
    (number,) = opened(activation)
    want(activation, conversation_of(number), conversation_of(number + 1000))

    turn = activation.settle(engine)

    assert (turn.verified, turn.withheld) == (1, 1)


def test_a_restart_plans_no_conversation_twice(activation: Activation, engine: DeliveryEngine) -> None:
    numbers = opened(activation, 3)
    want(activation, *(conversation_of(number) for number in numbers))
    assert activation.settle(engine).verified == 3
    calls = len(activation.attempts())

    with DeliveryEngine(activation.settings, QUICK) as restarted:
        assert activation.settle(restarted).is_empty

    assert len(activation.attempts()) == calls
    positions = activation.rows("select wanted_table from planning_position order by 1")
    assert [row["wanted_table"] for row in positions] == ["conversation_deliveries"]


def state_of(number: int, version: int) -> dict[str, Any]:
    labels = ["quente"] if version % 2 else ["frio", "canal-x"]
    return conversation_of(number, attributes={"source": "google", "version": version}, labels=labels, priority="high")


def test_each_conversation_has_one_note_its_last_state_and_what_people_put_there(activation: Activation) -> None:
    """States change while calls fail, answers get lost and engines are killed; an agent labels some by hand."""
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")  # noqa: T201  # to replay a failure
    numbers = opened(activation, CONVERSATIONS)
    for number in numbers:
        activation.chatwoot.ask("POST", f"conversations/{number}/labels", {"labels": ["vip"]})
    activation.chatwoot.faults.replace(BAD_DAY, seed)
    kill_engines(
        activation,
        random.Random(seed),
        3,
        lambda version: want(activation, *(state_of(number, version) for number in numbers)),
    )
    want(activation, *(state_of(number, 3) for number in numbers))
    with DeliveryEngine(activation.settings, QUICK) as one, DeliveryEngine(activation.settings, QUICK) as other:
        beside = threading.Thread(target=activation.settle, args=(other,))
        beside.start()
        activation.settle(one)
        beside.join()
    activation.chatwoot.faults.replace([])

    found = shown(activation)
    assert {number: len(notes(found[number])) for number in numbers} == dict.fromkeys(numbers, 1)
    assert {tuple(found[number]["labels"]) for number in numbers} == {("quente", "vip")}
    assert {found[number]["custom_attributes"]["version"] for number in numbers} == {3}
    assert {found[number]["priority"] for number in numbers} == {"high"}
    newest = activation.rows("select distinct on (lead_id) state from deliveries order by lead_id, created_at desc")
    assert {row["state"] for row in newest} == {"verified"}
