"""The collector against a no-op on the same server, in one run: durable events a second, and what a request costs."""

import json
import statistics
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import psutil

from echolead.embedded.part import Part, free_port, python, running
from echolead.operational.database import connect as connect_postgres
from tests.bench.figure import Figure
from tests.bench.http_load import Job, Measurement, measure
from tests.fixtures.collector import collector_environment, collector_part, missing, surroundings
from tests.fixtures.operational import make_tenant

ROUNDS = 3
SECONDS = 3.0
CONNECTIONS = 64
BATCH_EVENTS = 50
BATCH_CONNECTIONS = 16
SEVERAL_WORKERS = 3
HOST = "bench.test"
SHARE_OF_PEAK = 0.7


@dataclass
class Server:
    """A server under one kind of load, and what its rounds gave."""

    port: int
    pid: int
    body: str
    connections: int = CONNECTIONS
    measurements: list[Measurement] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)

    def load(self, rate: float = 0.0) -> None:
        """One round."""
        before = cpu_seconds(self.pid)
        measurement = measure(Job(self.port, "/t", HOST, self.body, self.connections, SECONDS, rate))
        self.measurements.append(measurement)
        self.cpu_us.append((cpu_seconds(self.pid) - before) / (measurement.per_second * SECONDS) * 1e6)

    def median(self, name: str) -> float:
        """The median over the rounds."""
        return statistics.median(getattr(each, name) for each in self.measurements)


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and its workers so far."""
    process = psutil.Process(pid)
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def run() -> list[Figure]:
    """With one worker, then with several."""
    return [figure for workers in (1, SEVERAL_WORKERS) for figure in compare(workers)]


def compare(workers: int) -> list[Figure]:
    """Rounds of the no-op and the collector take turns, so that a busy neighbour slows them alike."""
    one, fifty = body_of(1), body_of(BATCH_EVENTS)
    with servers(workers) as ((noop_port, noop_pid), (port, pid), _):
        noop, single = Server(noop_port, noop_pid, one), Server(port, pid, one)
        noop_batches = Server(noop_port, noop_pid, fifty, BATCH_CONNECTIONS)
        batches = Server(port, pid, fifty, BATCH_CONNECTIONS)
        lone, steady = Server(port, pid, one, 1), Server(port, pid, fifty)
        for _ in range(ROUNDS):
            for server in (noop, single, noop_batches, batches, lone):
                server.load()
        for _ in range(ROUNDS):
            steady.load(batches.median("per_second") * SHARE_OF_PEAK)
    failed = sum(each.failed for server in (noop, single, lone, batches, steady) for each in server.measurements)
    name = "collector" if workers == 1 else f"collector, {workers} workers"
    events = batches.median("per_second") * BATCH_EVENTS
    return [
        *against(f"{name}: single events", single, noop, 0.5),
        Figure(f"{name}: one connection, p50", lone.median("p50_ms"), "ms"),
        *against(f"{name}: batches of {BATCH_EVENTS}", batches, noop_batches, None),
        Figure(f"{name}: events in batches of {BATCH_EVENTS}", events, "events/s", 20_000),
        Figure(
            f"{name}: batches at {SHARE_OF_PEAK:.0%}, p99", steady.median("p99_ms"), "ms", 100.0, lower_is_better=True
        ),
        Figure(f"{name}: requests not answered 202", failed, "", 0, lower_is_better=True),
    ]


def against(name: str, measured: Server, noop: Server, target: float | None) -> list[Figure]:
    """Rate, latency and processor time beside those of the no-op, which are the ceilings."""
    ceiling = noop.median("per_second")
    cpu, noop_cpu = statistics.median(measured.cpu_us), statistics.median(noop.cpu_us)
    return [
        Figure(f"{name} over no-op", measured.median("per_second") / ceiling, "", target, 1.0),
        Figure(name, measured.median("per_second"), "requests/s", ceiling=ceiling),
        Figure(f"{name}, p50", measured.median("p50_ms"), "ms", ceiling=noop.median("p50_ms")),
        Figure(f"{name}, p99", measured.median("p99_ms"), "ms", ceiling=noop.median("p99_ms")),
        Figure(f"{name}, CPU of a request", cpu, "µs", ceiling=noop_cpu, lower_is_better=True),
    ]


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
def servers(workers: int = 1) -> Iterator[tuple[tuple[int, int], tuple[int, int], str]]:
    """Port and process of a no-op, and of a collector beside its queue, on the same server; the queue's URL."""
    with ExitStack() as stack:
        around = stack.enter_context(surroundings())
        engine = connect_postgres(around.urls.system)
        make_tenant(engine, "bench", hosts=[HOST])
        engine.dispose()
        environment = collector_environment(
            around.nats,
            around.urls.system,
            # Counted like any other, but never refused.
            ECHOLEAD_EVENTS_PER_MINUTE_OF_ADDRESS="1000000000",
            ECHOLEAD_EVENTS_PER_MINUTE="1000000000",
            ECHOLEAD_COLLECTOR_WORKERS=str(workers),
        )
        noop_port, port = free_port(), free_port()
        options = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--no-server-header", "--ws", "none"]
        uvicorn = python("-m", "uvicorn", "tests.bench.noop:app", "--port", str(noop_port), "--no-proxy-headers")
        options += ["--interface", "asgi3", "--lifespan", "off", "--workers", str(workers)]
        # It answers every path with 202.
        noop = Part("noop", [*uvicorn, *options], lambda: missing(noop_port))
        noop_process = stack.enter_context(running(noop, around.logs))
        process = stack.enter_context(running(collector_part(port, environment), around.logs))
        yield (noop_port, noop_process.pid), (port, process.pid), around.nats.url
