"""The collector against a no-op on the same server, the disk and the queue alone, in one run."""

import json
import statistics
from dataclasses import dataclass, field
from functools import partial
from uuid import uuid4

import psutil

from tests.bench import ceilings
from tests.bench.checking import cpu_us_of_request
from tests.bench.figure import Figure
from tests.bench.http_load import Job, Measurement, measure
from tests.bench.servers import HOST, Servers, servers

ROUNDS = 3
SECONDS = 3.0
CONNECTIONS = 64
BATCH_EVENTS = 50
BATCH_CONNECTIONS = 16
SEVERAL_WORKERS = 3
SHARE_OF_PEAK = 0.7


@dataclass
class Server:
    """A server under one kind of load, and the results of its rounds."""

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

    @property
    def cpu(self) -> float:
        """Processor time of a request in µs, the median over the rounds."""
        return statistics.median(self.cpu_us)


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and its workers so far."""
    process = psutil.Process(pid)
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def run() -> list[Figure]:
    """With one worker, then with several."""
    return [figure for workers in (1, SEVERAL_WORKERS) for figure in compare(workers)]


class Rounds:
    """The measurements that alternate, so that other load on the machine affects all of them alike."""

    def __init__(self, started: Servers) -> None:
        one, fifty = body_of(1), body_of(BATCH_EVENTS)
        noop = partial(Server, started.noop_port, started.noop_pid)
        collector = partial(Server, started.port, started.pid)
        self.noop, self.single = noop(one), collector(one)
        self.through_asgi = Server(started.asgi_port, started.asgi_pid, one)
        self.noop_batches, self.batches = noop(fifty, BATCH_CONNECTIONS), collector(fifty, BATCH_CONNECTIONS)
        self.noop_lone, self.lone = noop(one, 1), collector(one, 1)
        self.steady = collector(fifty)
        self.syncs: list[ceilings.Syncs] = []
        self.published: list[float] = []
        self.checking: dict[int, list[float]] = {1: [], BATCH_EVENTS: []}
        self._started = started

    def run(self) -> None:
        """All loads at their peak, then batches at a part of their peak."""
        at_peak = (
            self.noop,
            self.single,
            self.through_asgi,
            self.noop_batches,
            self.batches,
            self.noop_lone,
            self.lone,
        )
        for _ in range(ROUNDS):
            for server in at_peak:
                server.load()
            self.syncs.append(ceilings.syncs(self._started.folder))
            self.published.append(ceilings.published(self._started.queue_url, len(self.batches.body)))
            for events, cpu_us in self.checking.items():
                cpu_us.append(cpu_us_of_request(body_of(events).encode()) / events)
        for _ in range(ROUNDS):
            self.steady.load(self.batches.median("per_second") * SHARE_OF_PEAK)

    @property
    def over_asgi(self) -> float:
        """The gain of the path past ASGI (docs/decisions/0004-collector-hot-path.md): the median of the rounds."""
        pairs = zip(self.single.measurements, self.through_asgi.measurements, strict=True)
        return statistics.median(direct.per_second / through.per_second for direct, through in pairs)

    @property
    def failed(self) -> int:
        """Requests to the collector that were not answered 202."""
        measured = (self.single, self.through_asgi, self.lone, self.batches, self.steady)
        return sum(each.failed for server in measured for each in server.measurements)


def compare(workers: int) -> list[Figure]:
    """The figures of one run with so many workers."""
    with servers(workers) as started:
        rounds = Rounds(started)
        rounds.run()
    name = "collector" if workers == 1 else f"collector, {workers} workers"
    events = rounds.batches.median("per_second") * BATCH_EVENTS
    steady = f"{name}: batches at {SHARE_OF_PEAK:.0%}, p99"
    return [
        *against(f"{name}: single events", rounds.single, rounds.noop, 0.5),
        Figure(f"{name}: single events over the same through ASGI", rounds.over_asgi, "x", 1.25),
        Figure(f"{name}: one connection, p50", rounds.lone.median("p50_ms"), "ms"),
        *against(f"{name}: batches of {BATCH_EVENTS}", rounds.batches, rounds.noop_batches, None),
        Figure(f"{name}: events in batches of {BATCH_EVENTS}", events, "events/s", 20_000),
        Figure(steady, rounds.steady.median("p99_ms"), "ms", 100.0, lower_is_better=True),
        *against_ceilings(name, rounds),
        *of_checking(name, rounds),
        Figure(f"{name}: requests not answered 202", rounds.failed, "", 0, lower_is_better=True),
    ]


def against_ceilings(name: str, rounds: Rounds) -> list[Figure]:
    """Latency compared with the no-op's, rates compared with the queue's and the disk's alone."""
    tail = rounds.single.median("p99_ms") / rounds.noop.median("p99_ms")
    published = statistics.median(rounds.published)
    syncs = statistics.median(each.per_second for each in rounds.syncs)
    sync_ms = statistics.median(each.p50_ms for each in rounds.syncs)
    lone = rounds.lone.median("p50_ms") / (sync_ms + rounds.noop_lone.median("p50_ms"))
    share = rounds.batches.median("per_second") / published
    return [
        Figure(f"{name}: single events, p99 over no-op's", tail, "x", 3, lower_is_better=True),
        Figure(f"{name}: events in batches of {BATCH_EVENTS} over the queue's rate", share, "", 0.6, 1.0),
        Figure(f"{name}: single events over the disk's syncs", rounds.single.median("per_second") / syncs, "x", 3),
        Figure(f"{name}: one connection, p50 over a sync and the no-op", lone, "x", 2.5, lower_is_better=True),
        Figure(f"{name}: the queue alone, messages of a batch", published, "messages/s"),
        Figure(f"{name}: the disk alone, syncs of 1 KB", syncs, "/s"),
    ]


def of_checking(name: str, rounds: Rounds) -> list[Figure]:
    """The cost per event of validation and message, without server and queue, compared with a no-op's request."""
    alone, in_batch = (statistics.median(cpu_us) for cpu_us in rounds.checking.values())
    noop = rounds.noop.cpu
    return [
        Figure(f"{name}: checks of an event over no-op's CPU", alone / noop, "x", 0.4, lower_is_better=True),
        Figure(f"{name}: checks of an event, CPU", alone, "µs", ceiling=noop, lower_is_better=True),
        Figure(f"{name}: checks of an event in a batch, CPU", in_batch, "µs", ceiling=noop, lower_is_better=True),
    ]


def against(name: str, measured: Server, noop: Server, target: float | None) -> list[Figure]:
    """Rate, latency and processor time compared with those of the no-op, which are the ceilings."""
    ceiling = noop.median("per_second")
    return [
        Figure(f"{name} over no-op", measured.median("per_second") / ceiling, "", target, 1.0),
        Figure(name, measured.median("per_second"), "requests/s", ceiling=ceiling),
        Figure(f"{name}, p50", measured.median("p50_ms"), "ms", ceiling=noop.median("p50_ms")),
        Figure(f"{name}, p99", measured.median("p99_ms"), "ms", ceiling=noop.median("p99_ms")),
        Figure(f"{name}, CPU of a request", measured.cpu, "µs", ceiling=noop.cpu, lower_is_better=True),
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
