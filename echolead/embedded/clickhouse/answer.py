"""Sending a result: held back until it is sure or large, then streamed, an error at its end if need be."""

import asyncio
import fcntl
import json
import os
import secrets
import string
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from echolead.embedded.clickhouse.body import ClientGone
from echolead.embedded.clickhouse.compression import Encoder, choose, encoder
from echolead.embedded.clickhouse.engine import Outcome
from echolead.embedded.clickhouse.errors import WarehouseError
from echolead.embedded.clickhouse.request import Request

Send = Callable[[dict[str, Any]], Awaitable[None]]
READ_BYTES = 1024 * 1024
SMALL_BYTES = 65536
STALLED_SECONDS = 600
"""How long a client may take over one piece before it counts as gone: its query holds one of the places."""


class Pipe:
    """The way out of the engine: it writes to a file descriptor, the event loop reads the other end."""

    def __init__(self) -> None:
        self._read, self.write = os.pipe()
        os.set_blocking(self._read, False)
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            with suppress(OSError):  # a user may hold only so many large pipes; a small one works too
                fcntl.fcntl(self._read, fcntl.F_SETPIPE_SZ, READ_BYTES)

    async def read(self) -> bytes:
        """What is there, once something is; b"" when the writing end has been closed."""
        while True:
            try:
                return os.read(self._read, READ_BYTES)
            except BlockingIOError:
                await self._readable()

    def close_writing(self) -> None:
        """Say that nothing more comes."""
        os.close(self.write)

    def close_reading(self) -> None:
        """Let a writer that is still at it fail instead of waiting for ever."""
        os.close(self._read)

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_reader(self._read, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_reader(self._read)


class Answer:
    """One HTTP answer, begun at most once."""

    def __init__(self, send: Send, headers: Mapping[str, str]) -> None:
        self._send = send
        self._headers = dict(headers)
        self._encoder: Encoder | None = None
        self.has_begun = False
        self.is_complete = False
        """Whether the last byte has been handed over: from then on a closed connection means nothing."""

    async def whole(self, status: int, body: bytes, headers: Mapping[str, str], *, sends_body: bool = True) -> None:
        """All of it at once, with its length."""
        self.has_begun = True
        length = {"Content-Length": str(len(body))}
        await self._send(_start(status, {**self._headers, **headers, **length}))
        self.is_complete = True
        await self._send({"type": "http.response.body", "body": body if sends_body else b""})

    async def encoded(self, body: bytes, headers: Mapping[str, str], encoding: str, *, sends_body: bool = True) -> None:
        """A complete result with status 200, in the encoding asked for."""
        if encoding:
            stream = encoder(encoding)
            body = stream.feed(body) + stream.finish()
            headers = {**headers, "Content-Encoding": encoding}
        await self.whole(200, body, headers, sends_body=sends_body)

    async def begin(self, headers: Mapping[str, str], encoding: str) -> None:
        """Status 200 and the headers; the body follows in pieces."""
        self.has_begun = True
        extra = {"Content-Encoding": encoding} if encoding else {}
        self._encoder = encoder(encoding) if encoding else None
        await self._send(_start(200, {**self._headers, **headers, **extra}))

    async def piece(self, data: bytes) -> None:
        """Some of the body."""
        if self._encoder is not None:
            work = self._encoder.feed
            data = await asyncio.to_thread(work, data) if len(data) > SMALL_BYTES else work(data)
        if data:
            try:
                async with asyncio.timeout(STALLED_SECONDS):
                    await self._send({"type": "http.response.body", "body": data, "more_body": True})
            except TimeoutError:
                raise ClientGone from None

    async def end(self) -> None:
        """The end of the body."""
        rest = self._encoder.finish() if self._encoder is not None else b""
        self.is_complete = True
        await self._send({"type": "http.response.body", "body": rest})

    async def break_off(self, error: WarehouseError, version: str, tag: str) -> None:
        """An error after the first byte, as ClickHouse 25.11 and later write it into the body.

        The chunked body is then left without its end, so that a client that does not look for the marker does not
        take half a result for a whole one.
        """
        text = error.text(version).encode()
        marker = tag.encode()
        await self.piece(b"\r\n__exception__\r\n%s\r\n%s%d %s\r\n__exception__\r\n" % (marker, text, len(text), marker))
        rest = self._encoder.finish() if self._encoder is not None else b""
        await self._send({"type": "http.response.body", "body": rest, "more_body": True})


def exception_tag() -> str:
    """Sixteen letters that a result cannot be expected to hold."""
    return "".join(secrets.choice(string.ascii_lowercase) for _ in range(16))


def encoding_for(request: Request) -> str:
    """Encoding of the answer: asked for by header and by `enable_http_compression`, as ClickHouse has it."""
    return choose(request.headers.get("accept-encoding", "")) if request.wants_compression else ""


def summary(outcome: Outcome | None, result_bytes: int = 0) -> str:
    """X-ClickHouse-Summary: strings, as ClickHouse writes them; zeros while the query still runs."""
    done = outcome or Outcome(b"", 0, 0, 0, 0, 0, 0.0)
    counts = {
        "read_rows": done.read_rows,
        "read_bytes": done.read_bytes,
        "written_rows": done.written_rows,
        "written_bytes": done.written_bytes,
        "total_rows_to_read": done.read_rows,
        "result_rows": done.result_rows,
        "result_bytes": result_bytes,
        "elapsed_ns": int(done.elapsed_seconds * 1e9),
    }
    return json.dumps({name: str(value) for name, value in counts.items()}, separators=(",", ":"))


async def pieces(pipe: Pipe) -> AsyncIterator[bytes]:
    """What comes out of the pipe until its end."""
    while data := await pipe.read():
        yield data


def _start(status: int, headers: Mapping[str, str]) -> dict[str, Any]:
    encoded = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers.items()]
    return {"type": "http.response.start", "status": status, "headers": encoded}
