"""uvicorn's HTTP protocol, which also closes a connection whose header does not end: in time, or in bytes.

uvicorn waits for a header as long as the client likes, so that a few thousand connections that send a byte now and then
would use up every file descriptor. The body has its own limit (`ingest_api.bodies`), idle connections have uvicorn's.
"""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADER_SECONDS = 10.0
MAX_HEADER_BYTES = 64 * 1024


class PatientProtocol(HttpToolsProtocol):
    """Waits `header_seconds` for a header from its first byte, and as long for the first byte of a new connection."""

    header_seconds = HEADER_SECONDS
    _since: float | None = None
    _header_bytes = 0
    _look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Begin to wait. One timer a connection: one a request would cost more than its header."""
        super().connection_made(transport)
        self._since = self.loop.time()
        self._look = self.loop.call_later(self.header_seconds, self._look_again)

    def data_received(self, data: bytes) -> None:
        """Some bytes. A header that is there whole was read in one piece, and no piece is larger than 256 KB."""
        super().data_received(data)
        if self._since is not None:
            self._header_bytes += len(data)
            if self._header_bytes > MAX_HEADER_BYTES:
                self.transport.abort()

    def on_message_begin(self) -> None:
        """The first byte of a request, also of a later one on a connection that was kept."""
        self._since = self.loop.time()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The end of the header."""
        self._since = None
        self._header_bytes = 0
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        if self._look is not None:
            self._look.cancel()
        super().connection_lost(exc)

    def _look_again(self) -> None:
        now = self.loop.time()
        due = (now if self._since is None else self._since) + self.header_seconds
        if due <= now:
            self.transport.abort()
        else:
            self._look = self.loop.call_at(due, self._look_again)
