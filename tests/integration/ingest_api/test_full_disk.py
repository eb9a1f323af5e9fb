"""The queue's disk runs full: the behaviour of nats-server and of the collector.

nats-server 2.15 stops a stream whose write failed: it acknowledges nothing more, reports it on `/healthz`, and resumes
only after a restart, even if there is space long before. So the test restarts it.
"""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from echolead.embedded.alone import running
from echolead.embedded.nats import EmbeddedNats
from echolead.embedded.part import Part
from tests.fixtures.parts import free_port
from tests.fixtures.queue_messages import QUEUE_PASSWORDS
from tests.integration.ingest_api.conftest import (
    CollectorProcess,
    MakeCollector,
    make_body,
    make_streams,
    stored_event_ids,
)
from tests.integration.ingest_api.flood import Flood, Flooded
from tests.integration.ingest_api.load import until
from tests.integration.ingest_api.loop_disk import make_disk, mounted

DISK_BYTES = 64 * 1024**2
ROOM_BYTES = 4 * 1024**2
LARGE = {"properties": {"text": "x" * 4000}}


@dataclass(frozen=True)
class SmallDisk:
    """A disk with a queue on it; all but `ROOM_BYTES` is taken by a file until `make_room`."""

    nats: EmbeddedNats
    ballast: Path

    def fill(self) -> None:
        """Leave a little room."""
        disk = os.statvfs(self.ballast.parent)
        with self.ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, disk.f_bavail * disk.f_frsize - ROOM_BYTES)

    def make_room(self) -> None:
        """Free what was taken."""
        self.ballast.unlink()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """The disk, mounted; skips where it could not be."""
    image = make_disk(tmp_path, DISK_BYTES, "FULL DISK")
    with mounted(image, tmp_path / "disk") as folder:
        nats = EmbeddedNats(folder / "nats", free_port(), free_port(), QUEUE_PASSWORDS)
        nats.prepare()
        yield SmallDisk(nats, folder / "ballast")


@dataclass
class Outcome:
    """The clients' answers in total and, with `readyz`, while the disk was full; the queue's content at the end."""

    flooded: Flooded
    refused: httpx.Response
    queue_says: httpx.Response
    readiness: str
    stored: set[str]


async def complaint(nats: EmbeddedNats, client: httpx.AsyncClient) -> httpx.Response:
    """The queue's first health report that is not healthy."""
    async with asyncio.timeout(120):
        while (answer := await client.get(f"{nats.monitor_url}/healthz")).is_success:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return answer


async def fill_up(
    disk: SmallDisk, collector: CollectorProcess, part: Part, logs: Path, end_of_queue: signal.Signals
) -> Outcome:
    """Post until the disk is full, end the queue, make room, start it again, and post on."""
    with ExitStack() as stack:
        queue = stack.enter_context(running(disk.nats.part(), logs))
        await make_streams(disk.nats)
        disk.fill()
        stack.enter_context(running(part, logs))
        async with Flood(collector, connections=16, **LARGE) as flooded, collector.client() as client:
            queue_says = await complaint(disk.nats, client)
            refused = await client.post("/t", content=make_body())
            readiness = (await client.get("/readyz")).text
            queue.send_signal(end_of_queue)
            await asyncio.to_thread(queue.wait, 20)
            disk.make_room()
            acked_before = len(flooded.acked)
            await asyncio.to_thread(stack.enter_context, running(disk.nats.part(), logs))
            await until(lambda: len(flooded.acked) > acked_before + 50)
            await until(lambda: collector.part().ready() is None)
        stored = await stored_event_ids(collector)
    missing = len(flooded.acked - stored)
    print(f"{len(flooded.acked)} acknowledged, {missing} missing, answers {dict(flooded.statuses)}")  # noqa: T201
    return Outcome(flooded, refused, queue_says, readiness, stored)


@pytest.mark.parametrize(
    "end_of_queue",
    [pytest.param(signal.SIGTERM, id="queue-stopped"), pytest.param(signal.SIGKILL, id="queue-killed")],
)
async def test_a_full_disk_gets_503_and_loses_no_acknowledged_event(
    small_disk: SmallDisk, collector_beside: MakeCollector, tmp_path: Path, end_of_queue: signal.Signals
) -> None:
    collector = collector_beside(small_disk.nats)
    outcome = await fill_up(small_disk, collector, collector.part(), tmp_path / "logs", end_of_queue)
    assert "no space left on device" in outcome.queue_says.text
    assert "a message was not stored" in outcome.readiness
    assert (outcome.refused.status_code, outcome.refused.headers["retry-after"]) == (503, "1")
    assert outcome.refused.json()["type"] == "/problems/queue-unavailable"
    assert set(outcome.flooded.statuses) == {202, 503}
    assert outcome.flooded.acked - outcome.stored == set()


async def test_a_hasty_collector_loses_events_on_a_full_disk(
    small_disk: SmallDisk, collector_beside: MakeCollector, tmp_path: Path
) -> None:
    """The control."""
    collector = collector_beside(small_disk.nats)
    outcome = await fill_up(small_disk, collector, collector.hasty_part(), tmp_path / "logs", signal.SIGTERM)
    assert outcome.flooded.acked - outcome.stored, "the control lost nothing, so the test above proves nothing"
