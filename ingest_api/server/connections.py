"""uvicorn's HTTP protocol with limits: it closes connections that send no complete request.

uvicorn waits for a header without a limit. It reads on for ever where the response was sent before the body was
complete. It takes trailers for headers, and the body of an unknown upgrade for the next request. A few thousand
connections that send a byte now and then would use up all file descriptors. The time to read a body has a limit of its
own (`ingest_api.http.bodies`); the time of an idle connection has uvicorn's.
"""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from echolead.events import MAX_BODY_BYTES

HEADER_SECONDS = 10.0
MAX_HEADER_BYTES = 64 * 1024
MAX_MESSAGE_BYTES = 8 * MAX_BODY_BYTES  # a body in chunks of one byte, each with six bytes around it
LINGER_SECONDS = 2.0  # for the client to read a response that was sent before its body had ended


class PatientProtocol(HttpToolsProtocol):
    """Waits `header_seconds` for a header from its first byte, and as long for the first byte of a new connection."""

    header_seconds = HEADER_SECONDS
    _since: float | None = None
    _header_bytes = 0
    _message_bytes = 0
    _is_new_message = False
    _is_upgraded = False
    _look: asyncio.TimerHandle | None = None
    _linger: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Start the timer. There is one for each connection: one for each request would cost more than its header."""
        super().connection_made(transport)
        self._since = self.loop.time()
        self._look = self.loop.call_later(self.header_seconds, self._look_again)

    def data_received(self, data: bytes) -> None:
        """Some bytes. A piece in which a message begins is not counted: no piece is larger than 256 KB."""
        if self._is_upgraded:
            return
        self._is_new_message = False
        is_between = self._is_between()
        super().data_received(data)
        if self._is_new_message:
            self._header_bytes = self._message_bytes = 0
            return
        self._message_bytes += len(data)
        if self._since is not None:
            self._header_bytes += len(data)
        if self._header_bytes > MAX_HEADER_BYTES or self._message_bytes > MAX_MESSAGE_BYTES or is_between:
            self.transport.abort()

    def _is_between(self) -> bool:
        """Whether the last response is complete and no message has begun. Empty lines would keep such a connection."""
        cycle = self.cycle
        return self._since is None and cycle is not None and cycle.response_complete and not cycle.more_body

    def on_message_begin(self) -> None:
        """The first byte of a request, also of a later one on the connection."""
        self.wait_for_header()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The end of the header."""
        super().on_headers_complete()
        self.header_has_ended()

    def wait_for_header(self) -> None:
        """Start the time limit of a header."""
        self._since = self.loop.time()
        self._is_new_message = True

    def header_has_ended(self) -> None:
        """Stop the time limit, and keep trailers apart: they must not be taken for headers (RFC 9110, 6.5.1)."""
        self._since = None
        self._header_bytes = 0
        self.headers = []

    def on_response_complete(self) -> None:
        """A response is sent. If the rest of its body is still to come, nothing will read it."""
        super().on_response_complete()
        if self.cycle.response_complete and self.cycle.more_body:
            self._linger = self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def on_message_complete(self) -> None:
        """The end of a body. If it was answered before, the connection can be used again."""
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
            self.cycle.more_body = False
        super().on_message_complete()

    def _unsupported_upgrade_warning(self) -> None:
        """An unknown upgrade: the parser stops, so nothing that follows may be read."""
        self._is_upgraded = True
        self.cycle.keep_alive = False

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
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
