"""A collector as it is deployed: its own process on uvicorn, with a queue of its own that tests may break."""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import Engine

from echolead.embedded.nats import EmbeddedNats
from echolead.embedded.part import Part, PartFailed, python
from echolead.events import DeadLetter, ReceivedRequest, decode_dead_letter, decode_received_request
from echolead.operational.provision import OperationalUrls
from tests.fixtures.collector import collector_environment, collector_part, make_streams, missing
from tests.fixtures.operational import make_tenant
from tests.fixtures.parts import free_port
from tests.fixtures.queue_messages import QUEUE_PASSWORDS, messages
from tests.integration.ingest_api.process import serve

# Collectors are forked from a process that has imported the application already.
FORKSERVER = get_context("forkserver")
FORKSERVER.set_forkserver_preload(["__main__", "ingest_api.app", "tests.integration.ingest_api.process"])

_numbers = itertools.count(1)


@dataclass(frozen=True)
class CollectorProcess:
    """How to start a collector beside `nats`, and how to talk to it as a page of the tenant `tenant_id` on `host`."""

    nats: EmbeddedNats
    urls: OperationalUrls
    tenant_id: str
    host: str
    port: int = field(default_factory=free_port)
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Address of the process."""
        return f"http://127.0.0.1:{self.port}"

    def part(self) -> Part:
        """The process from its command line."""
        return collector_part(self.port, self.environment_of_process)

    def hasty_part(self, workers: int = 1) -> Part:
        """A collector that answers 202 before the queue has the events: the control of fault tests."""
        command = python("-m", "uvicorn", "tests.integration.ingest_api.hasty:create_app", "--factory")
        command += ["--workers", str(workers), "--port", str(self.port), "--no-access-log"]
        return Part("hasty", command, lambda: missing(self.port), self.environment_of_process)

    @property
    def environment_of_process(self) -> dict[str, str]:
        """The environment with its settings."""
        return collector_environment(self.nats, self.urls, **self.environment)

    @contextmanager
    def running(self, *, ready_path: str = "/readyz") -> Iterator[ForkServerProcess]:
        """The process, ready, and stopped afterwards. Its output is pytest's."""
        process = self.start()
        try:
            self.wait_until_ready(process, ready_path)
            yield process
        finally:
            process.terminate()
            process.join(20)
            process.kill()

    def start(self) -> ForkServerProcess:
        """Start a process that serves what `python -m ingest_api` serves, without the seconds its imports take."""
        process = FORKSERVER.Process(target=serve, args=(self.environment_of_process, ["--port", str(self.port)]))
        process.start()
        return process

    def wait_until_ready(self, process: ForkServerProcess, path: str = "/readyz") -> None:
        """Return when `path` answers 200. Raises `PartFailed` when it does not in a minute."""
        deadline = time.monotonic() + 60
        while (sentence := missing(self.port, path)) is not None:
            if process.exitcode is not None or time.monotonic() > deadline:
                raise PartFailed(f"the collector is not ready (exit code {process.exitcode}): {sentence}")
            time.sleep(0.02)

    def client(self, **options: object) -> httpx.AsyncClient:
        """An HTTP client whose requests carry the tenant's host."""
        return httpx.AsyncClient(
            base_url=self.url, headers={"host": self.host}, timeout=10, trust_env=False, **options  # type: ignore[arg-type]
        )  # fmt: skip


@pytest.fixture
def own_nats(tmp_path: Path) -> EmbeddedNats:
    """A nats-server for one test, not started."""
    nats = EmbeddedNats(tmp_path / "nats", free_port(), free_port(), QUEUE_PASSWORDS)
    nats.prepare()
    return nats


@pytest.fixture
def collector_beside(system_engine: Engine, operational_urls: OperationalUrls) -> "MakeCollector":
    """Makes a collector, not started, beside a given queue, with a tenant of its own."""
    return MakeCollector(system_engine, operational_urls)


@dataclass(frozen=True)
class MakeCollector:
    """The factory behind `collector_beside`."""

    engine: Engine
    urls: OperationalUrls

    def __call__(self, nats: EmbeddedNats, **environment: str) -> CollectorProcess:
        """A collector and a tenant on a new host."""
        tenant_id = f"collector-{next(_numbers)}"
        host = f"{tenant_id}.test"
        make_tenant(self.engine, tenant_id, hosts=[host], origins=["https://shop.example.com"])
        return CollectorProcess(nats, self.urls, tenant_id, host, environment=environment)


@pytest.fixture(scope="session")
def streams(nats_server: EmbeddedNats) -> EmbeddedNats:
    """The run's queue, with its streams."""
    asyncio.run(make_streams(nats_server))
    return nats_server


@pytest.fixture(scope="module")
def collector(
    streams: EmbeddedNats, system_engine: Engine, operational_urls: OperationalUrls
) -> Iterator[CollectorProcess]:
    """A running collector for tests that break nothing."""
    process = MakeCollector(system_engine, operational_urls)(streams)
    with process.running():
        yield process


def make_event(**fields: object) -> dict[str, object]:
    """A page view that is in order."""
    return {
        "event_id": str(uuid4()),
        "name": "page_view",
        "tracking_id": str(uuid4()),
        "session_id": str(uuid4()),
        "occurred_at": "2025-07-01T12:00:00.000-03:00",
        "page": {"url": "https://shop.example.com/"},
        **fields,
    }


def make_body(*events: dict[str, object]) -> bytes:
    """The body of a request."""
    return json.dumps({"sent_at": "2025-07-01T12:00:01.000-03:00", "events": events or [make_event()]}).encode()


def header_of(body: bytes, headers: dict[str, str], path: str = "/t") -> bytes:
    """The header of a POST after which the connection is closed."""
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "connection: close", f"content-length: {len(body)}", "", ""]).encode()


@asynccontextmanager
async def connected(collector: CollectorProcess) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A raw connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", collector.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def answer_to(collector: CollectorProcess, *pieces: bytes) -> bytes:
    """The raw answer to a request in one piece, which can go past ASGI; HTTP clients send two pieces."""
    async with connected(collector) as (reader, writer), asyncio.timeout(10):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.05)
        return await reader.read()


async def stored_requests(collector: CollectorProcess) -> list[ReceivedRequest]:
    """The requests of the collector's tenant in the queue."""
    lines = await messages(collector.nats, f"events.{collector.tenant_id}")
    return [decode_received_request(line) for line in lines]


async def stored_event_ids(collector: CollectorProcess) -> set[str]:
    """The ids of all events the collector's tenant has in the queue."""
    requests = await stored_requests(collector)
    return {json.loads(bytes(each.event))["event_id"] for request in requests for each in request.events}


async def dead_letters(collector: CollectorProcess) -> list[DeadLetter]:
    """The dead letters of the collector's tenant."""
    lines = await messages(collector.nats, f"dead.{collector.tenant_id}")
    return [decode_dead_letter(line) for line in lines]
