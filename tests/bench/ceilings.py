"""The rates of the disk and the queue alone: the ceilings of everything durable."""

import asyncio
import os
import statistics
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import uvloop

from echolead.queue import EVENTS, connect

SYNC_SECONDS = 1.0
SYNC_BYTES = 1024
PUBLISH_SECONDS = 2.0
WINDOW = 256


@dataclass(frozen=True)
class Syncs:
    """Appends of 1 KB, each synced before the next: the rate per second, and the median of one in milliseconds."""

    per_second: float
    p50_ms: float


def syncs(folder: Path) -> Syncs:
    """Append to a file in `folder` and sync, one after the other."""
    data = os.urandom(SYNC_BYTES)
    taken: list[float] = []
    with (folder / "syncs").open("wb", buffering=0) as file:
        end = perf_counter() + SYNC_SECONDS
        while (began := perf_counter()) < end:
            file.write(data)
            os.fsync(file.fileno())
            taken.append(perf_counter() - began)
    return Syncs(len(taken) / sum(taken), statistics.median(taken) * 1000)


def published(url: str, size: int) -> float:
    """Messages of `size` bytes that the queue acknowledges per second, with `WINDOW` in flight."""
    return uvloop.run(_publish(url, os.urandom(size)))


async def _publish(url: str, payload: bytes) -> float:
    client = await connect(url, name="bench")
    jetstream = client.jetstream()
    end = perf_counter() + PUBLISH_SECONDS

    async def one_after_the_other() -> int:
        count = 0
        while perf_counter() < end:
            await jetstream.publish("events.ceiling", payload, timeout=60)
            count += 1
        return count

    began = perf_counter()
    counts = await asyncio.gather(*(one_after_the_other() for _ in range(WINDOW)))
    taken = perf_counter() - began
    await jetstream.purge_stream(EVENTS.name, subject="events.ceiling")
    await client.close()
    return sum(counts) / taken
