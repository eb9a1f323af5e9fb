"""Turns over a small and a large history of the same traffic: what a turn reads and takes must not grow with history.

`BENCH_HISTORY` is the number of events of the large one.
"""

import os
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count

import psutil
from rich.console import Console
from sqlalchemy import Engine

from dlt_pipelines.collector.straight import write_raw
from dlt_pipelines.operational.mirror import mirror_configuration
from echolead.demo.traffic.generator import generate
from echolead.demo.traffic.sites import sites
from echolead.embedded.alone import running
from echolead.embedded.clickhouse import EmbeddedWarehouse
from echolead.operational.database import connect as connect_database
from echolead.operational.database import system_session
from echolead.operational.models import TenantHost
from echolead.settings import Settings
from echolead.warehouse import connect, create_databases
from orchestration.dbt.runner import Dbt
from orchestration.live.warehouse_turns import WarehouseTurns
from orchestration.prepare import prepare
from tests.bench.figure import Figure
from tests.fixtures.collector import surroundings
from tests.fixtures.operational import SECRET_KEY, make_destination, make_tenant
from tests.fixtures.parts import free_port
from tests.fixtures.prepared import form, write_events

SMALL, LARGE = 100_000, int(os.environ.get("BENCH_HISTORY", "10000000"))
TENANTS, DAYS = 20, 90
EVENTS_OF_A_TURN = 100
ROUNDS = 7
COPY = "create table default.bare as raw.events"
LARGEST = "select tenant_id, count() as leads from marts.leads group by tenant_id order by leads desc limit 1"
MIB = 2**20
TENANT_KEY = "bench-tenant-key-that-is-long-enough"


@dataclass(frozen=True)
class Measured:
    """Of one history. Seconds and rows read are medians."""

    built_seconds: float
    bare_seconds: float
    peak_mib: float
    rows_read: float
    turn_seconds: float
    form_seconds: float
    changed_leads: int
    changed_seconds: float
    turn_seconds_meanwhile: float


def run() -> list[Figure]:
    """Builds both histories from raw, one after the other."""
    small, large = (measure(events) for events in (SMALL, LARGE))
    size = f"{LARGE / 1e6:g} M events"
    rate = LARGE / large.built_seconds
    return [
        Figure(f"warehouse: rows read by a turn, {size} over {SMALL:,}", large.rows_read / small.rows_read, "x", 2,
               lower_is_better=True),
        Figure(f"warehouse: rows read by a turn of {EVENTS_OF_A_TURN} events, {size}", large.rows_read, "rows",
               lower_is_better=True),
        Figure(f"warehouse: turn of {EVENTS_OF_A_TURN} events, {SMALL:,}", small.turn_seconds, "s",
               lower_is_better=True),
        Figure(f"warehouse: turn of {EVENTS_OF_A_TURN} events, {size}", large.turn_seconds, "s", lower_is_better=True),
        Figure(f"warehouse: turn of one form, {SMALL:,}", small.form_seconds, "s", lower_is_better=True),
        Figure(f"warehouse: turn of one form, {size}", large.form_seconds, "s", lower_is_better=True),
        Figure(f"warehouse: built from raw, {size}", rate, "events/s", 100_000, ceiling=LARGE / large.bare_seconds),
        Figure(f"warehouse: peak memory while built, {size}", large.peak_mib, "MiB", 6 * 1024, lower_is_better=True),
        Figure("warehouse: leads computed again for other rules", large.changed_leads / large.changed_seconds,
               "leads/s", 50_000 / 60),
        Figure("warehouse: turn of one form meanwhile", large.turn_seconds_meanwhile, "s", lower_is_better=True),
    ]  # fmt: skip


def measure(events: int) -> Measured:
    """Write a history into raw, build everything, then take turns over it."""
    with ground() as (settings, engine, process):
        until = datetime.now(UTC).replace(microsecond=0) - timedelta(days=2)
        write(settings, events, DAYS, until, seed=1)
        bare = bare_insert(settings)
        with peak_memory(process) as peak:
            start = time.perf_counter()
            prepare(settings)
            built = time.perf_counter() - start
        say(f"{events:,} events: built in {built:.0f} s, bare copy {bare:.1f} s, {peak[0] / MIB:,.0f} MiB")
        with WarehouseTurns(settings, Dbt(settings)) as turns:
            turns.run()
            taken = [turn_of_events(settings, turns, until, number) for number in range(ROUNDS)]
            forms = [turn_of_form(settings, turns) for _ in range(ROUNDS)]
            leads, changed, meanwhile = other_rules(settings, engine, turns)
    seconds, rows = (statistics.median(values) for values in zip(*taken, strict=True))
    return Measured(built, bare, peak[0] / MIB, rows, seconds, statistics.median(forms), leads, changed,
                    statistics.median(meanwhile))  # fmt: skip


@contextmanager
def ground() -> Iterator[tuple[Settings, Engine, psutil.Process]]:
    """An empty warehouse with its process, and an operational database with the tenants of the traffic."""
    with ExitStack() as stack:
        around = stack.enter_context(surroundings())
        folder = around.logs.parent
        server = EmbeddedWarehouse(folder / "warehouse", free_port(), "bench", "bench-reader", tenant_key=TENANT_KEY)
        server.prepare()
        process = stack.enter_context(running(server.part(), around.logs))
        settings = Settings(
            data_dir=folder / "data",
            clickhouse_url=server.url,
            clickhouse_console_url=server.address,
            clickhouse_tenant_key=TENANT_KEY,
            postgres_system_url=around.urls.system,
            postgres_loader_url=around.urls.loader,
            dagster_postgres_url=around.urls.dagster,
            secret_keys=SECRET_KEY,
        )  # type: ignore[arg-type]  # addresses
        engine = connect_database(around.urls.system)
        stack.callback(engine.dispose)
        for site in sites(TENANTS):
            make_tenant(engine, site.tenant_id, hosts=[site.host])
            make_destination(engine, site.tenant_id)
        with closing(connect(server.url)) as client:
            create_databases(client)
        make_tenant(engine, "acme", hosts=["lp.acme.test"])
        make_destination(engine, "acme")
        yield settings, engine, psutil.Process(process.pid)


def write(settings: Settings, events: int, days: int, until: datetime, seed: int) -> None:
    """Generated traffic into raw, as the loader would write it."""
    left, start = count(), time.perf_counter()
    requests = generate(seed, sites(TENANTS), days, events, until)
    write_raw(settings, requests, lambda rows: say_progress(next(left), rows, start))


def say_progress(number: int, rows: int, start: float) -> None:
    if number % 10 == 9:
        say(f"{(number + 1) * rows:,} events written, {time.perf_counter() - start:.0f} s")


def bare_insert(settings: Settings) -> float:
    """Seconds in which the engine copies the rows of raw: nothing that computes them can be quicker."""
    with closing(connect(settings.clickhouse_url.get_secret_value(), query_timeout_seconds=3600)) as client:
        client.command(COPY)
        start = time.perf_counter()
        client.command(
            "insert into default.bare select * from raw.events", settings={"max_partitions_per_insert_block": 0}
        )
        seconds = time.perf_counter() - start
        client.command("drop table default.bare sync")
    return seconds


@contextmanager
def peak_memory(process: psutil.Process) -> Iterator[list[int]]:
    """The largest resident size of the process within, in bytes, as the only element."""
    peak, is_over = [0], threading.Event()

    def watch() -> None:
        while not is_over.wait(0.2):
            peak[0] = max(peak[0], process.memory_info().rss)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    yield peak
    is_over.set()
    watcher.join()


def turn_of_events(settings: Settings, turns: WarehouseTurns, until: datetime, number: int) -> tuple[float, int]:
    """Seconds and rows read of the turn that takes some more of the same traffic."""
    write(settings, EVENTS_OF_A_TURN, 1, until + timedelta(days=1, minutes=number), seed=2 + number)
    return take(turns)


def turn_of_form(settings: Settings, turns: WarehouseTurns) -> float:
    """Seconds of the turn that takes one form."""
    with closing(connect(settings.clickhouse_url.get_secret_value())) as client:
        write_events(client, [form(f"bench {time.time_ns()}", utm_source="google", utm_medium="cpc")])
    return take(turns)[0]


def take(turns: WarehouseTurns) -> tuple[float, int]:
    """Seconds and rows read of a turn that has something to take."""
    start = time.perf_counter()
    turn = turns.run()
    seconds = time.perf_counter() - start
    assert turn.is_done, turn.failed
    assert turn.models, "the load was not taken"
    return seconds, turn.rows_read


def other_rules(settings: Settings, engine: Engine, turns: WarehouseTurns) -> tuple[int, float, list[float]]:
    """Leads of the largest tenant, seconds of computing them under other rules, and of each form's turn meanwhile."""
    with closing(connect(settings.clickhouse_url.get_secret_value())) as client:
        tenant_id, leads = client.query(LARGEST, settings={"final": 1}).result_rows[0]
    with system_session(engine) as session:
        session.add(TenantHost(tenant_id=tenant_id, host="other.bench.test"))
    mirror_configuration(settings)
    meanwhile: list[float] = []
    spent = 0.0
    while (seconds := seconds_of_piece(turns)) is not None:
        spent += seconds
        if len(meanwhile) < ROUNDS:
            meanwhile.append(turn_of_form(settings, turns))
    return leads, spent, meanwhile


def seconds_of_piece(turns: WarehouseTurns) -> float | None:
    """Seconds of the next piece of a request, None when there is none left."""
    start = time.perf_counter()
    turn = turns.run()
    assert turn.is_done, turn.failed
    return time.perf_counter() - start if turn.request else None


def say(text: str) -> None:
    """Progress, as a large history takes a quarter of an hour."""
    Console(stderr=True).print(text, highlight=False)
