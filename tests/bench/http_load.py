"""A load client that is cheaper than any server: bytes made once, answers counted, in a process of its own.

As a program it reads one job as JSON on its standard input and writes the measurement to its standard output.
"""

import asyncio
import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from time import perf_counter

import uvloop


@dataclass(frozen=True)
class Job:
    """Post `body` to `path` on 127.0.0.1 over `connections` kept open, for `seconds`.

    Without `rate` each connection posts again as soon as it is answered. With it requests start at `rate` a second
    independent of the answers, and latency counts from the time when a request was due.
    """

    port: int
    path: str
    host: str
    body: str
    connections: int
    seconds: float
    rate: float = 0.0


@dataclass(frozen=True)
class Measurement:
    """Answers a second, latency in milliseconds, and answers that were not 202."""

    per_second: float
    p50_ms: float
    p99_ms: float
    failed: int


def measure(job: Job) -> Measurement:
    """Run a job in another process."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.http_load"],
        input=json.dumps(asdict(job)),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=job.seconds + 60,
    )
    return Measurement(**json.loads(done.stdout))


ACCEPTED = b"HTTP/1.1 202"


def answer_length(answer: bytes) -> int:
    """Bytes of head and body together, 0 while the head is not complete."""
    head, end, _ = answer.partition(b"\r\n\r\n")
    if not end:
        return 0
    return len(head) + len(end) + int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])


class Connection(asyncio.Protocol):
    """One request at a time; `due` is when the one under way should have been sent."""

    def __init__(self, request: bytes, latencies: list[float]) -> None:
        self.request = request
        self.latencies = latencies
        self.failed = 0
        self.due = 0.0
        self.buffer = b""
        self.length = 0  # of a whole answer; the same for every 202 of a job, so read once
        self.backlog: list[float] | None = None  # due times that wait for a free connection; None without a rate
        self.idle: list[Connection] = []
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = transport  # type: ignore[assignment]  # uvloop's is one in all but name

    def send(self, due: float) -> None:
        """Post once."""
        self.due = due
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        """A piece of an answer; head and body often come apart."""
        self.buffer += data
        if not self.length or not self.buffer.startswith(ACCEPTED):
            self.length = answer_length(self.buffer)
        if not self.length or len(self.buffer) < self.length:
            return
        now = perf_counter()
        self.latencies.append(now - self.due)
        if not self.buffer.startswith(ACCEPTED):
            self.failed += 1
            self.length = 0
        self.buffer = b""
        if self.backlog is None:
            self.send(now)
        elif self.backlog:
            self.send(self.backlog.pop(0))
        else:
            self.idle.append(self)


async def perform(job: Job) -> Measurement:
    """Do the job in this process."""
    body = job.body.encode()
    head = f"POST {job.path} HTTP/1.1\r\nhost: {job.host}\r\nuser-agent: bench\r\ncontent-type: text/plain\r\n"
    request = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    connections = []
    for _ in range(job.connections):
        _, protocol = await loop.create_connection(lambda: Connection(request, latencies), "127.0.0.1", job.port)
        connections.append(protocol)
    began = perf_counter()
    if job.rate:
        await at_rate(job, connections)
    else:
        for connection in connections:
            connection.send(perf_counter())
        await asyncio.sleep(job.seconds)
    taken = perf_counter() - began
    failed = sum(connection.failed for connection in connections)
    ordered = sorted(latencies)
    for connection in connections:
        connection.transport.abort()
    return Measurement(
        per_second=len(ordered) / taken,
        p50_ms=ordered[len(ordered) // 2] * 1000,
        p99_ms=ordered[int(len(ordered) * 0.99)] * 1000,
        failed=failed,
    )


async def at_rate(job: Job, connections: list[Connection]) -> None:
    """Start requests on time; one that finds no free connection waits, and its wait counts."""
    backlog: list[float] = []
    idle = list(connections)
    for connection in connections:
        connection.backlog, connection.idle = backlog, idle
    began = perf_counter()
    started = 0
    while (now := perf_counter()) < began + job.seconds:
        while started < (now - began) * job.rate:
            due = began + started / job.rate
            started += 1
            if idle:
                idle.pop(0).send(due)  # in turn: one that is never used is closed by the server
            else:
                backlog.append(due)
        await asyncio.sleep(0.001)


if __name__ == "__main__":
    job = Job(**json.loads(sys.stdin.read()))
    sys.stdout.write(json.dumps(asdict(uvloop.run(perform(job)))))
