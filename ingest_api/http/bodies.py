"""Reading a request's body within limits: its bytes before and after decompression, time, and bytes of all requests."""

import asyncio
import zlib
from collections.abc import Mapping
from time import monotonic

from prometheus_client import Gauge

from echolead.events import MAX_BODY_BYTES
from ingest_api.http.asgi import Receive
from ingest_api.http.problems import (
    NOT_A_BATCH,
    OVERLOADED,
    SLOW_REQUEST,
    UNSUPPORTED_ENCODING,
    Problem,
    body_too_large,
)

READ_TIMEOUT_SECONDS = 10.0
GZIP = 31  # zlib's window bits for a gzip header and trailer


class Disconnected(Exception):
    """The client closed the connection before its body was complete; no answer can be sent."""


class Bodies:
    """Reads bodies and counts their bytes in flight; beyond the limit requests get 503 and memory stays bounded.

    `sweep` runs beside the application and stops the reading of bodies that take too long. It is one timer for all: one
    for each request would cost more than the reading.
    """

    def __init__(self, in_flight_limit: int, gauge: Gauge) -> None:
        """`gauge` shows the bytes in flight, at most a second late."""
        self.in_flight_limit = in_flight_limit
        self._gauge = gauge
        self.in_flight = 0
        self._reading: dict[asyncio.Task[object] | None, float] = {}
        self._too_slow: set[asyncio.Task[object]] = set()

    async def read(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        """The body, decompressed. Its bytes count as in flight until `release` is called with their number.

        Raises `Problem` for 408, 413, 415, 422 and 503, and `Disconnected`; `release` must not be called then.
        """
        declared = headers.get(b"content-length")
        if declared is not None and int(declared) > MAX_BODY_BYTES:  # the server has checked that it is a number
            raise body_too_large()
        return self._decoded(headers, await self._receive_in_time(receive))

    def hold(self, headers: Mapping[bytes, bytes], body: bytes) -> bytes:
        """As `read`, for a body that has arrived whole."""
        if len(body) > MAX_BODY_BYTES:
            raise body_too_large()
        self._count(len(body))
        return self._decoded(headers, body)

    def release(self, size: int) -> None:
        """Call when the request whose body had `size` bytes is answered."""
        self.in_flight -= size

    async def sweep(self) -> None:
        """Stop reading slow bodies, once a second, until cancelled."""
        while True:
            await asyncio.sleep(1)
            self._gauge.set(self.in_flight)
            before = monotonic() - READ_TIMEOUT_SECONDS
            for task, since in self._reading.items():
                if task is not None and since < before:
                    self._too_slow.add(task)
                    task.cancel()

    async def _receive_in_time(self, receive: Receive) -> bytes:
        task = asyncio.current_task()
        self._reading[task] = monotonic()
        try:
            return await self._receive(receive)
        except asyncio.CancelledError:
            if task is None or task not in self._too_slow:
                raise
            self._too_slow.discard(task)
            task.uncancel()
            raise Problem(SLOW_REQUEST, f"Send the body within {READ_TIMEOUT_SECONDS:.0f} seconds.") from None
        finally:
            del self._reading[task]

    async def _receive(self, receive: Receive) -> bytes:
        chunks: list[bytes] = []
        size = 0
        more = True
        try:
            while more:
                message = await receive()
                chunk: bytes = message.get("body", b"")
                more = message.get("more_body", False)
                self._count(len(chunk))
                size += len(chunk)
                self._check(message["type"], size)
                chunks.append(chunk)
        except BaseException:
            self.in_flight -= size
            raise
        return b"".join(chunks)

    def _count(self, size: int) -> None:
        if self.in_flight + size > self.in_flight_limit:
            raise Problem(OVERLOADED, "Too many requests are being served; send the same request again.")
        self.in_flight += size

    def _check(self, message_type: str, size: int) -> None:
        if message_type == "http.disconnect":
            raise Disconnected
        if size > MAX_BODY_BYTES:
            raise body_too_large()

    def _decoded(self, headers: Mapping[bytes, bytes], body: bytes) -> bytes:
        encoding = headers.get(b"content-encoding")
        if encoding is None:
            return body
        name = encoding.strip().lower()
        if name in (b"", b"identity"):
            return body
        self.release(len(body))
        if name not in (b"gzip", b"x-gzip"):
            raise Problem(UNSUPPORTED_ENCODING, "Send the body as it is, or compressed with gzip.")
        decoded = gunzip(body)
        self._count(len(decoded))
        return decoded


def gunzip(body: bytes) -> bytes:
    """One gzip member, never more than the limit in memory. Raises `Problem`."""
    stream = zlib.decompressobj(GZIP)
    try:
        decoded = stream.decompress(body, MAX_BODY_BYTES + 1)
    except zlib.error as error:
        raise Problem(NOT_A_BATCH, f"The body is not gzip, as Content-Encoding says: {error}.") from None
    if len(decoded) > MAX_BODY_BYTES:
        raise body_too_large()
    if not stream.eof or stream.unused_data:
        raise Problem(NOT_A_BATCH, "The body is not one complete gzip stream.")
    return decoded
