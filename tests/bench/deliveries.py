"""The delivery engine: a new lead behind old ones, idle lanes, a dead destination beside a live one, and limits."""

import asyncio
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

import httpx
from sqlalchemy import Engine, text

from echolead.embedded.alone import running
from echolead.embedded.clickhouse import EmbeddedWarehouse
from echolead.operational.database import connect, system_session
from echolead.operational.models import Destination
from echolead.settings import Settings
from echolead.warehouse import connect as connect_warehouse
from echolead.warehouse import create_databases
from reverse_etl.destinations import KINDS
from reverse_etl.engine import DeliveryEngine
from reverse_etl.lane import Policy
from tests.bench.figure import Figure
from tests.bench.path import quantile
from tests.fixtures.collector import surroundings
from tests.fixtures.limited_product import LimitedLeads, LimitedServer, served
from tests.fixtures.operational import make_destination, make_tenant
from tests.fixtures.parts import free_port
from tests.fixtures.wanted_states import WantedStates, payload_of
from tests.integration.reverse_etl.settings import settings_of

OLD_LEADS = int(os.environ.get("BENCH_OLD_LEADS", "10000"))
IDLE_LANES = int(os.environ.get("BENCH_IDLE_LANES", "1000"))
FEW_LANES = 10
TURNS = 100
LIVE_LEADS = 60
FAST_LEADS = 1_000
WINDOW_CALLS, WINDOW_SECONDS, WINDOWS = 20, 1.0, 15
FAST = {"requests_per_second": 1000, "concurrency": 8}
POLICY = Policy(patience_seconds=0.02, coalesce_seconds=0.0)


@dataclass
class Ground:
    """An empty ledger and wanted state, and a server of the product."""

    settings: Settings
    database: Engine
    wanted: WantedStates
    server: LimitedServer

    def destination(self, server: LimitedServer, **configuration: object) -> Destination:
        """A new tenant's only destination."""
        tenant_id = make_tenant(self.database).tenant_id
        address = {"base_url": server.url}
        return make_destination(self.database, tenant_id, kind="limited", configuration={**address, **configuration})

    def want(self, place: Destination, *lead_ids: str) -> None:
        """A turn of the warehouse wants these leads there."""
        self.wanted.want(place.tenant_id, place.destination_id, map(payload_of, lead_ids))

    def count(self, query: str) -> int:
        """A number of the ledger's."""
        with system_session(self.database) as session:
            return int(session.scalar(text(query)) or 0)


def run() -> list[Figure]:
    """Each measurement on an empty ledger of its own."""
    KINDS["limited"] = LimitedLeads  # type: ignore[index]  # a dict
    measurements = (behind_old_leads, idle_lanes, beside_a_dead_one, without_limits, within_limits)
    figures: list[Figure] = []
    for measure in measurements:
        with ground() as fresh:
            figures += measure(fresh)
    return figures


def behind_old_leads(ground: Ground) -> list[Figure]:
    """New leads, one after the other, while old ones wait or are under way; and the same without them."""
    alone: list[float] = []
    behind: list[float] = []
    for seconds, old in ((alone, 0), (behind, OLD_LEADS)):
        place = ground.destination(ground.server, requests_per_second=40)
        known(ground, place, old)
        ground.wanted.want_many(place.tenant_id, place.destination_id, old, ground.wanted.turn + 1)
        with DeliveryEngine(ground.settings, POLICY) as engine:
            for number in range(10):
                seconds.append(seconds_to_arrive(ground, engine, place, f"new-{number}"))
    return [
        Figure("deliveries: new lead, nothing else waits, p50", statistics.median(alone), "s", lower_is_better=True),
        Figure(f"deliveries: new lead behind {OLD_LEADS:,} old ones, p50", statistics.median(behind), "s",
               lower_is_better=True),
        Figure("deliveries: new lead behind old ones, slowest", max(behind), "s", 5.0, lower_is_better=True),
    ]  # fmt: skip


def idle_lanes(ground: Ground) -> list[Figure]:
    """The processor time of a turn with nothing due, with few lanes that have delivered before, and with many."""
    with DeliveryEngine(ground.settings, replace(POLICY, idle_seconds=0.0)) as engine:
        few = seconds_of_an_idle_turn(ground, engine, FEW_LANES)
        many = seconds_of_an_idle_turn(ground, engine, IDLE_LANES - FEW_LANES)
    return [
        Figure(f"deliveries: idle turn, {IDLE_LANES:,} lanes over {FEW_LANES}", many / few, "x", 2.0,
               lower_is_better=True),
        Figure(f"deliveries: idle turn, {IDLE_LANES:,} lanes", many * 1000, "ms", lower_is_better=True),
    ]  # fmt: skip


def beside_a_dead_one(ground: Ground) -> list[Figure]:
    """p95 of a live destination's leads, with and without a destination beside that takes calls and never answers."""
    live = ground.destination(ground.server, **FAST)
    with DeliveryEngine(ground.settings, POLICY) as engine:
        alone = [seconds_to_arrive(ground, engine, live, f"alone-{number}") for number in range(LIVE_LEADS)]
        with served(LimitedServer(hangs=True)) as hanging:
            dead = ground.destination(hanging, **FAST)
            ground.want(dead, *(f"dead-{number}" for number in range(200)))
            beside = [seconds_to_arrive(ground, engine, live, f"beside-{number}") for number in range(LIVE_LEADS)]
            hanging.hangs = False
    without, with_dead = quantile(alone, 0.95), quantile(beside, 0.95)
    return [
        Figure("deliveries: p95 of a live destination", without, "s", lower_is_better=True),
        Figure("deliveries: p95 beside a dead one over p95 without", with_dead / without, "x", 1.5,
               lower_is_better=True),
    ]  # fmt: skip


def without_limits(ground: Ground) -> list[Figure]:
    """Leads a second to a product that takes all; the ceiling is the same calls by a bare client, as many at a time."""
    place = ground.destination(ground.server, **FAST)
    ground.want(place, *(f"lead-{number}" for number in range(FAST_LEADS)))
    start = time.perf_counter()
    with DeliveryEngine(ground.settings, POLICY) as engine:
        deliver_all(ground, engine)
    rate = FAST_LEADS / (time.perf_counter() - start)
    bare = asyncio.run(bare_rate(ground.server.url))
    return [Figure("deliveries: to a product without limits", rate, "leads/s", ceiling=bare)]


def within_limits(ground: Ground) -> list[Figure]:
    """The share of the allowed calls that is used while there is work, and how often the limit was met."""
    ground.server.calls, ground.server.seconds = WINDOW_CALLS, WINDOW_SECONDS
    place = ground.destination(ground.server, requests_per_second=WINDOW_CALLS / WINDOW_SECONDS, concurrency=8)
    count = WINDOW_CALLS * WINDOWS
    ground.want(place, *(f"lead-{number}" for number in range(count)))
    with DeliveryEngine(ground.settings, POLICY) as engine:
        deliver_all(ground, engine)
    at = ground.server.taken_at
    used = (len(at) - 1) / (at[-1] - at[0]) / (WINDOW_CALLS / WINDOW_SECONDS)
    return [
        Figure("deliveries: share of the allowed calls that is used", used, "", 0.95),
        Figure("deliveries: calls over the limit", len(ground.server.refused_at), "", 0, lower_is_better=True),
    ]


def seconds_to_arrive(ground: Ground, engine: DeliveryEngine, place: Destination, lead_id: str) -> float:
    """From the turn of the warehouse to the product, with the engine's turns as fast as they go."""
    ground.server.taken.clear()
    ground.want(place, lead_id)
    start = time.perf_counter()
    while all(lead["lead_id"] != lead_id for lead in ground.server.taken):
        engine.run_once()
    return time.perf_counter() - start


def seconds_of_an_idle_turn(ground: Ground, engine: DeliveryEngine, more_lanes: int) -> float:
    """After one lead of each of so many more destinations has arrived."""
    for _ in range(more_lanes):
        ground.want(ground.destination(ground.server, **FAST), "lead")
    deliver_all(ground, engine)
    engine.run_once()
    start = time.process_time()
    for _ in range(TURNS):
        engine.run_once()
    return (time.process_time() - start) / TURNS


def deliver_all(ground: Ground, engine: DeliveryEngine) -> None:
    """Run turns until nothing waits."""
    engine.run_once()
    while engine.is_behind or ground.count("select count(*) from deliveries where state <> 'delivered'"):
        engine.run_once()


def known(ground: Ground, place: Destination, count: int) -> None:
    """The destination has the leads `old-0` and so on already."""
    record = text(
        "insert into destination_records (tenant_id, destination_id, lead_id, remote_kind, remote_id) "
        "select :t, :d, 'old-' || number, 'contact', 'r' from generate_series(0, :n - 1) as number"
    )
    with system_session(ground.database) as session:
        session.execute(record, {"t": place.tenant_id, "d": place.destination_id, "n": count})


async def bare_rate(url: str) -> float:
    """Calls a second of a client that does nothing else."""
    left = iter(range(FAST_LEADS))
    async with httpx.AsyncClient(base_url=url) as client:

        async def work() -> None:
            for number in left:
                await client.put("leads", json={"lead_id": f"lead-{number}"})

        start = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(FAST["concurrency"])))
    return FAST_LEADS / (time.perf_counter() - start)


@contextmanager
def ground() -> Iterator[Ground]:
    """Servers of their own."""
    with ExitStack() as stack:
        around = stack.enter_context(surroundings())
        warehouse = EmbeddedWarehouse(around.logs.parent / "warehouse", free_port(), "bench", "bench-reader")
        warehouse.prepare()
        stack.enter_context(running(warehouse.part(), around.logs))
        client = stack.enter_context(connect_warehouse(warehouse.url))
        create_databases(client)
        wanted = WantedStates(client)
        wanted.make_table()
        database = connect(around.urls.system)
        stack.callback(database.dispose)
        urls = {
            "clickhouse_url": warehouse.url,
            "postgres_deliveries_url": around.urls.deliveries,
            "postgres_app_url": around.urls.app,
        }
        server = stack.enter_context(served(LimitedServer()))
        yield Ground(settings_of(urls), database, wanted, server)
