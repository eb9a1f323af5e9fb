"""Dead letters through the control API: listed, read, corrected and sent again, on a real warehouse and queue."""

from collections.abc import Iterator

import pytest

from echolead.embedded.clickhouse import EmbeddedWarehouse
from echolead.embedded.nats import EmbeddedNats
from tests.fixtures.control_api import ControlApi
from tests.fixtures.dead_letters import RECEIVED, Letters, dead_letters, queued
from tests.fixtures.queue_messages import make_event

PATH = "/v1/tenants/{t}/dead-letters"


@pytest.fixture(scope="module")
def letters(control_with_data: ControlApi, warehouse_server: EmbeddedWarehouse) -> Iterator[Letters]:
    """Adds dead letters of a tenant."""
    with dead_letters(warehouse_server) as add:
        yield add


def test_letters_are_listed_once_each_newest_first_a_page_at_a_time(
    control_with_data: ControlApi, letters: Letters
) -> None:
    tenant, other = control_with_data.tenant(), control_with_data.tenant()
    made, _ = letters(tenant, {}, {}, {}), letters(other, {})
    letters(tenant, {}, reason="event_too_large")
    seen, path = [], f"{PATH}?limit=2&reason=invalid_event"
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
    assert (received_at, stored["event_id"]) == (RECEIVED, event["event_id"])
    newest = control_with_data.ask("admin", "GET", f"/v1/tenants/{tenant}/audit?action=dead_letter.", tenant).json()[
        "items"
    ][0]
    assert (newest["action"], newest["subject"]) == ("dead_letter.replayed", letter)
    assert newest["detail"]["why"] == "The name has no spaces"
    assert newest["detail"]["is_corrected"] is True
    whole = control_with_data.ask("viewer", "GET", f"{PATH}/{letter}", tenant).json()
    assert [(each["is_queued"], each["is_corrected"], each["why"]) for each in whole["sent_again"]] == [
        (True, True, "The name has no spaces"),
        (False, True, "The name has no spaces"),
    ]


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
