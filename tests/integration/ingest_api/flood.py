"""Load at the collector's maximum rate: raw requests over connections that are reopened.

`load.py` posts through an HTTP library, which takes longer than the collector; here the collector is the bottleneck.
"""

import asyncio
import itertools
from collections import Counter
from dataclasses import dataclass, field

from tests.integration.ingest_api.conftest import CollectorProcess, make_body, make_event

PLACE = "0197c1b2-6f80-7a31-8f4e-000000000000"


@dataclass
class Flooded:
    """The results of the requests: ids of events answered 202, answers by status, requests whose connection ended."""

    acked: set[str] = field(default_factory=set)
    statuses: Counter[int] = field(default_factory=Counter)
    unanswered: int = 0
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)


class Connection(asyncio.Protocol):
    """Posts one event after the other, each in a request of its own, until its connection ends."""

    def __init__(self, flooded: Flooded, before: bytes, after: bytes) -> None:
        self.flooded = flooded
        self.before, self.after = before, after
        self.ended = asyncio.get_running_loop().create_future()
        self.event_id = ""  # of the request under way
        self.answer = b""
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Post the first."""
        self.transport = transport  # type: ignore[assignment]  # a socket's is one
        self.post()

    def post(self) -> None:
        """Post one with a new id."""
        self.event_id = f"{PLACE[:-12]}{next(self.flooded.numbers):012x}"
        self.transport.write(self.before + self.event_id.encode() + self.after)

    def data_received(self, data: bytes) -> None:
        """A piece of an answer, which is whole when its body is as long as its header says."""
        self.answer += data
        head, end, body = self.answer.partition(b"\r\n\r\n")
        if not end or len(body) < int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]):
            return
        status = int(head[9:12])
        self.flooded.statuses[status] += 1
        if status == 202:
            self.flooded.acked.add(self.event_id)
        self.event_id, self.answer = "", b""
        if b"connection: close" in head.lower():
            self.transport.close()
        else:
            self.post()

    def connection_lost(self, error: Exception | None) -> None:
        """The end; a request under way will not be answered."""
        if self.event_id:
            self.flooded.unanswered += 1
        self.ended.set_result(error)


class Flood:
    """`connections` posting from entry to exit; those that end are opened again while the port is open."""

    def __init__(self, collector: CollectorProcess, connections: int = 64, **fields: object) -> None:
        """`fields` go into every event."""
        body = make_body(make_event(event_id=PLACE, **fields))
        head = f"POST /t HTTP/1.1\r\nhost: {collector.host}\r\ncontent-length: {len(body)}\r\n\r\n"
        before, _, after = body.partition(PLACE.encode())
        self._before, self._after = head.encode() + before, after
        self._port = collector.port
        self._count = connections
        self._open: set[Connection] = set()
        self._is_over = False
        self.flooded = Flooded()

    async def __aenter__(self) -> Flooded:
        """Open the connections."""
        self._tasks = [asyncio.create_task(self._keep_posting()) for _ in range(self._count)]
        return self.flooded

    async def __aexit__(self, *_: object) -> None:
        """End those that are still open."""
        self._is_over = True
        for connection in self._open:
            connection.transport.abort()
        await asyncio.gather(*self._tasks)

    async def _keep_posting(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._is_over:
            try:
                _, connection = await loop.create_connection(
                    lambda: Connection(self.flooded, self._before, self._after), "127.0.0.1", self._port
                )
            except OSError:
                await asyncio.sleep(0.02)
                continue
            self._open.add(connection)
            await connection.ended
            self._open.discard(connection)
