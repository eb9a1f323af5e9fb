"""Load for fault tests: clients that post without pause and record their answers, and the serving processes."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

import httpx
import psutil

from tests.integration.ingest_api.conftest import CollectorProcess, make_body, make_event


@dataclass
class Ledger:
    """`acked` holds the ids of events answered with 202, `sent` of all; `statuses` counts answers, 0 is none at all."""

    sent: set[str] = field(default_factory=set)
    acked: set[str] = field(default_factory=set)
    statuses: Counter[int] = field(default_factory=Counter)
    slowest_seconds: float = 0.0


class Load:
    """`clients` connections posting one event after the other from entry to exit."""

    def __init__(self, collector: CollectorProcess, clients: int = 8) -> None:
        self._collector = collector
        self._clients = clients
        self._tasks: list[asyncio.Task[None]] = []
        self._is_over = False
        self.ledger = Ledger()

    async def __aenter__(self) -> Ledger:
        """Start posting."""
        self._tasks = [asyncio.create_task(self._post()) for _ in range(self._clients)]
        return self.ledger

    async def __aexit__(self, *_: object) -> None:
        """Let each client finish its request, and stop."""
        self._is_over = True
        await asyncio.gather(*self._tasks)

    async def _post(self) -> None:
        async with self._collector.client() as client:
            while not self._is_over:
                event = make_event()
                event_id = str(event["event_id"])
                self.ledger.sent.add(event_id)
                began = asyncio.get_running_loop().time()
                try:
                    status = (await client.post("/t", content=make_body(event))).status_code
                except httpx.TransportError:
                    status = 0
                    await asyncio.sleep(0.02)
                if status == 202:
                    self.ledger.acked.add(event_id)
                elif status == 503:
                    await asyncio.sleep(0.02)
                self.ledger.statuses[status] += 1
                took = asyncio.get_running_loop().time() - began
                self.ledger.slowest_seconds = max(self.ledger.slowest_seconds, took)


async def until(condition, timeout_seconds: float = 60) -> None:  # type: ignore[no-untyped-def]
    """Wait for something to come true. Raises `TimeoutError` when it does not."""
    async with asyncio.timeout(timeout_seconds):
        while not condition():  # noqa: ASYNC110  # any condition, in whatever process
            await asyncio.sleep(0.01)


async def held(client: httpx.AsyncClient, size: int) -> None:
    """Wait until the collector says that it holds so many bytes."""
    async with asyncio.timeout(10):
        line = ""
        while f"in_flight_bytes {float(size)}" not in line:
            line = (await client.get("/metrics")).text


def workers(supervisor: psutil.Process) -> list[psutil.Process]:
    """The processes that serve: uvicorn's children, without the one multiprocessing keeps for itself."""
    found = []
    for child in supervisor.children():
        try:
            if child.status() != psutil.STATUS_ZOMBIE and any("spawn_main" in word for word in child.cmdline()):
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found
