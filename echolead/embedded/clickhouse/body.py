"""The body of a request: decoded as it arrives, and spooled to a file if it is data."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from pathlib import Path
from typing import IO, Any

from echolead.embedded.clickhouse.compression import Decoder, decoder
from echolead.embedded.clickhouse.errors import Code, WarehouseError

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
PIECE_BYTES = 1024 * 1024
SMALL_BYTES = 64 * 1024  # below this size a thread costs more than the decoding


class ClientGone(Exception):
    """The client closed its connection before its request was complete or answered."""


class Body:
    """Reads an ASGI body piece by piece. Large pieces are decoded in a thread."""

    def __init__(self, receive: Receive, encoding: str, timeout_seconds: float) -> None:
        self._receive = receive
        self._decoder: Decoder = decoder(encoding)
        self._timeout_seconds = timeout_seconds
        self._decoded: Iterator[bytes] = iter(())
        self._is_large = False
        self._has_come = False  # all encoded bytes have arrived; `is_complete`: all decoded ones have been read
        self.is_complete = False

    async def piece(self) -> bytes:
        """The next decoded bytes, at most about a megabyte; b"" at the end.

        Raises `ClientGone`, and `WarehouseError` for a body that does not match its encoding or stalls.
        """
        while True:
            if piece := await self._next_decoded():
                return piece
            if self._has_come:
                if not self.is_complete:
                    self._decoder.finish()
                self.is_complete = True
                return b""
            encoded = await self._collect()
            self._is_large = len(encoded) > SMALL_BYTES
            self._decoded = self._decoder.feed(encoded)

    async def text(self, limit_bytes: int) -> bytes:
        """Bytes up to `limit_bytes` or slightly more: all of them if the body is shorter."""
        found = bytearray()
        while len(found) <= limit_bytes and (piece := await self.piece()):
            found += piece
        return bytes(found)

    async def spool(self, start: bytes, directory: Path) -> IO[bytes]:
        """`start` and the rest of the body, in a file without a name."""
        file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115  # the query closes it
        try:
            piece = start
            while piece or not self.is_complete:
                if len(piece) > SMALL_BYTES:
                    await asyncio.to_thread(file.write, piece)
                else:
                    file.write(piece)
                piece = await self.piece()
        except OSError as error:
            file.close()
            raise WarehouseError(Code.NOT_ENOUGH_SPACE, f"The data cannot be kept: {error.strerror}") from None
        except BaseException:
            file.close()
            raise
        return file

    async def _collect(self) -> bytes:
        collected = bytearray()
        while len(collected) < PIECE_BYTES and not self._has_come:
            try:
                message = await asyncio.wait_for(self._receive(), self._timeout_seconds)
            except TimeoutError:
                raise WarehouseError(
                    Code.TIMEOUT_EXCEEDED, f"No byte of the body came for {self._timeout_seconds:.0f} s"
                ) from None
            if message["type"] == "http.disconnect":
                raise ClientGone
            collected += message.get("body", b"")
            self._has_come = not message.get("more_body", False)
        return bytes(collected)

    async def _next_decoded(self) -> bytes:
        """The next piece from the decoder; b"" when it needs more input."""
        while True:
            if self._is_large:
                piece = await asyncio.to_thread(next, self._decoded, None)
            else:
                piece = next(self._decoded, None)
            if piece or piece is None:
                return piece or b""
