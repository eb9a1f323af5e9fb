"""Whether the collector's memory stays at its level after warm-up, at half of its maximum rate."""

import asyncio
import os

import psutil

from echolead.queue import EVENTS, connect
from tests.bench.collector import CONNECTIONS, body_of
from tests.bench.figure import Figure
from tests.bench.http_load import Job, measure
from tests.bench.servers import HOST, Servers, servers

MINUTES = float(os.environ.get("BENCH_MEMORY_MINUTES", "10"))
WARM_SECONDS = 60.0
PEAK_SECONDS = 5.0
STRETCH_SECONDS = 30.0
SHARE_OF_PEAK = 0.5


def run() -> list[Figure]:
    """Ratio of the resident memory at the end to that after warm-up."""
    with servers() as started:
        process = psutil.Process(started.pid)
        job = Job(started.port, "/t", HOST, body_of(1), CONNECTIONS, PEAK_SECONDS)
        peak = measure(job).per_second
        rate = peak * SHARE_OF_PEAK
        failed = serve(started, rate, min(WARM_SECONDS, MINUTES * 60))
        warm = process.memory_info().rss
        failed += serve(started, rate, MINUTES * 60)
        end = process.memory_info().rss
    return [
        Figure("collector: memory at the end over after warm-up", end / warm, "x", 1.05, lower_is_better=True),
        Figure("collector: memory at the end", end / 2**20, "MiB", ceiling=warm / 2**20, lower_is_better=True),
        Figure("collector: memory, minutes of load", MINUTES, "min"),
        Figure("collector: memory, rate of the load", rate, "requests/s", ceiling=peak),
        Figure("collector: memory, requests not answered 202", failed, "", 0, lower_is_better=True),
    ]


def serve(started: Servers, rate: float, seconds: float) -> int:
    """Load in stretches, after each of which the queue is emptied, or it would fill the disk; counts what failed."""
    failed = 0
    left = seconds
    while left > 0:
        stretch = min(STRETCH_SECONDS, left)
        failed += measure(Job(started.port, "/t", HOST, body_of(1), CONNECTIONS, stretch, rate)).failed
        asyncio.run(empty(started.queue_url))
        left -= stretch
    return failed


async def empty(queue_url: str) -> None:
    """Delete the events in the queue."""
    client = await connect(queue_url, name="bench")
    await client.jetstream().purge_stream(EVENTS.name)
    await client.close()
