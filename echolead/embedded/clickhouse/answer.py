"""Sending a result: held back until it is complete or large, then streamed; a late error ends the stream."""

import asyncio
import fcntl
import json
import os
import re
import secrets
import string
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from echolead.embedded.clickhouse.body import ClientGone
from echolead.embedded.clickhouse.compression import Encoder, choose, encoder
from echolead.embedded.clickhouse.engine import QueryOutcome
from echolead.embedded.clickhouse.errors import WarehouseError
from echolead.embedded.clickhouse.request import QueryRequest
from echolead.embedded.clickhouse.wire import Wire

Send = Callable[[dict[str, Any]], Awaitable[None]]
READ_BYTES = 1024 * 1024
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
SMALL_BYTES = 65536
FLUSH_SECONDS = 0.25
"""How long a slow result may wait in the encoder, and how long a pipe is quiet before `read` returns None."""
STALLED_SECONDS = 600
"""How long a client may take for one piece before it counts as disconnected: its query occupies a slot."""


class Pipe:
    """A pipe for results: the engine writes to a file descriptor, the event loop reads the other end."""

    def __init__(self) -> None:
        self._read, self.write = os.pipe()
        os.set_blocking(self._read, False)
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            with suppress(OSError):  # the number of large pipes of a user is limited; a small one works, too
                fcntl.fcntl(self._read, fcntl.F_SETPIPE_SZ, READ_BYTES)

    async def read(self) -> bytes | None:
        """The next bytes; None when none arrive for a while, b"" when the other end is closed."""
        while True:
            try:
                return os.read(self._read, READ_BYTES)
            except BlockingIOError:
                try:
                    async with asyncio.timeout(FLUSH_SECONDS):
                        await self._readable()
                except TimeoutError:
                    return None

    def close_writing(self) -> None:
        """Close the writing end: no more data follows."""
        os.close(self.write)

    def close_reading(self) -> None:
        """Close the reading end, so that a writer fails instead of waiting for ever."""
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

    def __init__(self, send: Send, headers: Mapping[str, str], wire: Wire) -> None:
        self._send = send
        self._headers = dict(headers)
        self._wire = wire
        self._has_open_headers = False
        self._encoder: Encoder | None = None
        self._flushed_at = 0.0
        self._tag = ""
        self.has_begun = False
        self.is_complete = False
        """Whether the last byte has been sent: after that a closed connection has no effect."""

    async def whole(self, status: int, body: bytes, headers: Mapping[str, str], *, sends_body: bool = True) -> None:
        """The whole answer at once, with its length."""
        # If headers were sent before the length was known, the body is sent in chunks.
        length = {} if self._has_open_headers else {"Content-Length": str(len(body))}
        await self._begin(status, {**headers, **length})
        self.is_complete = True
        await self._send({"type": "http.response.body", "body": body if sends_body else b""})

    async def encoded(self, body: bytes, headers: Mapping[str, str], encoding: str, *, sends_body: bool = True) -> None:
        """A complete result with status 200, in the requested encoding."""
        if encoding:
            stream = encoder(encoding)
            body = stream.feed(body) + stream.finish()
            headers = {**headers, "Content-Encoding": encoding}
        await self.whole(200, body, headers, sends_body=sends_body)

    async def begin(self, headers: Mapping[str, str], encoding: str) -> None:
        """Status 200 and the headers; the body follows in pieces."""
        self._tag = _exception_tag()
        extra = {"Content-Encoding": encoding} if encoding else {}
        self._encoder = encoder(encoding) if encoding else None
        await self._begin(200, {**headers, **extra, "X-ClickHouse-Exception-Tag": self._tag})

    async def progress(self, text: str) -> None:
        """A progress header before the rest of the headers. The first one fixes the status: 200, as on a server."""
        if not self._has_open_headers:
            self._has_open_headers = True
            self._wire.leave_headers_open()
            await self._send(_start(200, self._headers))
        self._wire.header(b"X-ClickHouse-Progress", text.encode())

    async def piece(self, data: bytes) -> None:
        """A piece of the body, or b"" to send only the bytes that the encoder has kept for a while."""
        if self._encoder is not None:
            work = self._encoder.feed
            data = await asyncio.to_thread(work, data) if len(data) > SMALL_BYTES else work(data)
            now = asyncio.get_running_loop().time()
            if now - self._flushed_at >= FLUSH_SECONDS:
                data += self._encoder.flush()
                self._flushed_at = now
        if data:
            try:
                async with asyncio.timeout(STALLED_SECONDS):
                    await self._send({"type": "http.response.body", "body": data, "more_body": True})
            except TimeoutError:
                await self._wire.hang_up(0)
                raise ClientGone from None

    async def end(self) -> None:
        """The end of the body."""
        rest = self._encoder.finish() if self._encoder is not None else b""
        self.is_complete = True
        await self._send({"type": "http.response.body", "body": rest})

    async def break_off(self, error: WarehouseError, version: str) -> None:
        """An error after the first byte, as ClickHouse 25.11 and later write it into the body.

        The chunked body is then not terminated, so that a client that does not look for the marker cannot mistake a
        partial result for a complete one.
        """
        text = error.text(version).encode()
        marker = self._tag.encode()
        await self.piece(b"\r\n__exception__\r\n%s\r\n%s%d %s\r\n__exception__\r\n" % (marker, text, len(text), marker))
        rest = self._encoder.finish() if self._encoder is not None else b""
        await self._send({"type": "http.response.body", "body": rest, "more_body": True})
        self.is_complete = True
        await self._wire.hang_up(STALLED_SECONDS)

    async def _begin(self, status: int, headers: Mapping[str, str]) -> None:
        self.has_begun = True
        if self._has_open_headers:
            for name, value in _encoded(headers):
                self._wire.header(name, value)
            self._wire.close_headers()
        else:
            await self._send(_start(status, {**self._headers, **headers}))


def _exception_tag() -> str:
    """Sixteen random letters, which no result is expected to contain."""
    return "".join(secrets.choice(string.ascii_lowercase) for _ in range(16))


def encoding_for(request: QueryRequest) -> str:
    """Encoding of the answer: requested by header and by `enable_http_compression`, as in ClickHouse."""
    return choose(request.headers.get("accept-encoding", "")) if request.wants_compression else ""


def summary(outcome: QueryOutcome | None, result_bytes: int = 0) -> str:
    """X-ClickHouse-Summary and -Progress: strings, as ClickHouse writes them; zeros for unknown values."""
    done = outcome or QueryOutcome(b"", 0, 0, 0, 0, 0, 0.0)
    counts = {
        "read_rows": done.read_rows,
        "read_bytes": done.read_bytes,
        "written_rows": done.written_rows,
        "written_bytes": done.written_bytes,
        "total_rows_to_read": done.total_rows or done.read_rows,
        "result_rows": done.result_rows,
        "result_bytes": result_bytes,
        "elapsed_ns": int(done.elapsed_seconds * 1e9),
    }
    return json.dumps({name: str(value) for name, value in counts.items()}, separators=(",", ":"))


async def pieces(pipe: Pipe) -> AsyncIterator[bytes]:
    """The pieces from the pipe until its end, and b"" from time to time while none arrives."""
    while (data := await pipe.read()) != b"":
        yield data or b""


def _start(status: int, headers: Mapping[str, str]) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": _encoded(headers)}


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Headers as bytes. Some repeat a client's value (its query id): a control character must not end a line."""
    return [
        (name.encode("latin-1"), _CONTROL.sub(b" ", value.encode("latin-1", "replace")))
        for name, value in headers.items()
    ]
