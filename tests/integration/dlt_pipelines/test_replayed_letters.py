"""`echolead dead-letter replay`: a refused event is corrected and comes through the collector's checks to raw again."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from clickhouse_connect.driver.client import Client
from sqlalchemy import Engine, text
from typer.testing import CliRunner, Result

from echolead.cli import app
from echolead.embedded.nats import EmbeddedNats
from echolead.events import DeadLetter, ReceivedRequest, encode
from echolead.operational.database import system_session
from echolead.operational.provision import OperationalUrls
from echolead.queue_users import COLLECTOR
from echolead.settings import Settings
from ingest_api.events.batch import check_batch
from ingest_api.queue.event_store import dead_letter_lines
from tests.fixtures.operational import make_tenant
from tests.fixtures.queue_messages import RECEIVED_AT, make_event, make_line
from tests.integration.dlt_pipelines.test_loader import load_all, rows, send

FORM = make_event(name="form_submit", user={"email": "Ana@X.test", "phone": "(11) 98765-4321"})
BROKEN = {**FORM, "name": "Form Submit"}


@pytest.fixture
def replay(
    settings: Settings, nats_server: EmbeddedNats, operational_urls: OperationalUrls, system_engine: Engine
) -> Callable[..., Result]:
    """Runs `echolead dead-letter replay` on the stack of the loader."""
    with system_session(system_engine) as session:
        there = session.scalar(text("select count(*) from tenants where tenant_id = 'acme'"))
    if not there:
        make_tenant(system_engine, "acme")
    (settings.data_dir / "stack.env").write_text(
        f"ECHOLEAD_POSTGRES_SYSTEM_URL={operational_urls.system}\n"
        f"ECHOLEAD_CLICKHOUSE_URL={settings.clickhouse_url.get_secret_value()}\n"
        f"ECHOLEAD_NATS_COLLECTOR_URL={nats_server.url_of(COLLECTOR)}\n"
    )
    words = ["dead-letter", "replay", "--json", "--data-dir", str(settings.data_dir)]
    return lambda *more, given=None: CliRunner().invoke(app, [*words, *more], input=given)


def refuse(settings: Settings, *events: dict[str, Any], **request: Any) -> None:
    """The collector refuses events; their dead letters are loaded."""
    told = {"source": "script", "ip": "203.0.113.0", "user_agent": "Mozilla/5.0", "sent_at": RECEIVED_AT, **request}
    received = ReceivedRequest(tenant_id="acme", received_at=RECEIVED_AT, host="lp.acme.test", events=[], **told)
    batch = check_batch(json.dumps({"events": events}).encode(), "BR")
    assert len(batch.rejected) == len(events)
    send(settings, b"\n".join(dead_letter_lines(received, batch)), subject="dead.acme")
    load_all(settings)


def answers(result: Result) -> list[tuple[bool, str]]:
    return [(each["is_queued"], each["reason"]) for each in json.loads(result.stdout)]


def test_a_corrected_letter_is_a_row_with_its_id_its_times_and_its_browser(
    settings: Settings, warehouse: Client, replay: Callable[..., Result], tmp_path: Path, system_engine: Engine
) -> None:
    refuse(settings, BROKEN)
    [letter] = rows(warehouse, "rejected_events")
    file = tmp_path / "corrected.json"
    file.write_text(json.dumps(FORM, indent=1))
    for _ in range(2):  # once more is the same event once more
        assert answers(replay(letter["dead_letter_id"], "--payload", str(file))) == [(True, "")]
    load_all(settings)
    found = rows(warehouse, "events")
    assert {row["event_id"] for row in found} == {FORM["event_id"]}
    noon = RECEIVED_AT.replace(tzinfo=None)
    for row in found:
        assert (row["event_name"], row["tenant_id"], row["source"]) == ("form_submit", "acme", "script")
        assert (row["received_at"], row["sent_at"]) == (noon, noon)
        assert row["occurred_at"] == noon.replace(hour=11, minute=59, second=58, microsecond=123_000)
        assert (row["host"], row["ip"], row["user_agent"]) == ("lp.acme.test", "203.0.113.0", "Mozilla/5.0")
        assert (row["email"], row["phone"]) == ("ana@x.test", "+5511987654321")
    with system_session(system_engine) as session:
        audited = session.scalar(
            text("select count(*) from audit_log where action = 'dead_letter.replayed' and subject = :s"),
            {"s": letter["dead_letter_id"]},
        )
    assert audited == 2


def test_what_is_still_wrong_is_told_and_neither_queued_nor_a_letter_again(
    settings: Settings, warehouse: Client, replay: Callable[..., Result]
) -> None:
    refuse(settings, BROKEN, {**BROKEN, "event_id": str(uuid4())})
    result = replay("--tenant", "acme", "--reason", "invalid_event")
    assert result.exit_code == 1
    assert answers(result) == [(False, "invalid_event")] * 2
    two = json.dumps(FORM) + "," + json.dumps({**FORM, "event_id": str(uuid4())})
    [letter, _] = rows(warehouse, "rejected_events")
    for text_given, reason in ((two, "malformed_json"), ("nothing", "malformed_json"), ("}]", "malformed_json")):
        assert answers(replay(letter["dead_letter_id"], "--payload", "-", given=text_given)) == [(False, reason)]
    assert load_all(settings).messages == 0


def test_letters_of_the_loader_hold_a_request_or_an_event_and_old_ones_no_browser(
    settings: Settings, warehouse: Client, replay: Callable[..., Result]
) -> None:
    first, second, third = (make_event() for _ in range(3))
    whole = make_line([first, second], source="pixel").decode()
    letter = {"tenant_id": "acme", "received_at": RECEIVED_AT, "stage": "loader", "detail": "x"}
    letters = [
        DeadLetter(dead_letter_id=UUID(int=1), reason="unreadable_request", payload=whole, **letter),
        DeadLetter(dead_letter_id=UUID(int=2), reason="unreadable_event", payload=json.dumps(third), **letter),
    ]
    send(settings, b"\n".join(map(encode, letters)), subject="dead.acme")
    load_all(settings)
    assert answers(replay(str(UUID(int=1)), str(UUID(int=2)))) == [(True, "")] * 3
    load_all(settings)
    found = {row["event_id"]: row["source"] for row in rows(warehouse, "events")}
    assert found == {first["event_id"]: "pixel", second["event_id"]: "pixel", third["event_id"]: "server"}


def test_of_a_whole_message_every_request_is_sent_that_can_be_read_and_the_others_are_told(
    settings: Settings, warehouse: Client, replay: Callable[..., Result]
) -> None:
    """As a message that was delivered too often holds them, cut where a letter ends, beside one of a webhook."""
    events = [make_event() for _ in range(3)]
    cut = make_line([make_event()])[:40]
    message = b"\n".join([make_line(events[:1]), make_line(events[1:]), cut]).decode()
    letter = {"tenant_id": "acme", "received_at": RECEIVED_AT, "stage": "loader", "detail": "x"}
    letters = [
        DeadLetter(dead_letter_id=UUID(int=3), reason="delivered_too_often", payload=message, **letter),
        DeadLetter(dead_letter_id=UUID(int=4), reason="unreadable_webhook", payload="{}", **letter),
    ]
    send(settings, b"\n".join(map(encode, letters)), subject="dead.acme")
    load_all(settings)
    result = replay(str(UUID(int=3)), str(UUID(int=4)))
    assert result.exit_code == 1
    assert answers(result) == [(True, "")] * 3 + [(False, "not_sent")] * 2
    load_all(settings)
    assert {row["event_id"] for row in rows(warehouse, "events")} == {each["event_id"] for each in events}


def test_a_value_that_was_set_aside_is_corrected_by_a_copy_that_counts_before_it(
    settings: Settings, warehouse: Client, replay: Callable[..., Result]
) -> None:
    sold = make_event(name="conversion", properties={"value": "a lot"})
    send(settings, make_line([sold]))
    load_all(settings)
    corrected = json.dumps({**sold, "properties": {"value": "99,90"}})
    words = ("--tenant", "acme", "--event", sold["event_id"])
    assert answers(replay(*words, "--payload", "-", given=corrected)) == [(True, "")]
    load_all(settings)
    first, second = rows(warehouse, "events", "received_at")
    assert (json.loads(first["payload"])["properties"], first["event_id"]) == ({"value": "99,90"}, sold["event_id"])
    assert second["received_at"] - first["received_at"] == timedelta(milliseconds=1)
    told = ("host", "ip", "user_agent", "sent_at", "source")
    assert {name: first[name] for name in told} == {name: second[name] for name in told}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        pytest.param((), "Name dead letters", id="nothing named"),
        pytest.param((str(UUID(int=9)),), "There is no dead letter", id="no such letter"),
        pytest.param(("--tenant", "nobody"), "There is no tenant nobody", id="no such tenant"),
        pytest.param(("--tenant", "acme", "--event", "x", "--payload", "-"), "has no event x", id="no such event"),
    ],
)
def test_what_is_not_there_is_one_sentence(
    replay: Callable[..., Result], words: tuple[str, ...], sentence: str
) -> None:
    result = replay(*words, given="{}")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert sentence in result.stderr


def test_a_correction_is_of_one_letter_and_an_event_is_not_sent_as_it_is(
    settings: Settings, warehouse: Client, replay: Callable[..., Result]
) -> None:
    refuse(settings, BROKEN, BROKEN)
    assert "these are 2" in replay("--tenant", "acme", "--payload", "-", given="{}").stderr
    good = make_event()
    send(settings, make_line([good]))
    load_all(settings)
    assert "with --payload" in replay("--tenant", "acme", "--event", good["event_id"]).stderr
