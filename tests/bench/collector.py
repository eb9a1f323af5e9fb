"""The collector against a no-op on the same server, in one run: durable events a second, and what a request costs."""

import asyncio
import json
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx
import psutil

from echolead.embedded.nats import EmbeddedNats
from echolead.embedded.part import Part, free_port, python, running
from echolead.embedded.postgres import EmbeddedPostgres
from echolead.operational.database import connect as connect_postgres
from echolead.operational.migrate import migrate
from echolead.operational.provision import Passwords, provision
from echolead.queue import connect, ensure_streams
from tests.bench.figure import Figure
from tests.bench.http_load import Job, Measurement, measure
from tests.fixtures.operational import make_tenant

ROUNDS = 3
SECONDS = 3.0
CONNECTIONS = 64
BATCH_EVENTS = 50
HOST = "bench.test"
SHARE_OF_PEAK = 0.7


@dataclass
class Server:
    """A server under load and what its rounds gave."""

    port: int
    pid: int
    measurements: list[Measurement]
    cpu_us: list[float]

    def load(self, body: str, *, connections: int = CONNECTIONS, rate: float = 0.0) -> None:
        """One round."""
        process = psutil.Process(self.pid)
        before = process.cpu_times()
        job = Job(self.port, "/t", HOST, body, connections, SECONDS, rate)
        measurement = measure(job)
        after = process.cpu_times()
        spent = after.user + after.system - before.user - before.system
        self.measurements.append(measurement)
        self.cpu_us.append(spent / (measurement.per_second * SECONDS) * 1e6)

    def again(self) -> "Server":
        """The same server, for rounds of another kind."""
        return Server(self.port, self.pid, [], [])

    def median(self, name: str) -> float:
        """The median over the rounds."""
        return statistics.median(getattr(each, name) for each in self.measurements)

    def failures(self) -> int:
        """Answers that were not 202."""
        return sum(each.failed for each in self.measurements)


def run() -> list[Figure]:
    """Rounds of no-op, single events and batches take turns, so that a busy neighbour slows them alike."""
    with servers() as (noop, single):
        lone, batches, steady = single.again(), single.again(), single.again()
        for _ in range(ROUNDS):
            noop.load(body_of(1))
            single.load(body_of(1))
            batches.load(body_of(BATCH_EVENTS), connections=16)
            lone.load(body_of(1), connections=1)
        rate = batches.median("per_second") * SHARE_OF_PEAK
        for _ in range(ROUNDS):
            steady.load(body_of(BATCH_EVENTS), rate=rate)
    failed = sum(each.failures() for each in (noop, single, lone, batches, steady))
    ceiling = noop.median("per_second")
    events = batches.median("per_second") * BATCH_EVENTS
    return [
        Figure("collector: single events over no-op", single.median("per_second") / ceiling, "", 0.5, 1.0),
        Figure("collector: single events", single.median("per_second"), "requests/s", ceiling=ceiling),
        Figure("collector: single events, p50", single.median("p50_ms"), "ms", ceiling=noop.median("p50_ms")),
        Figure("collector: single events, p99", single.median("p99_ms"), "ms", ceiling=noop.median("p99_ms")),
        Figure(
            "collector: CPU of a request",
            statistics.median(single.cpu_us),
            "µs",
            ceiling=statistics.median(noop.cpu_us),
            lower_is_better=True,
        ),
        Figure("collector: one connection, p50", lone.median("p50_ms"), "ms"),
        Figure("collector: batches of 50", events, "events/s", 20_000),
        Figure(
            "collector: batches of 50 at 70 %, p99", steady.median("p99_ms"), "ms", 100.0, lower_is_better=True
        ),
        Figure("collector: requests not answered 202", failed, "", 0, lower_is_better=True),
    ]  # fmt: skip


def body_of(events: int) -> str:
    """A request of page views of about 1 KB, as a paid visit sends them."""
    query = "utm_source=google&utm_medium=cpc&utm_campaign=lancamento&utm_term=consultoria&gclid=Cj0KCQjw-Abc_123"
    url = f"https://{HOST}/oferta?{query}"
    arrival = {
        "at": "2025-07-01T12:00:00.000-03:00",
        "landing_url": url,
        "referrer": "https://www.google.com/",
        "params": dict(pair.split("=") for pair in query.split("&")),
    }
    event = {
        "name": "page_view",
        "tracking_id": str(uuid4()),
        "session_id": str(uuid4()),
        "occurred_at": "2025-07-01T12:00:03.214-03:00",
        "page": {"url": url, "title": "Oferta de lançamento", "referrer": "https://www.google.com/", "query": query},
        "touch": {"first": arrival},
        "context": {"language": "pt-BR", "time_zone": "America/Sao_Paulo", "screen": "1920x1080"},
        "properties": {},
    }
    batch = [{"event_id": str(uuid4()), **event} for _ in range(events)]
    return json.dumps(
        {"sent_at": "2025-07-01T12:00:03.300-03:00", "events": batch}, separators=(",", ":"), ensure_ascii=False
    )


@contextmanager
def servers() -> Iterator[tuple[Server, Server]]:
    """A no-op and a collector with its queue and database, on the same server with the same options."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="echolead-bench-")))
        folder.chmod(0o755)
        logs = folder / "logs"
        nats = EmbeddedNats(folder / "nats", free_port(), free_port(), "bench-full", "bench-collector")
        nats.prepare()
        stack.enter_context(running(nats.part(), logs))
        asyncio.run(make_streams(nats))
        postgres = EmbeddedPostgres(folder / "postgres", free_port(), "bench")
        postgres.prepare()
        stack.enter_context(running(postgres.part(), logs))
        urls = provision(postgres.url, Passwords("owner", "system", "app", "dagster"))
        migrate(urls.owner)
        engine = connect_postgres(urls.system)
        make_tenant(engine, "bench", hosts=[HOST])
        engine.dispose()
        environment = {
            "ECHOLEAD_NATS_COLLECTOR_URL": nats.collector_url,
            "ECHOLEAD_NATS_MONITOR_URL": nats.monitor_url,
            "ECHOLEAD_POSTGRES_SYSTEM_URL": urls.system,
            "ECHOLEAD_JWT_SECRET": "bench-only-bench-only-bench-only-bench-only",
            # Counted like any other, but never refused.
            "ECHOLEAD_EVENTS_PER_MINUTE_OF_ADDRESS": "1000000000",
            "ECHOLEAD_EVENTS_PER_MINUTE": "1000000000",
        }
        noop_port, port = free_port(), free_port()
        options = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--no-server-header", "--ws", "none"]
        uvicorn = python("-m", "uvicorn", "tests.bench.noop:app", "--port", str(noop_port), "--no-proxy-headers")
        options += ["--interface", "asgi3", "--lifespan", "off"]
        noop = Part("noop", [*uvicorn, *options], lambda: missing(noop_port))
        collector = Part(
            "collector", python("-m", "ingest_api", "--port", str(port)), lambda: missing(port), environment
        )
        noop_process = stack.enter_context(running(noop, logs))
        process = stack.enter_context(running(collector, logs))
        yield Server(noop_port, noop_process.pid, [], []), Server(port, process.pid, [], [])


async def make_streams(nats: EmbeddedNats) -> None:
    """Create the streams."""
    client = await connect(nats.url, name="bench")
    await ensure_streams(client.jetstream())
    await client.close()


def missing(port: int) -> str | None:
    """Whether a server is ready; the no-op answers every path with 202."""
    try:
        answer = httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2, trust_env=False)
    except httpx.HTTPError as error:
        return str(error)
    return None if answer.is_success else answer.text
