"""What raw lost comes back from the queue: each row once, of one tenant and its days alone, whatever is killed."""

import asyncio
import os
import signal
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pyarrow.parquet as pq
import pytest
from clickhouse_connect.driver.client import Client

from dlt_pipelines import loads
from dlt_pipelines.collector import loader as loading
from dlt_pipelines.collector import rereading
from dlt_pipelines.collector.loader import EventLoader
from dlt_pipelines.collector.rereading import QueueRereader
from dlt_pipelines.tables import TABLES
from echolead import queue
from echolead.erasure.person import visitor_hash
from echolead.events import DeadLetter, encode
from echolead.operational.database import connect as connect_database
from echolead.operational.database import system_session
from echolead.operational.models import Erasure
from echolead.operational.provision import OperationalUrls
from echolead.operational.warehouse_requests import OF_QUEUE, Extent, QueueRequest, RequestRecord, ask
from echolead.queue import TRIAL_READER
from echolead.settings import Settings
from orchestration.live.queue_again import QueueFollower
from orchestration.live.queue_dry_run import QueueTrial
from tests.factories import uid
from tests.fixtures.operational import make_tenant
from tests.fixtures.queue_messages import make_event, make_line, make_webhook_line, publish

TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
EARLIER, NOW = TODAY - timedelta(hours=2), TODAY + timedelta(milliseconds=5)
OF_THE_LOAD = {"load_seq", "loaded_at", "_dlt_load_id"}
BY_THE_LOADER = ("events", "rejected_events", "chatwoot_events", "crm_events")
"""The tables that the queue fills."""


@dataclass
class Queued:
    """A loader's surroundings, with what was sent loaded; `anas` are a visitor's events."""

    settings: Settings
    warehouse: Client
    urls: OperationalUrls

    def send(self, subject: str, *messages: bytes) -> None:
        publish(self.settings.nats_url.get_secret_value(), subject, *messages)

    def raw(self) -> Counter[str]:
        """The rows of all tables that the queue fills, by what they hold, without the numbers of their loads."""
        found: Counter[str] = Counter()
        for table in BY_THE_LOADER:
            columns = ", ".join(name for name in TABLES[table].columns.names if name not in OF_THE_LOAD)
            found.update(
                f"{table} {row}" for row in self.warehouse.query(f"select {columns} from raw.{table}").result_rows
            )
        return found

    def lose(self, condition: str, *tables: str) -> None:
        for table in tables or BY_THE_LOADER:
            self.warehouse.command(f"alter table raw.{table} delete where {condition} settings mutations_sync = 2")

    def ask(self, tenant_id: str = "acme", since: datetime | None = None, before: datetime | None = None) -> str:
        database = connect_database(self.urls.system)
        with system_session(database) as session:
            request = ask(session, tenant_id, Extent(since, before), actor="ana", reason="lost", kind=OF_QUEUE)
            request_id = str(request.request_id)
        database.dispose()
        return request_id

    def work_off(self, request_id: str) -> dict[str, Any]:
        """As the live run does, until the request waits no longer; the request."""
        with (
            EventLoader(self.settings) as loader,
            closing(QueueFollower(self.settings)) as follower,
            closing(RequestRecord(self.urls.loader)) as record,
        ):
            while record.look(request_id).is_open:
                follower.start_if_due()
                if follower.has_ended:
                    follower.add_to(loader)
                time.sleep(0.005)
        return self.request(request_id)

    def replay(self, tenant_id: str = "acme", **days: datetime) -> dict[str, Any]:
        return self.work_off(self.ask(tenant_id, **days))

    def request(self, request_id: str) -> dict[str, Any]:
        with psycopg.connect(self.urls.system) as connection:
            row = connection.execute(
                "select state, changes, message, pieces from warehouse_requests where request_id = %s", [request_id]
            ).fetchone()
        assert row is not None
        return dict(zip(("state", "changes", "message", "pieces"), row, strict=True))


@pytest.fixture
def queued(
    settings: Settings, warehouse: Client, empty_operational_urls: OperationalUrls, monkeypatch: pytest.MonkeyPatch
) -> Queued:
    """Two tenants' events of two days, webhooks and a refused event, all loaded. A piece is of two messages."""
    monkeypatch.setattr(rereading, "MAX_MESSAGES", 2)
    database = connect_database(empty_operational_urls.system)
    for tenant_id in ("acme", "beta"):
        make_tenant(database, tenant_id)
    database.dispose()
    found = Queued(settings, warehouse, empty_operational_urls)
    for tenant_id in ("acme", "beta"):
        found.send(f"events.{tenant_id}", *(line(tenant_id, number) for number in range(5)))
        chat = make_webhook_line(tenant_id=tenant_id, received_at=NOW, delivery_id=uid(f"chat {tenant_id}"),
                                 body=b'{"event":"message_created","content":"segredo"}')  # fmt: skip
        deal = make_webhook_line(tenant_id=tenant_id, received_at=NOW, source="hubspot", delivery_id=uid("deal"),
                                 body=b'[{"subscriptionType":"deal.creation"}]')  # fmt: skip
        found.send(f"webhooks.{tenant_id}.chatwoot", chat)
        found.send(f"webhooks.{tenant_id}.hubspot", deal)
        found.send(f"dead.{tenant_id}", encode(refused(tenant_id)))
    load(settings)
    return found


def line(tenant_id: str, number: int) -> bytes:
    """A request of a visitor each, with two events; the last of another day."""
    events = [
        make_event(event_id=uid(f"{tenant_id} {number} {place}"), tracking_id=uid(f"visitor {number}"))
        for place in range(2)
    ]
    return make_line(events, tenant_id=tenant_id, received_at=EARLIER if number == 4 else NOW)


def refused(tenant_id: str) -> DeadLetter:
    return DeadLetter(dead_letter_id=UUID(uid(f"letter {tenant_id}")), tenant_id=tenant_id, received_at=NOW,
                      stage="collector", reason="malformed_json", detail="Too short.", payload="{")  # fmt: skip


def load(settings: Settings) -> None:
    with EventLoader(settings) as loader:
        while loader.load_once(0).messages:
            pass


def test_a_tenant_s_rows_come_back_as_they_were_and_a_second_time_nothing_is_added(queued: Queued) -> None:
    before = queued.raw()
    last_load = queued.warehouse.query("select max(load_seq) from raw.loads").result_rows
    queued.lose("tenant_id = 'acme'")
    of_beta = queued.raw()

    done = queued.replay()

    assert done["state"] == "done"
    assert done["changes"] == {
        "messages": 8, "rows_in_queue": 13, "rows_in_raw": 0, "added_events": 10, "added_webhooks": 2,
        "added_dead_letters": 1, "erased_rows": 0, "unreadable": 0,
    }  # fmt: skip
    assert done["pieces"] == 5
    assert queued.raw() == before
    assert sum((before - of_beta).values()) == 13
    assert "segredo" not in str(queued.raw())
    loads = queued.warehouse.query(
        "select sum(events), sum(webhooks) from raw.loads where load_seq > {last:Int64}",
        parameters={"last": last_load[0][0]},
    )
    assert loads.result_rows == [(10, 2)]

    again = queued.replay()
    assert (again["changes"]["rows_in_raw"], again["changes"]["added_events"]) == (13, 0)
    assert queued.raw() == before


def test_only_the_days_of_receipt_that_were_asked_for_come_back(queued: Queued) -> None:
    before = queued.raw()
    queued.lose("tenant_id = 'acme'", "events")
    assert queued.replay(since=TODAY - timedelta(days=1), before=TODAY)["changes"]["added_events"] == 2
    assert sum((before - queued.raw()).values()) == 8
    assert queued.replay(since=TODAY, before=TODAY + timedelta(days=1))["changes"]["added_events"] == 8
    assert queued.raw() == before


def test_the_loader_s_place_stays_and_what_it_has_not_acknowledged_is_left_to_it(queued: Queued) -> None:
    queued.send("events.acme", line("acme", 7))
    assert queued.replay()["changes"]["added_events"] == 0
    load(queued.settings)
    assert queued.warehouse.query(
        "select count(), uniqExact(event_id) from raw.events where tenant_id = 'acme'"
    ).result_rows == [(12, 12)]


def test_what_was_erased_does_not_come_back_and_is_in_no_trial(queued: Queued, tmp_path: Path) -> None:
    before = queued.raw()
    database = connect_database(queued.urls.system)
    with system_session(database) as session:
        session.add(Erasure(tenant_id="acme", lead_id="", lead_hash="x", reason="asked", requested_by="ana",
                            state="done", visitor_hashes=[visitor_hash("acme", uid("visitor 1"))],
                            received_before=datetime.now(UTC)))  # fmt: skip
    database.dispose()
    queued.lose("tenant_id = 'acme'")
    with pq.ParquetWriter(tmp_path / "rows", TABLES["events"].columns) as writer:
        trial = QueueTrial(queued.settings, QueueRequest("", "acme", OF_QUEUE), writer)
        trial.read(QueueRereader(queued.settings.nats_loader_url.get_secret_value(), TRIAL_READER))
    assert (trial.counts["added_events"], trial.counts["erased_rows"]) == (8, 2)
    assert trial.visitors == {uid(f"visitor {number}") for number in (0, 2, 3, 4)}
    changes = queued.replay()["changes"]
    assert (changes["added_events"], changes["erased_rows"]) == (8, 2)
    lost = before - queued.raw()
    assert sum(lost.values()) == 2
    assert all(uid("visitor 1") in row for row in lost)


@pytest.mark.parametrize("step", ["inserted", "recorded", "noted"])
def test_a_run_that_is_killed_goes_on_and_has_each_row_once(step: str, queued: Queued) -> None:
    before = queued.raw()
    queued.lose("tenant_id = 'acme'")
    request_id = queued.ask()
    process = get_context("fork").Process(target=killed, args=(queued, request_id, step))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    # The number of a load that was not made known is given again.
    queued.send("events.beta", line("beta", 8))
    load(queued.settings)
    queued.lose(f"event_id in ('{uid('beta 8 0')}', '{uid('beta 8 1')}')", "events")

    done = queued.work_off(request_id)

    assert queued.raw() == before
    assert done["changes"]["added_events"] == 10
    added = "select load_seq, count() from raw.events group by load_seq having has(groupArray(tenant_id), 'acme')"
    known = dict(queued.warehouse.query("select load_seq, events from raw.loads").result_rows)
    found = dict(queued.warehouse.query(added).result_rows)
    assert {load: known.get(load) for load in found} == found, "turns take rows by what their load says of them"


def killed(queued: Queued, request_id: str, step: str) -> None:
    """Work off a request in a process that is killed in its second piece: before or after its load is made known, or
    after the place is noted.
    """
    times: Counter[str] = Counter()

    def reached(name: str) -> None:
        times[name] += 1
        if name == step and times[name] == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    record_load, write_load, worked = loads.record_load, loading.write_load, RequestRecord.worked

    def dying_between(*arguments: Any) -> None:
        reached("inserted")
        record_load(*arguments)

    def dying_behind(*arguments: Any) -> None:
        write_load(*arguments)
        reached("recorded")

    def dying_after(*arguments: Any) -> None:
        worked(*arguments)
        reached("noted")

    loads.record_load = dying_between
    loading.write_load = dying_behind
    RequestRecord.worked = dying_after  # type: ignore[method-assign]
    queued.work_off(request_id)


def test_days_that_the_queue_no_longer_holds_are_said(queued: Queued) -> None:
    asyncio.run(forget_first(queued))
    gone = queued.replay(since=TODAY - timedelta(days=30), before=TODAY - timedelta(days=20))
    assert gone["state"] == "failed"
    assert "no longer holds these days" in gone["message"]
    partly = queued.replay(since=TODAY - timedelta(days=30), before=TODAY + timedelta(days=1))
    assert partly["state"] == "done"
    assert "what was received before may not come back" in partly["message"]


async def forget_first(queued: Queued) -> None:
    """Let the queue drop its first message, as it drops those that are seven days old."""
    client = await queue.connect(queued.settings.nats_url.get_secret_value(), name="test")
    await client.jetstream().purge_stream(queue.EVENTS.name, seq=2)
    await client.close()


def test_the_audit_log_has_who_why_and_the_counts(queued: Queued) -> None:
    queued.lose("tenant_id = 'acme'", "events")
    request_id = queued.ask()
    queued.work_off(request_id)
    with psycopg.connect(queued.urls.system) as connection:
        rows = connection.execute(
            "select action, actor, detail ->> 'reason', detail -> 'changes' ->> 'added_events' from audit_log"
            " where subject = %s order by audit_id",
            [request_id],
        ).fetchall()
    assert rows == [("replay.requested", "ana", "lost", None), ("replay.finished", "ana", "lost", "10")]
