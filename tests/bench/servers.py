"""A collector beside its queue and a no-op on the same server, for benchmarks that load them."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from echolead.embedded.nats import EmbeddedNats
from echolead.embedded.part import Part, free_port, python, running
from echolead.embedded.postgres import EmbeddedPostgres
from echolead.operational.database import connect as connect_postgres
from echolead.operational.migrate import migrate
from echolead.operational.provision import Passwords, provision
from echolead.queue import connect, ensure_streams
from tests.fixtures.operational import make_tenant

HOST = "bench.test"


@dataclass(frozen=True)
class Servers:
    """Port and process of each; the queue's URL with full rights, and a folder on the disk its store is on."""

    noop_port: int
    noop_pid: int
    port: int
    pid: int
    queue_url: str
    folder: Path


@contextmanager
def servers(workers: int = 1) -> Iterator[Servers]:
    """Both, running, with so many workers each."""
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
            "ECHOLEAD_COLLECTOR_WORKERS": str(workers),
        }
        noop_port, port = free_port(), free_port()
        options = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--no-server-header", "--ws", "none"]
        uvicorn = python("-m", "uvicorn", "tests.bench.noop:app", "--port", str(noop_port), "--no-proxy-headers")
        options += ["--interface", "asgi3", "--lifespan", "off", "--workers", str(workers)]
        noop = Part("noop", [*uvicorn, *options], lambda: missing(noop_port))
        collector = Part(
            "collector", python("-m", "ingest_api", "--port", str(port)), lambda: missing(port), environment
        )
        noop_process = stack.enter_context(running(noop, logs))
        process = stack.enter_context(running(collector, logs))
        yield Servers(noop_port, noop_process.pid, port, process.pid, nats.url, folder)


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
