"""Two features without an ASGI message: headers sent one by one while a query runs, and an aborted answer.

uvicorn writes the status line and all headers in one piece, and logs an unterminated answer as an error of the
application. ClickHouse's HTTP interface sends progress as headers before the header section ends, and aborts the body
when a query fails in the middle of its result.
"""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Wire:
    """The transport of one connection as uvicorn uses it, with these two features."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._keeps_headers_open = False
        self.lost = asyncio.Event()
        """Set when the connection is closed."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Forward uvicorn's bytes, except for the empty line that would end the header section."""
        if self._keeps_headers_open:
            self._keeps_headers_open = False
            data = data.removesuffix(b"\r\n")
        self._transport.write(data)

    def leave_headers_open(self) -> None:
        """Keep the header section open after uvicorn's headers, until `close_headers`."""
        self._keeps_headers_open = True

    def header(self, name: bytes, value: bytes) -> None:
        """Send one more header."""
        if not self._transport.is_closing():
            self._transport.write(b"%s: %s\r\n" % (name.lower(), value))

    def close_headers(self) -> None:
        """End the header section; the body follows."""
        if not self._transport.is_closing():
            self._transport.write(b"\r\n")

    async def hang_up(self, patience_seconds: float) -> None:
        """Close the connection when the client has read all written bytes, or after a time-out."""
        self._transport.close()
        try:
            async with asyncio.timeout(patience_seconds):
                await self.lost.wait()
        except TimeoutError:
            self._transport.abort()
            await self.lost.wait()


class Connection(HttpToolsProtocol):
    """uvicorn's HTTP protocol on a `Wire`, which is in the state of the application's scope."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._wire = Wire(transport)
        super().connection_made(cast("asyncio.Transport", self._wire))

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._wire.lost.set()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"]["wire"] = self._wire
