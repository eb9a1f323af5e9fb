"""Webhooks from the queue to raw: what is a row of which table, what a dead letter, and that a crash loses nothing."""

import asyncio

import pytest
from clickhouse_connect.driver.client import Client

from dlt_pipelines.collector.loader import MAX_DELIVERIES, EventLoader, Load
from echolead import queue
from echolead.settings import Settings
from tests.fixtures.queue_messages import RECEIVED_AT, make_event, make_line, make_webhook_line, publish
from tests.integration.dlt_pipelines.crasher import Crasher
from tests.integration.dlt_pipelines.test_loader import (
    AFTER_THE_INSERT,
    BEFORE_THE_INSERT,
    deliver_in_vain,
    load_all,
    rows,
)


def send(settings: Settings, *webhooks: bytes, subject: str = "webhooks.acme.chatwoot") -> None:
    publish(settings.nats_url.get_secret_value(), subject, *webhooks)


def test_a_webhook_becomes_a_row_with_its_envelope_and_its_payload_as_sent(
    settings: Settings, warehouse: Client
) -> None:
    payload = b'{"event":"conversation_created",  "n": 1.50, "text":"\xc3\xa7"}\n'
    send(settings, make_webhook_line(payload, delivery_id="d-1", headers={"x-chatwoot-delivery": "d-1"}))

    load = load_all(settings)

    assert (load.chatwoot_events, load.crm_events, load.events, load.messages) == (1, 0, 0, 1)
    (row,) = rows(warehouse, "chatwoot_events")
    assert row.pop("loaded_at") is not None
    assert row.pop("_dlt_load_id") != ""
    assert row.pop("load_seq") == 1
    assert row == {
        "tenant_id": "acme",
        "source": "chatwoot",
        "endpoint_id": "3c0c5a3e-7d0f-4f6e-9b43-0a6d6c0f2b11",
        "delivery_id": "d-1",
        "event_kind": "conversation_created",
        "received_at": RECEIVED_AT.replace(tzinfo=None),
        "proof": "signature",
        "headers": '{"x-chatwoot-delivery":"d-1"}',
        "payload": '{"event":"conversation_created","n":1.5,"text":"ç"}',
        "is_base64": False,
        "schema_version": 1,
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "stream_sequence": 1,
        "_dlt_id": "1-0",
    }
    assert rows(warehouse, "crm_events") == []


@pytest.mark.parametrize(
    ("source", "body", "kind"),
    [
        pytest.param("hubspot", b'[{"subscriptionType":"contact.creation"}]', "contact.creation", id="hubspot"),
        pytest.param(
            "hubspot", b'[{"subscriptionType":"a"},{"subscriptionType":"b"}]', "", id="hubspot, several kinds"
        ),
        pytest.param("pipedrive", b'{"meta":{"action":"change","entity":"deal"}}', "change.deal", id="pipedrive 2"),
        pytest.param("pipedrive", b'{"meta":{},"event":"updated.deal"}', "updated.deal", id="pipedrive 1"),
        pytest.param("rdstation", b'{"event_type":"WEBHOOK.CONVERTED"}', "WEBHOOK.CONVERTED", id="rdstation marketing"),
        pytest.param("rdstation", b'{"event_name":"crm_deal_created"}', "crm_deal_created", id="rdstation crm"),
        pytest.param("standard", b'{"type":"contact.created"}', "contact.created", id="standard"),
        pytest.param("standard", b"\xff\x00 no JSON", "", id="no JSON at all"),
        pytest.param("standard", b"", "", id="empty"),
        pytest.param("standard", b'{"type":' + b"[" * 100_000, "", id="nested without an end"),
    ],
)  # fmt: skip
def test_a_crm_webhook_names_its_kind_where_it_can_be_read(
    settings: Settings, warehouse: Client, source: str, body: bytes, kind: str
) -> None:
    send(settings, make_webhook_line(body, source=source), subject=f"webhooks.acme.{source}")

    assert load_all(settings).crm_events == 1

    (row,) = rows(warehouse, "crm_events")
    assert (row["source"], row["event_kind"]) == (source, kind)
    assert row["is_base64"] is (body[:1] == b"\xff")


def test_webhooks_events_and_dead_letters_are_loaded_in_one_turn(settings: Settings, warehouse: Client) -> None:
    send(settings, make_line([make_event()]), subject="events.acme")
    send(settings, make_webhook_line(), make_webhook_line(source="standard"))
    send(settings, b"{broken", subject="dead.acme")

    with EventLoader(settings) as loader:
        load = loader.load_once(0)
        assert (load.events, load.chatwoot_events, load.crm_events, load.rejected) == (1, 1, 1, 1)
        assert loader.load_once(0) == Load()


def test_a_webhook_that_is_no_row_is_a_dead_letter_and_its_neighbours_are_rows(
    settings: Settings, warehouse: Client
) -> None:
    far = make_webhook_line(received_at=RECEIVED_AT.replace(year=9999))
    send(settings, make_webhook_line(), b"{poison", make_webhook_line(), far)

    load = load_all(settings)

    assert (load.chatwoot_events, load.rejected) == (2, 2)
    found = rows(warehouse, "rejected_events")
    assert {(row["reason"], row["tenant_id"], row["payload"]) for row in found} == {
        ("unreadable_webhook", "acme", "{poison"),
        ("unreadable_webhook", "acme", far.decode()),
    }


def test_a_webhook_delivered_again_and_again_is_given_up_while_others_are_loaded(
    settings: Settings, warehouse: Client
) -> None:
    send(settings, make_webhook_line(b'{"event":"poison"}'))
    asyncio.run(deliver_in_vain(settings, MAX_DELIVERIES, queue.WEBHOOKS.name, "webhook-loader"))
    send(settings, make_webhook_line())

    load = load_all(settings)

    assert (load.chatwoot_events, load.rejected) == (1, 1)
    (row,) = rows(warehouse, "rejected_events")
    assert row["reason"] == "delivered_too_often"


@pytest.mark.parametrize("step", [*BEFORE_THE_INSERT, *AFTER_THE_INSERT, "acknowledged"])
def test_a_loader_killed_at_any_step_loses_no_webhook(
    settings: Settings, warehouse: Client, crasher: Crasher, step: str
) -> None:
    """Control: a load that came after the crash is what brings the rows when the crash was before the insert."""
    send(settings, *[make_webhook_line(delivery_id=f"d-{number}") for number in range(20)])

    crasher.crash(settings, step)
    before = len(rows(warehouse, "chatwoot_events"))
    load_all(settings)

    counted = warehouse.query("SELECT delivery_id, count() FROM raw.chatwoot_events GROUP BY delivery_id").result_rows
    assert before == (0 if step in BEFORE_THE_INSERT else 20)
    assert dict(counted) == {f"d-{number}": 2 if step in AFTER_THE_INSERT else 1 for number in range(20)}
