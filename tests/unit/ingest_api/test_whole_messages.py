"""Whole bodies and answers through uvicorn's own protocol, beside the same by ASGI's messages, byte by byte."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ingest_api.whole_messages import send_whole, whole_body
from tests.fixtures.served import connected

HEADERS = [(b"content-type", b"text/plain"), (b"content-length", b"4")]
REST = b"content-type: text/plain\r\ncontent-length: 4\r\n\r\n"


class Echo:
    """Answers with the length of the body: whole, or by ASGI's messages, as the control."""

    def __init__(self, *, is_whole: bool) -> None:
        self.is_whole = is_whole
        self.whole_bodies = 0
        self.answered = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = whole_body(receive) if self.is_whole else None
        self.whole_bodies += body is not None
        if body is None:
            body = await read_all(receive)
        await asyncio.sleep(0.02)  # as for the queue, so that clients have time to go
        answer = b"%04d" % len(body)
        if not (self.is_whole and send_whole(send, 202, REST + answer)):
            await send({"type": "http.response.start", "status": 202, "headers": HEADERS})
            await send({"type": "http.response.body", "body": answer})
        self.answered += 1


async def read_all(receive: Any) -> bytes:
    """A body, message by message."""
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def answers(application: Any, *pieces: bytes, count: int = 1) -> list[set[bytes]]:
    """The lines of each of `count` answers to pieces that are sent one after the other; and of the end, if any."""
    async with connected(HttpToolsProtocol, application) as (reader, writer), asyncio.timeout(10):
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0.01)
        if b"100-continue" in pieces[0]:
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        received = []
        for _ in range(count):
            head, body = await reader.readuntil(b"\r\n\r\n"), await reader.readexactly(4)
            received.append({*head.split(b"\r\n"), body})
        if b"connection: close" in received[-1]:
            received.append({b"the end", await reader.read()})
    return received


POST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc"
CHUNKED = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
LARGE = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9000\r\n\r\n" + b"x" * 9000


@pytest.mark.parametrize(
    ("pieces", "count", "whole_bodies"),
    [
        pytest.param([POST], 1, 1, id="a request in one piece"),
        pytest.param([POST, POST], 2, 2, id="two after one another"),
        pytest.param([POST * 3], 3, 3, id="three at once"),
        pytest.param([CHUNKED], 1, 1, id="a body without a length"),
        pytest.param([LARGE[:60], LARGE[60:]], 1, 0, id="a body that comes later"),
        pytest.param(
            [POST.replace(b"host", b"connection: close\r\nhost")], 1, 1, id="a connection that is to be closed"
        ),
        pytest.param([POST.replace(b"1.1", b"1.0")], 1, 1, id="a client that knows no kept connections"),
        pytest.param(
            [POST.replace(b"host", b"expect: 100-continue\r\nhost")[:-3], b"abc"], 1, 0, id="a client that asks first"
        ),
    ],
)
async def test_an_answer_is_the_same_whole_and_by_messages(pieces: list[bytes], count: int, whole_bodies: int) -> None:
    whole, by_messages = Echo(is_whole=True), Echo(is_whole=False)
    received = await answers(whole, *pieces, count=count)
    assert received == await answers(by_messages, *pieces, count=count)
    assert [b"HTTP/1.1 202 Accepted" in answer for answer in received[:count]] == [True] * count
    assert whole.whole_bodies == whole_bodies


async def test_a_client_that_is_gone_is_answered_by_nobody() -> None:
    echo = Echo(is_whole=True)
    application = Recorder(echo)
    async with connected(HttpToolsProtocol, application) as (_, writer):
        writer.write(POST)
        await writer.drain()
        await asyncio.sleep(0.005)
        writer.transport.abort()
        async with asyncio.timeout(5):
            while echo.answered == 0:  # noqa: ASYNC110  # the application has no event to wait for
                await asyncio.sleep(0.01)
    assert application.writes == 0


async def test_an_answer_leaves_in_one_piece() -> None:
    """The control, uvicorn's own way, writes twice."""
    writes = {}
    for is_whole in (True, False):
        application = Recorder(Echo(is_whole=is_whole))
        await answers(application, POST)
        writes[is_whole] = application.writes
    assert writes == {True: 1, False: 2}


class Recorder:
    """Counts what an application has its connection write."""

    def __init__(self, application: Any) -> None:
        self.application = application
        self.writes = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        cycle = send.__self__
        cycle.transport = Counting(cycle.transport, self)
        await self.application(scope, receive, send)


class Counting:
    """A transport that counts."""

    def __init__(self, transport: Any, recorder: Recorder) -> None:
        self._transport = transport
        self._recorder = recorder

    def write(self, data: bytes) -> None:
        """Count, and write."""
        self._recorder.writes += 1
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


async def test_beside_another_server_asgi_is_asked() -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"abc"}

    async def send(message: dict[str, Any]) -> None:
        raise AssertionError(message)

    assert whole_body(receive) is None
    assert send_whole(send, 202, REST) is False
    with suppress(AttributeError):
        assert whole_body([].append) is None  # a method, but of nobody who serves
