"""Requests past ASGI compared byte by byte with the same through uvicorn's own protocol and ASGI."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from pydantic import SecretStr
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from echolead.settings import Settings
from echolead.tenancy import ActiveTenant, Directory
from ingest_api.app import Ingest, create_app
from ingest_api.http.responses import RawResponse
from ingest_api.server.connections import PatientProtocol
from ingest_api.server.direct import DirectProtocol, WholeRequest
from tests.fixtures.served import connected
from tests.integration.ingest_api.conftest import make_body

HEADERS = [(b"content-type", b"text/plain"), (b"content-length", b"9")]


class Echo:
    """Answers later, as after the queue, with the lengths of body and headers; past ASGI where it is called so.

    While `may_answer` is not set it waits, so that a request can come before the answer to the one before it.
    """

    def __init__(self, *, takes: bool = True) -> None:
        self.requests: list[WholeRequest] = []
        self.scopes = 0
        self.answered = 0
        self.is_broken = False
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self._takes = takes
        self._answering: set[asyncio.Task[None]] = set()

    def is_direct(self, url: bytes) -> bool:
        """Only at the top."""
        return url == b"/"

    def serve_directly(self, request: WholeRequest) -> bool:
        """Answer later."""
        if self.is_broken:
            raise ZeroDivisionError
        if self._takes:
            self.requests.append(request)
            task = asyncio.create_task(self._answer(request))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)
        return self._takes

    async def _answer(self, request: WholeRequest) -> None:
        await self._later()
        self.answered += 1
        request.respond(RawResponse(202, HEADERS, echo(request.body, request.headers)))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes += 1
        body = await read_all(receive)
        await self._later()
        self.answered += 1
        await send({"type": "http.response.start", "status": 202, "headers": HEADERS})
        await send({"type": "http.response.body", "body": echo(body, scope["headers"])})

    async def _later(self) -> None:
        await self.may_answer.wait()
        await asyncio.sleep(0.02)


def echo(body: bytes, headers: list[tuple[bytes, bytes]]) -> bytes:
    """The lengths of both."""
    return b"%04d %04d" % (len(body), sum(len(name) + len(value) for name, value in headers))


async def read_all(receive: Any) -> bytes:
    """A body, message by message."""
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def answers(protocol: type[HttpToolsProtocol], application: Echo, *pieces: bytes, count: int = 1) -> list[Any]:
    """The lines of each of `count` answers to pieces that are sent before the first one; and of the end, if any."""
    application.may_answer.clear()
    async with connected(protocol, application) as (reader, writer), asyncio.timeout(10):
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0.01)
        application.may_answer.set()
        if b"100-continue" in pieces[0]:
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        received = []
        for _ in range(count):
            head, body = await reader.readuntil(b"\r\n\r\n"), await reader.readexactly(9)
            received.append({*head.split(b"\r\n"), body})
        if b"connection: close" in received[-1]:
            received.append({b"the end", await reader.read()})
    return received


POST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc"
CHUNKED = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"
LARGE = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9000\r\n\r\n" + b"x" * 9000


@pytest.mark.parametrize(
    ("pieces", "count", "direct"),
    [
        pytest.param([POST], 1, 1, id="a request in one piece"),
        pytest.param([POST, POST], 2, 1, id="two of which the second does not wait for the first's answer"),
        pytest.param([POST * 3], 3, 1, id="three at once"),
        pytest.param([POST + POST[:60], POST[60:]], 2, 1, id="one and a half at once"),
        pytest.param([POST[:30], POST[30:]], 1, 1, id="a header in two pieces"),
        pytest.param([CHUNKED], 1, 1, id="a body without a length"),
        pytest.param([CHUNKED[:-2] + b"host: y\r\n\r\n"], 1, 1, id="a trailer, which is not a header"),
        pytest.param([LARGE[:60], LARGE[60:]], 1, 0, id="a body that comes later"),
        pytest.param([LARGE[:90], LARGE[90:]], 1, 0, id="a body in two pieces"),
        pytest.param([POST.replace(b"POST", b"GET")], 1, 0, id="another method"),
        pytest.param([POST.replace(b"/ ", b"/x ")], 1, 0, id="another address"),
        pytest.param([POST.replace(b"/ ", b"/?a=b ")], 1, 0, id="a query"),
        pytest.param(
            [POST.replace(b"host", b"connection: close\r\nhost")], 1, 1, id="a connection that is to be closed"
        ),
        pytest.param([POST.replace(b"1.1", b"1.0")], 1, 0, id="a client that knows no kept connections"),
        pytest.param(
            [POST.replace(b"host", b"expect: 100-continue\r\nhost")[:-3], b"abc"], 1, 0, id="a client that asks first"
        ),
        pytest.param(
            [POST.replace(b"host", b"expect: 100-continue\r\nhost")], 1, 0, id="a client that asks and does not wait"
        ),
    ],
)
async def test_an_answer_is_the_same_past_asgi_and_through_it(pieces: list[bytes], count: int, direct: int) -> None:
    past, through, unwilling = Echo(), Echo(), Echo(takes=False)
    received = await answers(DirectProtocol, past, *pieces, count=count)
    assert received == await answers(PatientProtocol, through, *pieces, count=count)
    assert received == await answers(DirectProtocol, unwilling, *pieces, count=count)
    assert [b"HTTP/1.1 202 Accepted" in answer for answer in received[:count]] == [True] * count
    assert (len(past.requests), past.scopes) == (direct, count - direct)
    assert (through.scopes, unwilling.scopes) == (count, count)


async def test_consecutive_requests_on_a_connection_are_all_served() -> None:
    application = Echo()
    async with connected(DirectProtocol, application) as (reader, writer), asyncio.timeout(10):
        for _ in range(3):
            writer.write(POST)
            await reader.readuntil(b"0003 0020")
    assert (len(application.requests), application.scopes) == (3, 0)


async def test_an_upgrade_is_left_to_asgi() -> None:
    application = Echo()
    upgrade = POST.replace(b"host", b"connection: upgrade\r\nupgrade: h2c\r\nhost")
    async with connected(DirectProtocol, application) as (reader, writer), asyncio.timeout(10):
        writer.write(upgrade)
        await reader.read(1)
    assert application.requests == []


async def test_a_body_that_breaks_off_in_the_same_piece_is_refused_as_by_uvicorn() -> None:
    broken = CHUNKED.replace(b"2\r\nbc", b"zz\r\nbc")
    refused = []
    for protocol in (DirectProtocol, HttpToolsProtocol):
        async with connected(protocol, Echo()) as (reader, writer), asyncio.timeout(10):
            writer.write(broken)
            refused.append((await reader.read()).split(b"\r\n")[0])
    assert refused == [b"HTTP/1.1 400 Bad Request"] * 2


async def test_a_failure_is_answered_and_ends_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    application = Echo()
    application.is_broken = True
    async with connected(DirectProtocol, application) as (reader, writer), asyncio.timeout(10):
        writer.write(POST)
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    assert (head.split(b"\r\n")[0], body) == (b"HTTP/1.1 500 Internal Server Error", b"Internal Server Error")
    assert b"connection: close" in head
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("end", ["abort", "close"])
async def test_a_client_that_is_gone_gets_no_answer(end: str, caplog: pytest.LogCaptureFixture) -> None:
    application = Echo()
    async with connected(DirectProtocol, application) as (_, writer):
        writer.write(POST)
        await writer.drain()
        await asyncio.sleep(0.005)
        getattr(writer.transport, end)()
        await until(lambda: application.answered == 1)
    assert caplog.text == ""


async def test_a_server_that_is_to_stop_answers_first_and_then_closes() -> None:
    protocols: list[DirectProtocol] = []

    class Known(DirectProtocol):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            protocols.append(self)

    application = Echo()
    async with connected(Known, application) as (reader, writer), asyncio.timeout(10):
        writer.write(POST)
        await until(lambda: application.requests != [])
        protocols[0].shutdown()
        received = await reader.read()
    assert received.startswith(b"HTTP/1.1 202 ")
    assert b"connection: close" in received


async def test_an_answer_leaves_in_one_piece() -> None:
    """The control, uvicorn's own way, writes twice."""
    writes = {}
    for protocol in (DirectProtocol, HttpToolsProtocol):
        transports: list[Counting] = []

        class Counted(protocol):  # type: ignore[misc, valid-type]
            def connection_made(self, transport: Any, transports: list["Counting"] = transports) -> None:
                transports.append(Counting(transport))
                super().connection_made(transports[0])

        await answers(Counted, Echo(), POST)
        writes[protocol] = transports[0].writes
    assert writes == {DirectProtocol: 1, HttpToolsProtocol: 2}


class Counting:
    """A transport that counts what is written."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self.writes = 0

    def write(self, data: bytes) -> None:
        """Count, and write."""
        self.writes += 1
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


async def until(is_so: Callable[[], bool]) -> None:
    """Return when it is so."""
    async with asyncio.timeout(5):
        while not is_so():  # noqa: ASYNC110  # what is waited for has no event
            await asyncio.sleep(0.005)


async def test_a_client_that_does_not_read_falls_back_to_asgi() -> None:
    """Answers to a client that does not read stay in memory."""
    application = Flood()
    async with connected(DirectProtocol, application) as (_, writer):
        with suppress(TimeoutError):
            async with asyncio.timeout(2):
                while not application.scopes:
                    writer.write(POST)
                    await writer.drain()
                    await asyncio.sleep(0)
    assert application.scopes, "every request was taken, whatever had piled up"
    assert application.answered < 400


class Flood(Echo):
    """Answers at once, with a megabyte."""

    def serve_directly(self, request: WholeRequest) -> bool:
        """Answer."""
        self.answered += 1
        request.respond(RawResponse(202, [(b"content-length", b"1000000")], bytes(1_000_000)))
        return True


def collector_of_acme(monkeypatch: pytest.MonkeyPatch) -> Ingest:
    """The collector itself, without queue and database, that knows one tenant by its host."""
    settings = Settings(
        nats_url=SecretStr("nats://127.0.0.1:1"),
        postgres_collector_url=SecretStr("postgresql:///none"),
        postgres_api_url=SecretStr("postgresql:///none"),
        jwt_secret=SecretStr("k" * 32),
    )
    application = create_app(settings)
    tenant = ActiveTenant("acme", hosts=frozenset({"acme.test"}))
    monkeypatch.setattr(application._tenants, "_directory", Directory(hosts={"acme.test": tenant}))
    return application


async def test_the_collector_answers_a_known_host_past_asgi(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with a host that must be looked up, through ASGI. Without a queue both answers are refusals."""
    application = collector_of_acme(monkeypatch)
    scopes: list[Any] = []

    async def through_asgi(scope: Any, *_: Any) -> None:
        scopes.append(scope)

    monkeypatch.setitem(application._direct, "/t", through_asgi)
    async with connected(DirectProtocol, application) as (reader, writer), asyncio.timeout(10):
        for host in (b"acme.test", b"nobody.test"):
            writer.write(b"POST /t HTTP/1.1\r\nhost: %s\r\ncontent-length: 0\r\n\r\n" % host)
        answer = await reader.readuntil(b"\r\n\r\n")
        await until(lambda: scopes != [])
    assert answer.startswith(b"HTTP/1.1 422 ")
    assert len(scopes) == 1


@pytest.mark.parametrize("pause_seconds", [pytest.param(0.0, id="past ASGI"), pytest.param(0.02, id="through ASGI")])
async def test_a_request_that_cannot_be_sent_on_is_answered_and_holds_nothing(
    monkeypatch: pytest.MonkeyPatch, pause_seconds: float
) -> None:
    application = collector_of_acme(monkeypatch)
    monkeypatch.setattr(application._collect._event_store, "send", lambda *_: 1 / 0)
    body = make_body()
    head = b"POST /t HTTP/1.1\r\nhost: acme.test\r\ncontent-length: %d\r\n\r\n" % len(body)
    async with connected(DirectProtocol, application) as (reader, writer), asyncio.timeout(10):
        for piece in (head, body) if pause_seconds else (head + body,):
            writer.write(piece)
            await asyncio.sleep(pause_seconds)
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert application._pages._bodies.in_flight == 0
