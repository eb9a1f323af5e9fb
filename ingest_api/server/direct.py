"""Requests of the collect path that came whole, and their answers, past ASGI.

For a small request ASGI's scope, messages and task are a third of all it costs
(docs/decisions/0004-collector-hot-path.md). uvicorn's parser reads every request; what is posted to a collect path and
has come whole is then handed to the application as it is. Every other request, also one in pieces or behind another on
its connection, goes through ASGI.
"""

import logging
from typing import Any, Protocol, runtime_checkable

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from ingest_api.http.responses import RawHeaders
from ingest_api.server.connections import PatientProtocol
from ingest_api.server.framing import check_framing, origin_form

FAILED = b"content-type: text/plain; charset=utf-8\r\ncontent-length: 21\r\n\r\nInternal Server Error"

log = logging.getLogger(__name__)


class Exchange:
    """One request and its answer. uvicorn's protocol asks it what it asks its own cycle of both."""

    __slots__ = ("_protocol", "headers", "keep_alive", "pieces", "response_complete", "url")
    more_body = False

    def __init__(self, protocol: "DirectProtocol", url: bytes, headers: RawHeaders, *, keep_alive: bool) -> None:
        self._protocol = protocol
        self.url = url
        self.headers = headers
        self.keep_alive = keep_alive
        self.pieces: list[bytes] = []
        self.response_complete = False

    @property
    def body(self) -> bytes:
        """What has come of the body."""
        return b"".join(self.pieces)

    @property
    def peer(self) -> str:
        """The address at the other end, which may be a proxy; empty behind a socket file."""
        client = self._protocol.client
        return client[0] if client else ""

    def answer(self, status: int, rest: bytes) -> None:
        """Answer, once. `rest` follows the status line: header lines, an empty line, a body as long as they say."""
        if self.response_complete:
            return
        protocol = self._protocol
        self.response_complete = True
        self.headers, self.pieces = [], []  # an idle connection keeps its last exchange
        if protocol.transport.is_closing():
            return
        lines = [STATUS_LINE[status]]
        for name, value in protocol.server_state.default_headers:
            lines += (name, b": ", value, b"\r\n")
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        lines.append(rest)
        protocol.transport.write(b"".join(lines))
        if not self.keep_alive:
            protocol.transport.close()
        protocol.on_response_complete()

    def fail(self) -> None:
        """Answer that something went wrong here, and no more on this connection."""
        self.keep_alive = False
        self.answer(500, FAILED)


@runtime_checkable
class Direct(Protocol):
    """An application that answers some requests past ASGI."""

    def takes(self, url: bytes) -> bool:
        """Whether what is posted to this address, as the request line has it, may be offered to `take`."""

    def take(self, exchange: Exchange) -> bool:
        """Answer, now or later; false where it must go through ASGI, and nothing was done."""


class DirectProtocol(PatientProtocol):
    """Offers whole requests to an application that is `Direct`, and makes ASGI's of the others."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        direct: Direct | None = self.app if isinstance(self.app, Direct) else None
        self._takes = direct.takes if direct else lambda _: False
        self._take = direct.take if direct else lambda _: False
        self._coming: Exchange | None = None

    def data_received(self, data: bytes) -> None:
        """Some bytes. A request that ends in later ones is ASGI's."""
        super().data_received(data)
        if self._coming is not None and not self.transport.is_closing():
            self._through_asgi(self._coming)
        self._coming = None

    def on_message_begin(self) -> None:
        """The first byte of a request; uvicorn's scope is made when it is needed."""
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self.wait_for_header()

    def on_headers_complete(self) -> None:
        """The end of the header. What it raises the parser's caller answers with 400, as what is no HTTP."""
        parser = self.parser
        check_framing(self.headers, parser.get_http_version())
        if not self.url.startswith(b"/"):
            self.url, self.headers = origin_form(self.url, self.headers)
        exchange = Exchange(self, self.url, self.headers, keep_alive=parser.should_keep_alive())
        if (
            self._takes(self.url)
            and parser.get_method() == b"POST"
            and (self.cycle is None or self.cycle.response_complete)
            and not self.expect_100_continue
            and not self.flow.write_paused
            and not parser.should_upgrade()
            and parser.get_http_version() == "1.1"
        ):
            self._coming = exchange
            self.header_has_ended()
        else:
            self._through_asgi(exchange)

    def on_body(self, body: bytes) -> None:
        """Some of the body."""
        if self._coming is None:
            super().on_body(body)
        else:
            self._coming.pieces.append(body)

    def on_message_complete(self) -> None:
        """The end of the request."""
        exchange, self._coming = self._coming, None
        if exchange is None or not self._is_taken(exchange):
            if exchange is not None:
                self._through_asgi(exchange)
            super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody waits for an answer any more."""
        if isinstance(self.cycle, Exchange):
            self.cycle = None  # as before the first request
        super().connection_lost(exc)

    def _is_taken(self, exchange: Exchange) -> bool:
        before, self.cycle = self.cycle, exchange  # type: ignore[assignment]
        try:
            is_taken = self._take(exchange)
        except Exception:
            log.exception("a request to the collect path failed")
            exchange.fail()
            return True
        if not is_taken:
            self.cycle = before
        return is_taken

    def _through_asgi(self, exchange: Exchange) -> None:
        """Do what uvicorn does at the end of a header, with what has come of the body."""
        expects = self.expect_100_continue
        super().on_message_begin()
        self.url, self.scope["headers"], self.expect_100_continue = exchange.url, exchange.headers, expects
        super().on_headers_complete()
        if exchange.pieces:
            super().on_body(exchange.body)
