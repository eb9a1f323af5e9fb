"""From the queue to raw: what arrives, what does not, and what is left when a loader dies."""

import asyncio
import json
import os
import signal
import threading
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from clickhouse_connect.driver.client import Client
from pydantic import SecretStr

from dlt_pipelines.collector import batches
from dlt_pipelines.collector.loader import MAX_DELIVERIES, EventLoader, Load
from dlt_pipelines.collector.stream import StreamReader
from dlt_pipelines.lease import LeaseLost
from dlt_pipelines.loads import LoadFailed
from dlt_pipelines.raw import working_dir
from echolead import queue
from echolead.embedded.alone import running
from echolead.events import DeadLetter, NormalizedUser, encode
from echolead.settings import Settings
from echolead.warehouse import connect
from tests.fixtures.parts import free_port
from tests.fixtures.queue_messages import RECEIVED_AT, make_event, make_line, make_webhook_line, publish
from tests.integration.dlt_pipelines.crasher import Crasher
from tests.integration.dlt_pipelines.forgetful_proxy import forgetful_proxy

BEFORE_THE_INSERT = ["pulled", "extracted", "normalized"]
AFTER_THE_INSERT = ["inserted", "loaded"]


def send(settings: Settings, *messages: bytes, subject: str = "events.acme") -> None:
    publish(settings.nats_url.get_secret_value(), subject, *messages)


def load_all(settings: Settings) -> Load:
    """Load until the queue is empty."""
    done = Load()
    with EventLoader(settings) as loader:
        while (load := loader.load_once(0)).messages:
            done += load
    return done


def rows(warehouse: Client, table: str, order_by: str = "stream_sequence, _dlt_id") -> list[dict[str, Any]]:
    return list(warehouse.query(f"SELECT * FROM raw.{table} ORDER BY {order_by}").named_results())


def test_an_event_becomes_a_row_with_its_envelope_and_its_payload_as_sent(
    settings: Settings, warehouse: Client
) -> None:
    event_id = "018f4f7e-0000-7000-8000-00000000000a"
    payload = (
        b'{"event_id": "018F4F7E-0000-7000-8000-00000000000A",   "name":"form_submit",'
        b'"tracking_id":"018f4f7e00007000800000000000000b","session_id":"018f4f7e-0000-7000-8000-00000000000c",'
        b'"occurred_at":"2025-03-01T08:59:58.123-03:00","page":{"url":"https://lp.acme.test/?gclid=Abc_123"},'
        b'"added_by_a_newer_script":{"x":[1,2.50,"\xc3\xa7"]}}'
    )
    user = NormalizedUser(email="ana@acme.test", phone="+5511987654321", phone_variants=["+5511987654321"])
    send(settings, make_line([payload], user=user, client_hints={"Sec-CH-UA-Mobile": "?1"}))

    load = load_all(settings)

    assert (load.events, load.rejected, load.messages) == (1, 0, 1)
    assert load.oldest_received_at == load.newest_received_at == RECEIVED_AT
    (row,) = rows(warehouse, "events")
    assert row.pop("loaded_at") is not None
    assert row.pop("_dlt_load_id") != ""
    noon = RECEIVED_AT.replace(tzinfo=None)
    assert row == {
        "tenant_id": "acme",
        "event_id": event_id,
        "event_name": "form_submit",
        "tracking_id": "018f4f7e-0000-7000-8000-00000000000b",
        "session_id": "018f4f7e-0000-7000-8000-00000000000c",
        "occurred_at": datetime(2025, 3, 1, 11, 59, 58, 123000),  # noqa: DTZ001  # the client gives UTC without zone
        "sent_at": noon,
        "received_at": noon,
        "host": "lp.acme.test",
        "ip": "203.0.113.0",
        "user_agent": "Mozilla/5.0",
        "client_hints": '{"Sec-CH-UA-Mobile":"?1"}',
        "email": "ana@acme.test",
        "phone": "+5511987654321",
        "phone_variants": '["+5511987654321"]',
        "schema_version": 1,
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "source": "script",
        "payload": payload.decode(),
        "stream_sequence": 1,
        "load_seq": 1,
        "_dlt_id": "1-0",
    }


def test_an_empty_queue_is_a_load_of_nothing(settings: Settings, warehouse: Client) -> None:
    with EventLoader(settings) as loader:
        assert loader.load_once(0) == loader.load_once(0.1) == Load()
    assert rows(warehouse, "events") == []


def test_waiting_ends_when_the_first_event_comes(settings: Settings) -> None:
    with EventLoader(settings) as loader:
        threading.Timer(0.3, send, [settings, make_line([make_event()])]).start()
        assert loader.load_once(60).events == 1


def test_one_hundred_thousand_events_are_one_hundred_thousand_rows(settings: Settings, warehouse: Client) -> None:
    padding = "x" * 500
    messages = [
        b"\n".join(make_line([make_event(properties={"n": padding})] * 5) for _ in range(20)) for _ in range(10)
    ]
    send(settings, *messages * 100)

    assert load_all(settings).events == 100_000

    counted = warehouse.query("SELECT count(), uniqExact(_dlt_id), uniqExact(stream_sequence) FROM raw.events")
    assert counted.result_rows == [(100_000, 100_000, 1000)]


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        pytest.param("0001-01-01T00:00:00+14:00", datetime(1970, 1, 1, tzinfo=UTC), id="the first year"),
        pytest.param("9999-12-31T23:59:59.999-12:00", datetime(2105, 12, 31, tzinfo=UTC), id="the last year"),
    ],
)
def test_a_clock_that_is_centuries_off_is_bounded_and_kept_in_the_payload(
    settings: Settings, warehouse: Client, said: str, kept: datetime
) -> None:
    send(settings, make_line([make_event(occurred_at=said)]))

    assert load_all(settings).events == 1

    (row,) = rows(warehouse, "events")
    assert row["occurred_at"] == kept.replace(tzinfo=None)
    assert json.loads(row["payload"])["occurred_at"] == said


def test_a_dead_letter_of_the_collector_becomes_a_rejected_row(settings: Settings, warehouse: Client) -> None:
    letter = DeadLetter(
        dead_letter_id=uuid4(),
        tenant_id="acme",
        received_at=RECEIVED_AT,
        stage="collector",
        reason="invalid_event",
        detail="`name` is missing",
        index=3,
        event_id="e-1",
        payload='{"no": "name"}',
        host="lp.acme.test",
    )
    send(settings, encode(letter) + b"\n" + encode(letter), subject="dead.acme")

    load = load_all(settings)

    assert (load.events, load.rejected, load.messages) == (0, 2, 1)
    row = rows(warehouse, "rejected_events")[0]
    assert row["dead_letter_id"] == str(letter.dead_letter_id)
    assert (row["stage"], row["reason"], row["event_index"]) == ("collector", "invalid_event", 3)
    assert (row["payload"], row["is_base64"]) == ('{"no": "name"}', False)


POISONS = {
    "bytes that are no text": (b"\x00\xff\xfe", "unreadable_request", "AP/+"),
    "deep nesting": (b"[" * 20_000, "unreadable_request", "[" * 20_000),
    "half a surrogate": (make_line([b'{"event_id":"\\ud800"}']), "unreadable_request", None),
    "a collector in the year 9999": (
        make_line([make_event()], received_at=datetime(9999, 1, 1, tzinfo=UTC)),
        "unreadable_request",
        None,
    ),
    "an event without a time": (
        make_line([make_event(), b'{"event_id":"1"}', make_event()]),
        "unreadable_event",
        '{"event_id":"1"}',
    ),
    "an event that is no text": (make_line([b'{"a":"\xff"}']), "unreadable_event", "eyJhIjoi/yJ9"),
}


def test_what_cannot_be_a_row_is_set_aside_with_its_reason_and_the_rest_flows(
    settings: Settings, warehouse: Client
) -> None:
    good = make_line([make_event(), make_event()])
    send(settings, *[b"\n".join([good, poison, good]) for poison, _, _ in POISONS.values()], good)

    load = load_all(settings)

    assert load.events == 4 * len(POISONS) + 2 + 2  # the neighbours of the event without a time
    found = {int(row["detail"].split(" ")[-1].rstrip("]")): row for row in rows(warehouse, "rejected_events")}
    assert load.rejected == len(found)
    for sequence, (name, (_, reason, payload)) in enumerate(POISONS.items(), start=1):
        row = found[sequence]
        assert (name, row["tenant_id"], row["stage"], row["reason"]) == (name, "acme", "loader", reason)
        assert payload is None or row["payload"] == payload, name


def test_a_dead_letter_that_cannot_be_read_is_a_rejected_row_itself(settings: Settings, warehouse: Client) -> None:
    send(settings, b"{broken", subject="dead.acme")

    assert load_all(settings).rejected == 1

    (row,) = rows(warehouse, "rejected_events")
    assert (row["reason"], row["payload"]) == ("unreadable_dead_letter", "{broken")


def test_a_message_too_large_for_a_dead_letter_is_kept_in_pieces(settings: Settings, warehouse: Client) -> None:
    send(settings, b"\x01" * (2 * 1024 * 1024 + 1))

    assert load_all(settings).rejected == 3

    pieces = rows(warehouse, "rejected_events", "detail")
    assert "".join(piece["payload"] for piece in pieces) == "\x01" * (2 * 1024 * 1024 + 1)


def test_loading_leaves_no_packages_behind(settings: Settings) -> None:
    def files() -> set[Path]:
        return {path.relative_to(settings.data_dir) for path in working_dir(settings).rglob("*")}

    with EventLoader(settings) as loader:
        send(settings, make_line([make_event()]))
        loader.load_once(0)
        after_one = files()
        for _ in range(3):
            send(settings, make_line([make_event()]))
            loader.load_once(0)
    assert files() == after_one


@pytest.mark.parametrize("step", [*BEFORE_THE_INSERT, *AFTER_THE_INSERT, "acknowledged"])
def test_a_loader_killed_at_any_step_loses_nothing(
    settings: Settings, warehouse: Client, crasher: Crasher, step: str
) -> None:
    events = [make_event() for _ in range(50)]
    send(settings, *[make_line(events[at : at + 5]) for at in range(0, 50, 5)])

    crasher.crash(settings, step)
    load_all(settings)

    counted = warehouse.query("SELECT event_id, count() FROM raw.events GROUP BY event_id").result_rows
    copies = 2 if step in AFTER_THE_INSERT else 1
    assert dict(counted) == {event["event_id"]: copies for event in events}


@pytest.mark.parametrize(
    ("step", "victim"),
    [
        pytest.param("extracted", "*.parquet", id="a file that was extracted"),
        pytest.param("normalized", "*.parquet", id="a file that was ready to load"),
        pytest.param("normalized", "*.json", id="dlt's own state"),
    ],
)
def test_a_working_directory_torn_by_a_crash_is_loaded_anew_from_the_queue(
    settings: Settings, warehouse: Client, crasher: Crasher, step: str, victim: str
) -> None:
    send(settings, make_line([make_event() for _ in range(20)]))
    crasher.crash(settings, step)
    torn = list(working_dir(settings).rglob(victim))
    assert torn
    for path in torn:
        os.truncate(path, path.stat().st_size // 2)

    assert load_all(settings).events == 20

    assert warehouse.query("SELECT count(), uniqExact(event_id) FROM raw.events").result_rows == [(20, 20)]


def test_a_second_loader_waits_and_takes_over_when_the_first_is_killed(
    settings: Settings, warehouse: Client, crasher: Crasher
) -> None:
    send(settings, *[make_line([make_event()]) for _ in range(30)])
    first = crasher.hold(settings)
    entered = threading.Event()
    loads: list[Load] = []

    def second() -> None:
        with EventLoader(settings) as loader:
            entered.set()
            loads.append(loader.load_once(5))

    waiting = threading.Thread(target=second)
    waiting.start()
    assert not entered.wait(1.5)
    os.kill(first, signal.SIGKILL)
    waiting.join(60)

    assert [load.events for load in loads] == [30]
    assert warehouse.query("SELECT count(), uniqExact(event_id) FROM raw.events").result_rows == [(30, 30)]


def test_a_loader_that_lost_its_lease_does_not_acknowledge(settings: Settings, warehouse: Client) -> None:
    send(settings, make_line([make_event()]))

    def cut(step: str) -> None:
        if step == "loaded":
            end_lease(settings)

    with EventLoader(settings, cut) as loader, pytest.raises(LeaseLost):
        loader.load_once(0)

    assert load_all(settings).events == 1
    assert warehouse.query("SELECT count(), uniqExact(event_id) FROM raw.events").result_rows == [(2, 1)]


def end_lease(settings: Settings) -> None:
    with psycopg.connect(settings.postgres_loader_url.get_secret_value(), autocommit=True) as connection:
        ended = connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'echolead raw-loader'"
        ).fetchall()
    assert ended == [(True,)]


def test_a_warehouse_that_is_down_costs_nothing_but_time(settings: Settings, tmp_path: Path) -> None:
    from echolead.embedded.clickhouse import EmbeddedWarehouse  # noqa: PLC0415  # as in the fixture

    server = EmbeddedWarehouse(tmp_path / "warehouse", free_port(), "writer", "reader")
    server.prepare()
    settings = settings.model_copy(update={"clickhouse_url": SecretStr(server.url)})
    send(settings, make_line([make_event()]))
    with running(server.part(), tmp_path / "logs"):
        loader = EventLoader(settings).__enter__()
    with pytest.raises(LoadFailed):
        loader.load_once(0)
    with pytest.raises(LoadFailed):
        loader.load_once(0)
    # A message must not count as delivered again and again because the warehouse is away.
    assert asyncio.run(delivered(settings)) == 0
    with running(server.part(), tmp_path / "logs"):
        assert loader.load_once(0).events == 1
        loader.__exit__(None, None, None)
        with closing(connect(server.url)) as client:
            assert client.query("SELECT count() FROM raw.events").result_rows == [(1,)]


async def delivered(settings: Settings) -> int:
    """How often messages of EVENTS have been given to a loader."""
    client = await queue.connect(settings.nats_url.get_secret_value(), name="test")
    info = await client.jetstream().consumer_info(queue.EVENTS.name, queue.EVENTS.reader)
    await client.close()
    return int(info.delivered.consumer_seq if info.delivered else 0)


@pytest.mark.parametrize("written", [pytest.param(0, id="none"), pytest.param(1, id="a part")])
def test_rows_that_the_server_says_it_did_not_write_are_not_acknowledged(
    settings: Settings, warehouse: Client, written: int
) -> None:
    send(settings, make_line([make_event(), make_event()]))

    with forgetful_proxy(settings.clickhouse_url.get_secret_value(), written_rows=written) as address:
        behind_it = settings.model_copy(update={"clickhouse_url": SecretStr(address)})
        with EventLoader(behind_it) as loader, pytest.raises(LoadFailed, match=rf"wrote {{'events': {written}}}"):
            loader.load_once(0)

    assert load_all(settings).events == 2
    assert warehouse.query("SELECT count() FROM raw.events").result_rows == [(2,)]


def test_a_dead_letter_is_buried_once_however_often_its_message_is_tried(settings: Settings, warehouse: Client) -> None:
    send(settings, make_line([make_event(), b'{"event_id":"1"}']))

    with forgetful_proxy(settings.clickhouse_url.get_secret_value()) as address:
        behind_it = settings.model_copy(update={"clickhouse_url": SecretStr(address)})
        for _ in range(2):  # a loader of its own each time: the message is delivered anew
            with EventLoader(behind_it) as loader:
                for _ in range(2):
                    with pytest.raises(LoadFailed):
                        loader.load_once(0)

    load = load_all(settings)
    assert (load.events, load.rejected) == (1, 1)


def test_what_is_worked_on_is_kept_from_being_delivered_again_whatever_stream_it_is_of(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A load may take longer than the queue waits for an acknowledgement."""
    monkeypatch.setattr(batches, "KEEP_SECONDS", 0.05)
    send(settings, make_line([make_event()]))
    send(settings, make_webhook_line(), subject="webhooks.acme.chatwoot")
    send(settings, b"{broken", subject="dead.acme")
    wanted = {stream.name for stream in queue.STREAMS}
    kept: set[str] = set()

    def hold(step: str) -> None:
        if step == "pulled":
            kept.update(asyncio.run(streams_kept(settings, wanted)))

    with EventLoader(settings, hold) as loader:
        assert loader.load_once(0).messages == 3

    assert kept == wanted


async def streams_kept(settings: Settings, wanted: set[str]) -> set[str]:
    """The streams whose messages are said to be in work: all of `wanted`, or those heard of in a minute."""
    found: set[str] = set()
    client = await queue.connect(settings.nats_url.get_secret_value(), name="test")
    acknowledgements = await client.subscribe("$JS.ACK.>")
    with suppress(TimeoutError):
        async with asyncio.timeout(60):
            while found < wanted:
                heard = await acknowledgements.next_msg(None)
                if heard.data == b"+WPI":
                    found.add(heard.subject.split(".")[2])
    await client.close()
    return found


def test_a_message_delivered_again_and_again_is_given_up_while_others_are_loaded(
    settings: Settings, warehouse: Client
) -> None:
    send(settings, make_line([make_event(name="poison")]))
    asyncio.run(deliver_in_vain(settings, MAX_DELIVERIES))
    send(settings, make_line([make_event()]))

    load = load_all(settings)

    assert (load.events, load.rejected) == (1, 1)
    (row,) = rows(warehouse, "rejected_events")
    assert row["reason"] == "delivered_too_often"
    assert '"poison"' in row["payload"]


def test_a_message_delivered_again_and_again_is_loaded_when_it_is_alone(settings: Settings, warehouse: Client) -> None:
    send(settings, make_line([make_event()]))
    asyncio.run(deliver_in_vain(settings, MAX_DELIVERIES))

    load = load_all(settings)

    assert (load.events, load.rejected) == (1, 0)


async def deliver_in_vain(
    settings: Settings, times: int, stream: str = queue.EVENTS.name, durable: str = "raw-loader"
) -> None:
    """Take what is in the stream and give it back, that often."""
    client = await queue.connect(settings.nats_url.get_secret_value(), name="test")
    reader = StreamReader(client, client.jetstream(), stream, durable)
    await reader.open()
    for _ in range(times):
        await reader.wait(5)
        messages = await reader.pull(100, 1024 * 1024)
        assert messages
        await reader.give_back(messages)
    await client.close()


def test_whatever_comes_first_ends_the_wait_and_what_comes_next_is_there(settings: Settings) -> None:
    loads: list[Load] = []
    with EventLoader(settings) as loader:
        waiting = threading.Thread(target=lambda: loads.append(loader.load_once(300)), daemon=True)
        waiting.start()
        send(settings, make_webhook_line(), subject="webhooks.acme.chatwoot")
        waiting.join(100)
        assert [load.chatwoot_events for load in loads] == [1]
        # The queue still answers what was asked of it while the loader waited.
        send(settings, make_line([make_event()]))
        assert loader.load_once(0).events == 1


def test_the_lease_is_free_again_after_the_loader_has_left(settings: Settings) -> None:
    for _ in range(2):
        with EventLoader(settings) as loader:
            assert loader.load_once(0) == Load()


def test_events_of_seven_days_are_loaded_in_one_turn(settings: Settings, warehouse: Client) -> None:
    send(settings, *[make_line([make_event()], received_at=RECEIVED_AT + timedelta(days=day)) for day in range(7)])

    load = load_all(settings)

    assert load.events == 7
    assert load.oldest_received_at == RECEIVED_AT
    assert load.newest_received_at == RECEIVED_AT + timedelta(days=6)
    parts = warehouse.query(
        "SELECT count(DISTINCT partition) FROM system.parts WHERE database = 'raw' AND table = 'events' AND active"
    )
    assert parts.result_rows == [(7,)]


def test_each_load_is_known_by_its_number_once_all_of_its_rows_are_there(settings: Settings, warehouse: Client) -> None:
    with EventLoader(settings) as loader:
        for hours in (0, 1):
            send(settings, make_line([make_event()], received_at=RECEIVED_AT + timedelta(hours=hours)))
            loader.load_once(wait_seconds=5)
    send(settings, make_line([make_event()]))
    load_all(settings)

    noon = RECEIVED_AT.replace(tzinfo=None)
    loads = warehouse.query("select * except (loaded_at) from raw.loads order by load_seq").result_rows
    assert [row[0] for row in loads] == [1, 2, 3]
    assert loads[1][1:] == (1, 0, noon + timedelta(hours=1), noon + timedelta(hours=1))
    found = warehouse.query("select load_seq, count() from raw.events group by load_seq order by load_seq").result_rows
    assert found == [(1, 1), (2, 1), (3, 1)]
