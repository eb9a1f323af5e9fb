"""A collector beside its queue and a no-op on the same server, for benchmarks that load them."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from echolead.embedded.alone import running
from echolead.embedded.part import Part, python
from echolead.operational.database import connect as connect_postgres
from tests.fixtures.collector import collector_environment, collector_part, missing, surroundings
from tests.fixtures.operational import make_tenant
from tests.fixtures.parts import free_port

HOST = "bench.test"


@dataclass(frozen=True)
class Servers:
    """Port and process of each; the queue's URL with full rights, and a folder on the disk its store is on.

    `asgi_port` is a second collector, without the path past ASGI.
    """

    noop_port: int
    noop_pid: int
    port: int
    pid: int
    asgi_port: int
    asgi_pid: int
    queue_url: str
    folder: Path


@contextmanager
def servers(workers: int = 1) -> Iterator[Servers]:
    """Both, running, with so many workers each."""
    with ExitStack() as stack:
        around = stack.enter_context(surroundings())
        engine = connect_postgres(around.urls.system)
        make_tenant(engine, "bench", hosts=[HOST])
        engine.dispose()
        environment = collector_environment(
            around.nats,
            around.urls,
            # Counted like any other, but never refused.
            ECHOLEAD_EVENTS_PER_MINUTE_OF_ADDRESS="1000000000",
            ECHOLEAD_EVENTS_PER_MINUTE="1000000000",
            ECHOLEAD_COLLECTOR_WORKERS=str(workers),
        )
        noop_port, port, asgi_port = free_port(), free_port(), free_port()
        options = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--no-server-header", "--ws", "none"]
        uvicorn = python("-m", "uvicorn", "tests.bench.noop:app", "--port", str(noop_port), "--no-proxy-headers")
        options += ["--interface", "asgi3", "--lifespan", "off", "--workers", str(workers)]
        # It answers every path with 202.
        noop = Part("noop", [*uvicorn, *options], lambda: missing(noop_port))
        noop_process = stack.enter_context(running(noop, around.logs))
        process = stack.enter_context(running(collector_part(port, environment), around.logs))
        command = python("-m", "tests.bench.through_asgi", "--port", str(asgi_port))
        through_asgi = Part("through-asgi", command, lambda: missing(asgi_port), environment)
        asgi_process = stack.enter_context(running(through_asgi, around.logs))
        yield Servers(
            noop_port, noop_process.pid, port, process.pid, asgi_port, asgi_process.pid, around.nats.url,
            around.logs.parent,
        )  # fmt: skip
