"""Dead letters through the control API: listed, read, corrected and sent again, on a real warehouse and queue."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from echolead.embedded.clickhouse import EmbeddedWarehouse
from echolead.embedded.nats import EmbeddedNats
from echolead.events import decode_received_request
from echolead.warehouse import connect
from tests.fixtures.control_api import ControlApi
from tests.integration.ingest_api.conftest import make_event, messages

PATH = "/v1/tenants/{t}/dead-letters"
RECEIVED = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
Letters = Callable[..., list[str]]


@pytest.fixture(scope="module")
def letters(control_with_data: ControlApi, warehouse_server: EmbeddedWarehouse) -> Iterator[Letters]:
    """Adds dead letters of a tenant, a second apart, each loaded twice; their ids."""
    with closing(connect(warehouse_server.url)) as client:

        def add(tenant: str, *payloads: Any, reason: str = "invalid") -> list[str]:
            made = [str(uuid4()) for _ in payloads]
            names = ["tenant_id", "dead_letter_id", "received_at", "reason", "detail", "stage", "payload", "source"]
            rows = [
                [tenant, letter, RECEIVED.replace(second=second), reason, "why", "collector", json.dumps(payload), ""]
                for second, (letter, payload) in enumerate(zip(made, payloads, strict=True))
            ]
            client.insert("ops.dead_letters", [*rows, *rows], column_names=names)
            return made

        yield add


async def queued(streams: EmbeddedNats, tenant: str) -> list[Any]:
    """The events of a tenant in the queue, with the time of their request."""
    lines = [decode_received_request(line) for line in await messages(streams, f"events.{tenant}")]
    return [(each.received_at, json.loads(bytes(event.event))) for each in lines for event in each.events]


def test_letters_are_listed_once_each_newest_first_a_page_at_a_time(
    control_with_data: ControlApi, letters: Letters
) -> None:
    tenant, other = control_with_data.tenant(), control_with_data.tenant()
    made, _ = letters(tenant, {}, {}, {}), letters(other, {})
    letters(tenant, {}, reason="too_large")
    seen, path = [], f"{PATH}?limit=2&reason=invalid"
    answered = control_with_data.ask("viewer", "GET", path, tenant).json()
    while True:
        seen += [line["dead_letter_id"] for line in answered["items"]]
        if answered["next_cursor"] is None:
            break
        answered = control_with_data.ask("viewer", "GET", f"{path}&cursor={answered['next_cursor']}", tenant).json()
    assert seen == made[::-1]
    one = control_with_data.ask("viewer", "GET", f"{PATH}/{made[0]}", tenant).json()
    assert (one["payload"], one["received_at"], one["detail"]) == ("{}", "2026-03-01T12:00:00.250000Z", "why")
    assert control_with_data.ask("admin", "GET", f"{PATH}/{made[0]}", other).status_code == 404


async def test_a_corrected_event_is_queued_with_its_time_and_the_log_says_who_and_why(
    control_with_data: ControlApi, letters: Letters, streams: EmbeddedNats
) -> None:
    tenant, event = control_with_data.tenant(), make_event()
    [letter] = letters(tenant, {**event, "name": "Page View"})
    path, body = f"{PATH}/{letter}/corrections", {"event": event, "reason": "The name has no spaces"}
    assert control_with_data.ask("viewer", "POST", path, tenant, body).status_code == 403
    wrong = control_with_data.ask("operator", "POST", path, tenant, {**body, "event": {"name": "x"}}).json()["items"]
    assert [(each["is_queued"], each["dead_letter_id"]) for each in wrong] == [(False, letter)]
    assert wrong[0]["detail"]
    assert await queued(streams, tenant) == []
    answers = [
        control_with_data.ask("operator", "POST", path, tenant, body, idempotency_key="one").json() for _ in range(2)
    ]
    assert answers[0] == answers[1]
    assert answers[0]["items"][0]["is_queued"] is True
    [(received_at, stored)] = await queued(streams, tenant)
    assert (received_at, stored["event_id"]) == (RECEIVED.replace(second=0), event["event_id"])
    newest = control_with_data.ask("admin", "GET", f"/v1/tenants/{tenant}/audit?action=dead_letter.", tenant).json()[
        "items"
    ][0]
    assert (newest["action"], newest["subject"]) == ("dead_letter.replayed", letter)
    assert newest["detail"]["why"] == "The name has no spaces"
    assert newest["detail"]["is_corrected"] is True


async def test_letters_are_sent_again_as_they_are_each_with_its_own_answer(
    control_with_data: ControlApi, letters: Letters, streams: EmbeddedNats
) -> None:
    tenant, good = control_with_data.tenant(), make_event()
    made = letters(tenant, good, {"name": "Page View"})
    path, body = f"{PATH}/replays", {"dead_letter_ids": made, "reason": "The limit was raised"}
    answered = control_with_data.ask("operator", "POST", path, tenant, body).json()["items"]
    assert {each["dead_letter_id"]: each["is_queued"] for each in answered} == dict(
        zip(made, (True, False), strict=True)
    )
    assert [stored["event_id"] for _, stored in await queued(streams, tenant)] == [good["event_id"]]
    unknown = control_with_data.ask("operator", "POST", path, tenant, {**body, "dead_letter_ids": [*made, "none"]})
    assert (unknown.status_code, "none" in unknown.json()["detail"]) == (404, True)
