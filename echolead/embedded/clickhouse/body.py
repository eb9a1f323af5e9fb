"""The body of a request: decoded as it comes, spooled to a file when it is data."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import IO, Any

from echolead.embedded.clickhouse.compression import Decoder, decoder
from echolead.embedded.clickhouse.errors import Code, WarehouseError

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
PIECE_BYTES = 1024 * 1024


class ClientGone(Exception):
    """The client closed its connection before its request was whole, or before it was answered."""


class Body:
    """Reads an ASGI body piece by piece. Pieces are decoded in a thread when they are worth one."""

    def __init__(self, receive: Receive, encoding: str, timeout_seconds: float) -> None:
        self._receive = receive
        self._decoder: Decoder = decoder(encoding)
        self._timeout_seconds = timeout_seconds
        self.is_complete = False

    async def piece(self) -> bytes:
        """The next decoded bytes, about a megabyte of encoded ones at a time; b"" at the end.

        Raises `ClientGone`, and `WarehouseError` for a body that is not what its encoding says or stops coming.
        """
        while not self.is_complete:
            encoded = await self._collect()
            decoded = await self._decode(encoded)
            if decoded:
                return decoded
        return b""

    async def text(self, limit_bytes: int) -> bytes:
        """Bytes up to `limit_bytes` or a little more: all of them when the body is that short."""
        found = bytearray()
        while len(found) <= limit_bytes and (piece := await self.piece()):
            found += piece
        return bytes(found)

    async def spool(self, start: bytes, directory: Path) -> IO[bytes]:
        """`start` and all that is left of the body, in a file without a name."""
        file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115  # the query closes it
        try:
            piece = start
            while piece or not self.is_complete:
                if len(piece) > 65536:
                    await asyncio.to_thread(file.write, piece)
                else:
                    file.write(piece)
                piece = await self.piece()
        except BaseException:
            file.close()
            raise
        return file

    async def _collect(self) -> bytes:
        collected = bytearray()
        while len(collected) < PIECE_BYTES and not self.is_complete:
            try:
                message = await asyncio.wait_for(self._receive(), self._timeout_seconds)
            except TimeoutError:
                raise WarehouseError(
                    Code.TIMEOUT_EXCEEDED, f"No byte of the body came for {self._timeout_seconds:.0f} s"
                ) from None
            if message["type"] == "http.disconnect":
                raise ClientGone
            collected += message.get("body", b"")
            self.is_complete = not message.get("more_body", False)
        return bytes(collected)

    async def _decode(self, encoded: bytes) -> bytes:
        if len(encoded) > 65536:
            decoded = await asyncio.to_thread(self._decoder.feed, encoded)
        else:
            decoded = self._decoder.feed(encoded)
        if self.is_complete:
            self._decoder.finish()
        return decoded
