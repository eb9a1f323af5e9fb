"""A million damaged bodies against a real collector: its answers, its survival, and its memory."""

import asyncio
import json
import os
import random
from collections import Counter
from dataclasses import dataclass, field
from itertools import cycle
from time import perf_counter
from typing import Any

import psutil
import uvloop

from echolead.queue import STREAMS, connect
from tests.bench.collector import body_of
from tests.bench.figure import Figure
from tests.bench.http_load import answer_length
from tests.bench.servers import HOST, servers

BODIES = int(os.environ.get("BENCH_FUZZED", "1000000"))
VARIANTS = 20_000
CONNECTIONS = 32
WARM_SHARE = 0.2
"""Memory is compared with the level after the first fifth, when caches and allocators have their final size."""


def run() -> list[Figure]:
    """The seed is printed with the figures, so that a crash can be reproduced."""
    seed = random.randrange(2**32)
    print(f"fuzz: seed {seed}")  # noqa: T201
    variants = [request_of(body) for body in damaged_bodies(random.Random(seed))]
    with servers() as started:
        process = psutil.Process(started.pid)
        warm = uvloop.run(post_all(started.port, started.queue_url, variants, int(BODIES * WARM_SHARE)))
        before = process.memory_info().rss
        rest = uvloop.run(post_all(started.port, started.queue_url, variants, BODIES - warm.answered))
        growth = process.memory_info().rss - before
        alive = process.is_running()
    statuses = warm.statuses + rest.statuses
    print(f"fuzz: answers by status {dict(sorted(statuses.items()))}")  # noqa: T201
    errors = sum(count for status, count in statuses.items() if status >= 500)
    return [
        Figure("fuzz: bodies answered", warm.answered + rest.answered, "", BODIES),
        Figure("fuzz: answered 5xx", errors, "", 0, lower_is_better=True),
        Figure("fuzz: collector alive afterwards", float(alive), "", 1),
        Figure("fuzz: growth of its memory over the last 80 %", growth / 2**20, "MiB", 16, lower_is_better=True),
        Figure("fuzz: bodies a second", rest.answered / rest.seconds, "/s"),
    ]


def damaged_bodies(chance: random.Random) -> list[bytes]:
    """Bodies of one and of ten events, each damaged in one to three ways."""
    good = [body_of(1).encode(), body_of(10).encode()]
    ways = (cut, flip, repeat, drop, swap_value, deepen)
    bodies = []
    for _ in range(VARIANTS):
        body = chance.choice(good)
        for _ in range(chance.randint(1, 3)):
            body = chance.choice(ways)(body, chance)
        bodies.append(body)
    return bodies


def cut(body: bytes, chance: random.Random) -> bytes:
    """Cut off the end."""
    return body[: chance.randrange(len(body) + 1)]


def flip(body: bytes, chance: random.Random) -> bytes:
    """Other bytes in a few places."""
    damaged = bytearray(body)
    for _ in range(chance.randint(1, 8) if damaged else 0):
        damaged[chance.randrange(len(damaged))] = chance.randrange(256)
    return bytes(damaged)


def repeat(body: bytes, chance: random.Random) -> bytes:
    """Repeat a piece."""
    start = chance.randrange(len(body) + 1)
    return body[: start + 40] + body[start:]


def drop(body: bytes, chance: random.Random) -> bytes:
    """Remove a piece in the middle."""
    start = chance.randrange(len(body) + 1)
    return body[:start] + body[start + chance.randint(1, 40) :]


def swap_value(body: bytes, chance: random.Random) -> bytes:
    """Replace a text by another value."""
    try:
        batch = json.loads(body)
        event = chance.choice(batch["events"])
        event[chance.choice(list(event))] = chance.choice(
            [None, True, 2**63, -1e308, "\u0000", "\ud800", [], {}, "9999-12-31T23:59:59Z", "x" * 70_000]
        )
        return json.dumps(batch).encode()
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return body


def deepen(body: bytes, chance: random.Random) -> bytes:
    """A value nested deep."""
    depth = chance.choice([10, 70, 5_000])
    return body.replace(b'"properties":{}', b'"properties":{"a":' + b"[" * depth + b"]" * depth + b"}")


def request_of(body: bytes) -> bytes:
    """The bytes of the request."""
    head = f"POST /t HTTP/1.1\r\nhost: {HOST}\r\ncontent-type: text/plain\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


@dataclass
class Answers:
    """What came back."""

    seconds: float = 0.0
    answered: int = 0
    statuses: Counter[int] = field(default_factory=Counter)


async def post_all(port: int, queue_url: str, variants: list[bytes], count: int) -> Answers:
    """Post `count` requests over `CONNECTIONS` kept open; one that the server closes is opened again."""
    answers, requests = Answers(), cycle(variants)
    emptying = asyncio.create_task(keep_empty(queue_url))
    began = perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(CONNECTIONS):
            share = count // CONNECTIONS + (number < count % CONNECTIONS)
            group.create_task(post_some(port, requests, share, answers))
    answers.seconds = perf_counter() - began
    emptying.cancel()
    return answers


async def keep_empty(queue_url: str) -> None:
    """Delete stored messages until cancelled: otherwise the dead letters would fill the queue, which then refuses."""
    client = await connect(queue_url, name="fuzz")
    try:
        while True:
            for stream in STREAMS:
                await client.jetstream().purge_stream(stream.name)
            await asyncio.sleep(2)
    finally:
        await client.close()


async def post_some(port: int, requests: Any, count: int, answers: Answers) -> None:
    """One connection's share."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(count):
        writer.write(next(requests))
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
        await reader.readexactly(answer_length(head) - len(head))
        answers.statuses[int(head[9:12])] += 1
        answers.answered += 1
        if b"connection: close" in head.lower():
            writer.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()
