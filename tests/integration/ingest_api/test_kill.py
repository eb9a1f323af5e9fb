"""100,000 events over several workers, while workers and the queue are killed with SIGKILL.

Clients send a batch again until it is answered with 202, as the tracking script does, so that in the end every event
was acknowledged; what the queue holds must then be exactly these, at least once each.
"""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import httpx
import psutil

from echolead.embedded.alone import running
from echolead.embedded.nats import EmbeddedNats
from echolead.embedded.part import Part
from tests.integration.ingest_api.conftest import (
    CollectorProcess,
    MakeCollector,
    connected,
    make_body,
    make_event,
    make_streams,
    stored_requests,
)
from tests.integration.ingest_api.load import held, until, workers

WORKERS = 3
CLIENTS = 16
BATCH_EVENTS = 50
BATCHES, SINGLES = 1_960, 2_000  # 100,000 events
PAGE_VIEW = make_event()  # 100,000 random ids more would cost the clients as much as sending
BLOWS = ("worker",) * 4 + ("queue",) * 3


@dataclass
class Sender:
    """Clients that send `requests` (the ids of each) in order, as far as `allowed`; each again until it is taken."""

    collector: CollectorProcess
    requests: list[list[str]]
    allowed: int = 0
    taken: int = 0
    acked: set[str] = field(default_factory=set)
    statuses: Counter[int] = field(default_factory=Counter)

    async def run(self) -> None:
        """Return when all requests are acknowledged."""
        numbers = iter(range(len(self.requests)))
        async with self.collector.client(limits=httpx.Limits(max_connections=CLIENTS)) as client:
            await asyncio.gather(*(self._send_some(client, numbers) for _ in range(CLIENTS)))

    async def _send_some(self, client: httpx.AsyncClient, numbers: Iterator[int]) -> None:
        for number in numbers:
            await until(lambda turn=number: turn < self.allowed)  # type: ignore[misc]
            ids = self.requests[number]
            body = make_body(*({**PAGE_VIEW, "event_id": event_id} for event_id in ids))
            while await self._post(client, body) != 202:  # noqa: ASYNC110  # another process, nothing to wait on
                await asyncio.sleep(0.02)
            self.acked.update(ids)
            self.taken += 1

    async def _post(self, client: httpx.AsyncClient, body: bytes) -> int:
        try:
            status = (await client.post("/t", content=body)).status_code
        except httpx.TransportError:
            status = 0  # the worker died with the request
        self.statuses[status] += 1
        return status


@dataclass
class Chaos:
    """Kills workers and the queue at random moments of a load, and restarts the queue."""

    supervisor: psutil.Process
    nats: EmbeddedNats
    logs: Path
    stack: ExitStack
    chance: random.Random

    def start_queue(self) -> None:
        """Start the queue with the content of its disk."""
        self._queue = self.stack.enter_context(running(self.nats.part(), self.logs))

    async def strike(self, what: str, sender: Sender) -> None:
        """One blow in the middle of the load, and its end: the worker is replaced, the queue is back."""
        if what == "worker":
            victim = self.chance.choice(busy(workers(self.supervisor), sender.collector.port))
            before = sender.taken
            victim.kill()
            await until(lambda: sender.taken > before + 2 * CLIENTS)  # the other workers go on
            await until(lambda: len(workers(self.supervisor)) == WORKERS and not victim.is_running())
        else:
            self._queue.kill()
            await asyncio.to_thread(self._queue.wait, 10)
            answered = sender.statuses.total()
            await until(lambda: sender.statuses.total() > answered + CLIENTS)  # with 503, as the test says
            await asyncio.to_thread(self.start_queue)


def busy(serving: list[psutil.Process], port: int) -> list[psutil.Process]:
    """Workers with connected clients: the newest may have none yet, and killing it would interrupt nothing."""
    return [
        worker
        for worker in serving
        if any(each.laddr.port == port and each.status == psutil.CONN_ESTABLISHED for each in worker.net_connections())
    ]


async def torment(sender: Sender, chaos: Chaos, blows: list[str]) -> None:
    """Send everything; each blow falls at a random place in its own share of the requests."""
    share = len(sender.requests) // len(blows)
    sending = asyncio.create_task(sender.run())
    for number, blow in enumerate(blows):
        sender.allowed = (number + 1) * share
        moment = number * share + chaos.chance.randrange(share // 2)
        await until(lambda at=moment: sender.taken > at)  # type: ignore[misc]
        await asyncio.sleep(chaos.chance.uniform(0, 0.02))
        await chaos.strike(blow, sender)
    sender.allowed = len(sender.requests)
    async with asyncio.timeout(60):
        await sending


async def run(
    collector: CollectorProcess, part: Part, blows: list[str], requests: list[list[str]], logs: Path
) -> tuple[Sender, Counter[str]]:
    """A load under these blows; gives what clients were told, and how often the queue holds each event."""
    seed = random.randrange(2**32)
    print(f"seed {seed}, blows {blows}")  # noqa: T201  # pytest shows it when the test fails
    with ExitStack() as stack:
        chance = random.Random(seed)
        chance.shuffle(blows)
        chance.shuffle(requests)
        sender = Sender(collector, requests)
        chaos = Chaos(psutil.Process(), collector.nats, logs, stack, chance)
        chaos.start_queue()
        await make_streams(collector.nats)
        chaos.supervisor = psutil.Process(stack.enter_context(running(part, logs)).pid)
        began = time.monotonic()
        await torment(sender, chaos, blows)
        took = time.monotonic() - began
        stored = Counter(
            json.loads(bytes(each.event))["event_id"]
            for request in await stored_requests(collector)
            for each in request.events
        )
    repeats = sum(stored.values()) - len(stored)
    print(  # noqa: T201
        f"{len(sender.acked)} acknowledged, {len(sender.acked - stored.keys())} of them missing, {repeats} stored "
        f"again, answers {dict(sender.statuses)}, {took:.1f} s"
    )
    return sender, stored


def event_ids(batches: int, singles: int) -> list[list[str]]:
    """The ids of the events of each request, numbered as version 7 would be."""
    numbers = (f"0197c1b2-6f80-7a31-8f4e-{number:012x}" for number in range(batches * BATCH_EVENTS + singles))
    sizes = [BATCH_EVENTS] * batches + [1] * singles
    return [[next(numbers) for _ in range(size)] for size in sizes]


async def test_killed_workers_and_queue_lose_no_acknowledged_event_of_100_000(
    own_nats: EmbeddedNats, collector_beside: MakeCollector, tmp_path: Path
) -> None:
    collector = collector_beside(own_nats, ECHOLEAD_COLLECTOR_WORKERS=str(WORKERS))
    requests = event_ids(BATCHES, SINGLES)
    sent = set(chain.from_iterable(requests))
    assert len(sent) == 100_000
    sender, stored = await run(collector, collector.part(), list(BLOWS), requests, tmp_path)
    assert sender.statuses[0] > 0, "no request was cut by a kill, so nothing was tested"
    assert set(sender.statuses) == {0, 202, 503}
    assert sender.acked == sent
    assert sender.acked - stored.keys() == set()
    assert stored.keys() - sent == set()


async def test_a_hasty_collector_loses_events_when_workers_and_queue_are_killed(
    own_nats: EmbeddedNats, collector_beside: MakeCollector, tmp_path: Path
) -> None:
    """The control: the same load and the same kills on a publisher that does not wait must lose."""
    collector = collector_beside(own_nats)
    part = collector.hasty_part(WORKERS)
    sender, stored = await run(collector, part, ["worker", "queue"], event_ids(200, 200), tmp_path)
    assert sender.acked - stored.keys(), "the control lost nothing, so the test above proves nothing"


async def test_a_worker_that_is_killed_while_its_answer_is_awaited_is_replaced_at_once(
    streams: EmbeddedNats, collector_beside: MakeCollector, tmp_path: Path
) -> None:
    """uvicorn's own supervisor would notice it after a minute, in which it replaces no worker and does not stop."""
    collector = collector_beside(streams, ECHOLEAD_COLLECTOR_WORKERS=str(WORKERS))
    half = f"POST /t HTTP/1.1\r\nhost: {collector.host}\r\ncontent-length: 999\r\n\r\nhalf"
    with running(collector.part(), tmp_path) as process:
        supervisor = psutil.Process(process.pid)
        await until(lambda: len(workers(supervisor)) == WORKERS)
        first = workers(supervisor)
        async with connected(collector) as (_, writer):
            writer.write(half.encode())
            async with collector.client() as client:
                await held(client, 4)
            for worker in first:
                worker.suspend()  # it does not answer, and the supervisor asks twice a second
            await asyncio.sleep(2)
            for worker in first:
                worker.kill()
        await until(lambda: len(set(workers(supervisor)) - set(first)) == WORKERS, timeout_seconds=30)
        await until(lambda: collector.part().ready() is None)
        async with collector.client() as client:
            await held(client, 0)  # of what died with its worker nothing is counted
        process.terminate()
        assert await asyncio.to_thread(process.wait, 20) == 0
