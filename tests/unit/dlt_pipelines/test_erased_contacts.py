"""What Chatwoot reports of an erased person's contact is stored without who it is."""

import json
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from dlt_pipelines.chatwoot.erased import webhook_without_contact
from dlt_pipelines.chatwoot.records import conversation, named, without_contact
from dlt_pipelines.collector.suppression import without_contacts

ERASED = frozenset({(1, 71)})
ANA = {"id": 71, "name": "Ana", "email": "ana@lead.test", "phone_number": "+5511", "identifier": "x", "type": "contact",
       "custom_attributes": {"cpf": "1"}, "additional_attributes": {"city": "SP"}}  # fmt: skip
BIA = {**ANA, "id": 72, "name": "Bia", "email": "bia@lead.test"}
AGENT = {"id": 71, "name": "Agente", "email": "agente@shop.test", "type": "user"}


def message(sender: dict[str, Any], kind: object, **other: Any) -> dict[str, Any]:
    return {"id": 5, "account_id": 1, "message_type": kind, "content": "Sou a Ana", "sender": sender, **other}


def chat(sender: dict[str, Any], *messages: dict[str, Any]) -> dict[str, Any]:
    return {"id": 7, "status": "open", "meta": {"sender": sender, "assignee": AGENT}, "messages": list(messages)}


def told(kind: str, body: dict[str, Any]) -> str:
    return webhook_without_contact(kind, json.dumps({**body, "event": kind}), ERASED)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("contact_updated", {**ANA, "account": {"id": 1}}),
        ("conversation_updated", chat(ANA, message(ANA, 0))),
        ("conversation_updated", chat(ANA)),
        ("conversation_status_changed", chat(ANA, message(AGENT, 1))),
        ("message_updated", message(AGENT, "outgoing", conversation=chat(ANA), account={"id": 1})),
        ("message_updated", message(ANA, "incoming", conversation=chat(ANA), account={"id": 1})),
        ("message_created", message(AGENT, "outgoing", conversation=chat(ANA, message(ANA, 0)), account={"id": 1})),
    ],
)
def test_changes_are_stored_without_the_person_and_with_the_agents_work(kind: str, body: dict[str, Any]) -> None:
    said = told(kind, body)
    assert not [word for word in ("Ana", "ana@", "+5511", "cpf", "SP") if word in said]
    kept = json.loads(said)
    assert kept["event"] == kind
    assert '"id":71' in said
    assert ("agente@shop.test" in said) == ("agente@shop.test" in json.dumps(body))


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("message_created", message(ANA, "incoming", conversation=chat(ANA), account={"id": 1})),
        ("conversation_created", chat(ANA)),
        ("contact_updated", {**BIA, "account": {"id": 1}}),
        ("contact_updated", {**ANA, "account": {"id": 2}}),
        ("conversation_updated", chat(BIA, message(BIA, 0), message(AGENT, 1))),
        ("webwidget_triggered", {"contact": ANA}),
    ],
)
def test_what_the_person_writes_or_begins_and_whatever_is_of_others_stays_as_it_came(
    kind: str, body: dict[str, Any]
) -> None:
    assert told(kind, body) == json.dumps({**body, "event": kind})


@pytest.mark.parametrize("payload", ["", "{", "[]", '{"meta": 1}', '{"meta": {"sender": []}, "messages": {"a": 1}}'])
def test_what_cannot_be_read_stays_as_it_came(payload: str) -> None:
    assert webhook_without_contact("conversation_updated", payload, ERASED) == payload


def test_only_rows_of_tenants_with_an_erased_contact_are_read() -> None:
    body = json.dumps({**ANA, "account": {"id": 1}})
    rows = [{"tenant_id": tenant, "event_kind": "contact_updated", "payload": body, "is_base64": is_base64}
            for tenant, is_base64 in (("acme", False), ("beta", False), ("acme", True))]  # fmt: skip
    payloads = without_contacts(pa.Table.from_pylist(rows), {"acme": ERASED})["payload"].to_pylist()
    assert [each == body for each in payloads] == [False, True, True]


def test_a_pulled_conversation_does_not_say_who_the_contact_is() -> None:
    now = datetime.now(UTC).timestamp()
    pulled = conversation({**chat(ANA), "updated_at": now, "account_id": 1})
    kept = without_contact(pulled, 1, ERASED)
    assert json.loads(kept.payload)["meta"]["sender"] == {"id": 71}
    assert json.loads(kept.payload)["meta"]["assignee"]["email"] == "agente@shop.test"
    assert kept.version_at == pulled.version_at
    assert without_contact(pulled, 2, ERASED) is pulled
    agent = named("agent", {**AGENT, "id": 71})
    assert without_contact(agent, 1, ERASED) is agent
