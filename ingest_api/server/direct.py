"""POST requests to a collect path that arrive in one piece, and their responses, past ASGI.

For a small request this saves ASGI's scope, messages and task, a sixth of the instructions
(docs/decisions/0004-collector-hot-path.md). uvicorn's parser reads every request. A POST to a collect path that has
arrived whole is given to the application as it is. Every other request goes through ASGI, also one that arrives in
pieces or before the last one on its connection was answered.
"""

import logging
from typing import Any, Protocol, runtime_checkable

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from ingest_api.http.asgi import RawHeaders
from ingest_api.http.responses import RawResponse, raw_response
from ingest_api.server.connections import PatientProtocol
from ingest_api.server.framing import check_framing, origin_form

FAILED = raw_response(500, b"Internal Server Error", b"text/plain; charset=utf-8", [])

log = logging.getLogger(__name__)


class WholeRequest:
    """A request and its response. It takes the place of uvicorn's cycle, whose attributes the protocol reads."""

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
        """The part of the body that has arrived."""
        return b"".join(self.pieces)

    @property
    def peer(self) -> str:
        """The address at the other end, which may be a proxy; empty behind a socket file."""
        client = self._protocol.client
        return client[0] if client else ""

    def respond(self, response: RawResponse) -> None:
        """Send the response; only the first call counts. Every header is ours or was checked by uvicorn's parser."""
        if self.response_complete:
            return
        protocol = self._protocol
        self.response_complete = True
        self.headers, self.pieces = [], []  # an idle connection keeps its last request
        if protocol.transport.is_closing():
            return
        lines = [STATUS_LINE[response.status]]
        for name, value in (*protocol.server_state.default_headers, *response.headers):
            lines += (name, b": ", value, b"\r\n")
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        lines += (b"\r\n", response.body)
        protocol.transport.write(b"".join(lines))
        if not self.keep_alive:
            protocol.transport.close()
        protocol.on_response_complete()

    def fail(self) -> None:
        """Respond with 500 and close the connection."""
        self.keep_alive = False
        self.respond(FAILED)


@runtime_checkable
class Direct(Protocol):
    """An application that serves some requests past ASGI."""

    def is_direct(self, url: bytes) -> bool:
        """Whether a POST to this address, as in the request line, may be given to `serve_directly`."""

    def serve_directly(self, request: WholeRequest) -> bool:
        """Respond, now or later. False if the request must go through ASGI; nothing was done then."""


class DirectProtocol(PatientProtocol):
    """Gives whole requests to an application that is `Direct`, and the others to ASGI."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        direct: Direct | None = self.app if isinstance(self.app, Direct) else None
        self._is_direct = direct.is_direct if direct else lambda _: False
        self._serve_directly = direct.serve_directly if direct else lambda _: False
        self._arriving: WholeRequest | None = None

    def data_received(self, data: bytes) -> None:
        """Some bytes. A request that does not end with them goes through ASGI."""
        super().data_received(data)
        if self._arriving is not None and not self.transport.is_closing():
            self._through_asgi(self._arriving)
        self._arriving = None

    def on_message_begin(self) -> None:
        """The first byte of a request. uvicorn's scope is made only for ASGI."""
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self.wait_for_header()

    def on_headers_complete(self) -> None:
        """The end of the header. uvicorn answers 400 to what this raises, as to what is not HTTP."""
        parser = self.parser
        check_framing(self.headers, parser.get_http_version())
        if not self.url.startswith(b"/"):
            self.url, self.headers = origin_form(self.url, self.headers)
        request = WholeRequest(self, self.url, self.headers, keep_alive=parser.should_keep_alive())
        if (
            self._is_direct(self.url)
            and parser.get_method() == b"POST"
            and (self.cycle is None or self.cycle.response_complete)
            and not self.expect_100_continue
            and not self.flow.write_paused
            and not parser.should_upgrade()
            and parser.get_http_version() == "1.1"
        ):
            self._arriving = request
            self.header_has_ended()
        else:
            self._through_asgi(request)

    def on_body(self, body: bytes) -> None:
        """Some of the body."""
        if self._arriving is None:
            super().on_body(body)
        else:
            self._arriving.pieces.append(body)

    def on_message_complete(self) -> None:
        """The end of the request."""
        request, self._arriving = self._arriving, None
        if request is None or not self._is_served(request):
            if request is not None:
                self._through_asgi(request)
            super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """No response can be sent any more."""
        if isinstance(self.cycle, WholeRequest):
            self.cycle = None  # as before the first request
        super().connection_lost(exc)

    def _is_served(self, request: WholeRequest) -> bool:
        before, self.cycle = self.cycle, request  # type: ignore[assignment]
        try:
            is_served = self._serve_directly(request)
        except Exception:
            log.exception("a request to the collect path failed")
            request.fail()
            return True
        if not is_served:
            self.cycle = before
        return is_served

    def _through_asgi(self, request: WholeRequest) -> None:
        """Do what uvicorn does at the end of a header, with what has come of the body."""
        expects = self.expect_100_continue
        super().on_message_begin()
        self.url, self.scope["headers"], self.expect_100_continue = request.url, request.headers, expects
        super().on_headers_complete()
        if request.pieces:
            super().on_body(request.body)
