"""Generated traffic in raw: the same rows through the queue and straight, in one insert or many, and by the command."""

import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from clickhouse_connect.driver.client import Client
from msgspec import Raw
from sqlalchemy import Engine, text
from typer.testing import CliRunner, Result

from dlt_pipelines.collector import straight
from dlt_pipelines.collector.loader import EventLoader
from dlt_pipelines.collector.straight import NotARow, write_raw
from dlt_pipelines.lease import Lease, is_held
from echolead.cli import app
from echolead.demo.traffic.generator import generate
from echolead.demo.traffic.sites import sites
from echolead.events import ReceivedEvent, ReceivedRequest
from echolead.operational.database import system_session
from echolead.operational.provision import OperationalUrls
from echolead.publishing import publish
from echolead.settings import Settings
from tests.fixtures.operational import SECRET_KEY

UNTIL = datetime(2026, 3, 1, tzinfo=UTC)
EVENTS = 3_000
# What depends on the way and on when the rows were written.
ROWS = """
select * except (stream_sequence, loaded_at, load_seq, _dlt_load_id, _dlt_id) from raw.events
order by tenant_id, event_id, received_at
"""


def traffic(events: int = EVENTS, days: int = 60) -> list[ReceivedRequest]:
    return list(generate(7, sites(2), days, events, UNTIL))


def load_all(settings: Settings) -> None:
    with EventLoader(settings) as loader:
        while loader.load_once(0).messages:
            pass


def test_both_ways_lead_to_the_same_rows(settings: Settings, warehouse: Client) -> None:
    requests = traffic()
    told: list[int] = []
    publish(settings, requests, told.append, name="tests")
    load_all(settings)
    by_the_queue = warehouse.query(ROWS).result_rows
    assert (len(by_the_queue), sum(told)) == (EVENTS, EVENTS)
    warehouse.command("TRUNCATE TABLE raw.events")

    assert write_raw(settings, requests, lambda _: None) == EVENTS

    assert warehouse.query(ROWS).result_rows == by_the_queue
    assert warehouse.command("SELECT count() FROM raw.rejected_events") == 0


def test_more_days_than_an_insert_has_partitions_are_written_in_several_inserts(
    settings: Settings, warehouse: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(straight, "MAX_ROWS", 1_500)
    monkeypatch.setattr(straight, "REQUESTS_AT_ONCE", 100)
    told: list[int] = []
    written = write_raw(settings, traffic(2_000, days=400), told.append)
    assert (written, sum(told)) == (2_000, 2_000)
    # More than 220 days in two inserts: one has more than the 100 that the server allows without being asked.
    assert len(told) == 2
    counted = warehouse.query(
        "SELECT count(), uniqExact(toDate(received_at)) > 220, uniqExact(_dlt_load_id), uniqExact(stream_sequence)"
        " FROM raw.events"
    )
    assert counted.result_rows == [(2_000, True, 1, 1)]


def test_it_waits_until_no_loader_runs(settings: Settings, warehouse: Client) -> None:
    url = settings.postgres_loader_url.get_secret_value()
    with Lease(url, "raw-loader"):
        writer = threading.Thread(target=write_raw, args=(settings, traffic(50), lambda _: None))
        writer.start()
        wait_for_the_lease(url, writer)
        assert warehouse.command("SELECT count() FROM raw.events") == 0
    writer.join()
    assert warehouse.command("SELECT count() FROM raw.events") == 50
    assert not is_held(url, "raw-loader")


def wait_for_the_lease(url: str, writer: threading.Thread) -> None:
    """Return when somebody is connected for the lease and does not have it. One who has ended did not wait."""
    with psycopg.connect(url, autocommit=True) as connection:
        while writer.is_alive():
            row = connection.execute(
                "select count(*) from pg_stat_activity where application_name = 'echolead raw-loader'"
            ).fetchone()
            if row == (2,):
                return
            connection.execute("select pg_sleep(0.01)")
    pytest.fail("it did not wait for the lease")


def test_an_event_that_is_no_row_is_told_and_its_insert_is_not_made(settings: Settings, warehouse: Client) -> None:
    requests = traffic(20)
    requests[3].events.append(ReceivedEvent(event=Raw(b'{"event_id":"018f4f7e-0000-7000-8000-00000000000a"}')))
    with pytest.raises(NotARow, match="018f4f7e-0000-7000-8000-00000000000a: Object missing required field `name`"):
        write_raw(settings, requests, lambda _: None)
    assert warehouse.command("SELECT count() FROM raw.events") == 0


@pytest.fixture
def run(settings: Settings, empty_operational_urls: OperationalUrls) -> Callable[..., Result]:
    """`echolead demo` on a stack of the test's servers."""
    addresses = {
        "POSTGRES_SYSTEM_URL": empty_operational_urls.system,
        "POSTGRES_LOADER_URL": empty_operational_urls.loader,
        "CLICKHOUSE_URL": settings.clickhouse_url.get_secret_value(),
        "NATS_URL": settings.nats_url.get_secret_value(),
        "SECRET_KEYS": SECRET_KEY,
        "DEMO_PASSWORD": "a-long-password",
    }
    stack_env = "".join(f"ECHOLEAD_{name}={value}\n" for name, value in addresses.items())
    Path(settings.data_dir, "stack.env").write_text(stack_env)

    def run_command(*options: str) -> Result:
        command = ["demo", "--tenants", "3", "--days", "7", "--until", "2026-03-01", *options]
        return CliRunner().invoke(app, [*command, "--data-dir", str(settings.data_dir)])

    return run_command


def test_the_command_makes_the_tenants_and_writes_the_same_either_way(
    run: Callable[..., Result], settings: Settings, warehouse: Client, system_engine: Engine
) -> None:
    found: list[Any] = []
    for into in ("raw", "queue"):
        result = run("--events", "600", "--seed", "5", "--into", into)
        assert result.exit_code == 0, result.output
        assert "600/600" in result.output
        load_all(settings)
        found.append(warehouse.query(ROWS).result_rows)
        warehouse.command("TRUNCATE TABLE raw.events")
    assert len(found[0]) == 600
    assert found[0] == found[1]
    chats = warehouse.query("SELECT count(), uniqExact(delivery_id) FROM raw.chatwoot_events").result_rows[0]
    assert chats[0] == 2 * chats[1] > 0, "the same twice, which count once"
    assert {row[0] for row in found[0]} == {"demo", "demo-ipe-cursos", "demo-sol-do-cerrado"}
    assert_the_tenants_are_like_those_created_one_by_one(system_engine)


def assert_the_tenants_are_like_those_created_one_by_one(engine: Engine) -> None:
    with system_session(engine) as session:
        query = "select tenant_id, string_agg(host, ' ' order by host) from tenant_hosts group by 1"
        hosts = {row[0]: row[1] for row in session.execute(text(query))}
        roles = session.execute(text("select tenant_id, role from user_tenants order by 1")).all()
        created = session.execute(
            text("select subject from audit_log where action = 'tenant.created' order by 1")
        ).all()
        asking = session.scalars(text("select tenant_id from tenants where consent_default = 'wait'")).all()
    assert asking == ["demo-sol-do-cerrado"]
    assert hosts == {
        "demo": "127.0.0.1 agenda-clara.example demo.localhost localhost",
        "demo-ipe-cursos": "ipe-cursos.example",
        "demo-sol-do-cerrado": "sol-do-cerrado.example",
    }
    assert [tuple(row) for row in roles] == [(tenant_id, "admin") for tenant_id in sorted(hosts)]
    assert [row[0] for row in created] == ["demo-ipe-cursos", "demo-sol-do-cerrado"]


def test_the_command_says_that_the_warehouse_did_not_take_the_events(
    run: Callable[..., Result], settings: Settings
) -> None:
    file = Path(settings.data_dir, "stack.env")
    file.write_text(file.read_text() + "ECHOLEAD_CLICKHOUSE_LOADER_URL=http://127.0.0.1:9\n")
    result = run("--events", "600", "--into", "raw")
    assert (result.exit_code, "could not be written" in result.output) == (2, True), result.output


def test_a_line_that_is_no_request_is_told_in_a_sentence(settings: Settings, run: Callable[..., Result]) -> None:
    command = [sys.executable, "-m", "dlt_pipelines.collector.straight", "--data-dir", str(settings.data_dir)]
    done = subprocess.run(command, input=b'{"tenant_id":"demo"}\n', capture_output=True, check=False, timeout=300)
    assert (done.returncode, done.stderr) == (1, b"Object missing required field `received_at`\n")
