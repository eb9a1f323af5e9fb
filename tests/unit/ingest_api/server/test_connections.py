"""Unfinished headers, byte by byte, on new and on kept connections."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress

import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ingest_api.server import connections
from ingest_api.server.connections import PatientProtocol
from tests.fixtures.served import connected

REQUEST = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


class Impatient(PatientProtocol):
    """With a limit a test can wait for."""

    header_seconds = 0.3


async def application(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
    await asyncio.sleep(0.6 if scope["path"] == "/slow" else 0)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def is_closed_while_sending(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pieces: Iterable[bytes], pause_seconds: float
) -> bool:
    """Whether the server closes the connection by the end of these pieces, with a pause after each."""
    ended = asyncio.create_task(reader.read())
    for piece in pieces:
        with suppress(ConnectionError):
            writer.write(piece)
            await writer.drain()
        await asyncio.sleep(pause_seconds)
    is_closed = ended.done()
    ended.cancel()
    with suppress(asyncio.CancelledError, ConnectionError):
        await ended
    return is_closed


async def is_closed_while_dribbling(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """The same during a second in which a byte of a header comes every twentieth."""
    dribble = [bytes([byte]) for byte in b"GET / HTTP/1.1\r\nx: y"]
    return await is_closed_while_sending(reader, writer, dribble, 0.05)


@pytest.mark.parametrize(("protocol", "is_closed"), [(Impatient, True), (HttpToolsProtocol, False)])
async def test_a_header_that_does_not_end_ends_its_connection(
    protocol: type[HttpToolsProtocol], is_closed: bool
) -> None:
    """The control is uvicorn's own protocol, which waits on."""
    async with connected(protocol, application) as (reader, writer):
        assert await is_closed_while_dribbling(reader, writer) is is_closed


@pytest.mark.parametrize(("protocol", "is_closed"), [(Impatient, True), (HttpToolsProtocol, False)])
async def test_an_unfinished_header_after_an_answered_request_ends_its_connection(
    protocol: type[HttpToolsProtocol], is_closed: bool
) -> None:
    async with connected(protocol, application) as (reader, writer):
        writer.write(REQUEST)
        assert (await reader.readuntil(b"\r\n\r\nok")).startswith(b"HTTP/1.1 200")
        assert await is_closed_while_dribbling(reader, writer) is is_closed


async def test_a_slow_answer_and_a_pause_between_requests_end_nothing() -> None:
    async with connected(Impatient, application) as (reader, writer):
        for path in (b"/slow", b"/slow"):
            writer.write(REQUEST.replace(b"/", path, 1))
            assert (await reader.readuntil(b"\r\n\r\nok")).startswith(b"HTTP/1.1 200")
            await asyncio.sleep(0.5)


async def test_a_connection_that_sends_nothing_is_closed() -> None:
    async with connected(Impatient, application) as (reader, _), asyncio.timeout(10):
        with suppress(ConnectionError):
            assert await reader.read() == b""


@pytest.mark.parametrize(("protocol", "is_closed"), [(PatientProtocol, True), (HttpToolsProtocol, False)])
async def test_a_header_that_grows_ends_its_connection(protocol: type[HttpToolsProtocol], is_closed: bool) -> None:
    """The control is uvicorn's own protocol, which reads on."""
    async with connected(protocol, application) as (reader, writer):
        growing = [b"GET / HTTP/1.1\r\n", *[b"x: " + b"y" * 10_000 + b"\r\n"] * 30]
        assert await is_closed_while_sending(reader, writer, growing, 0.01) is is_closed


async def test_a_large_body_does_not_count_as_header() -> None:
    async with connected(PatientProtocol, application) as (reader, writer):
        for _ in range(2):
            writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 300000\r\n\r\n" + b"z" * 300_000)
            assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")


async def unread(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
    """An application that answers without reading, with the headers it was given by then."""
    await asyncio.sleep(0.05)
    names = b",".join(name + b"=" + value for name, value in scope["headers"])
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(names))]})
    await send({"type": "http.response.body", "body": names})


CHUNKED = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"


@pytest.mark.parametrize(("protocol", "count"), [(PatientProtocol, 1), (HttpToolsProtocol, 2)])
async def test_a_trailer_is_not_a_header(protocol: type[HttpToolsProtocol], count: int) -> None:
    """The control is uvicorn's own protocol, which adds it to the headers."""
    async with connected(protocol, unread) as (reader, writer), asyncio.timeout(10):
        writer.write(CHUNKED + b"host: y\r\n\r\n")
        assert (await reader.readuntil(b"host=x") + await reader.read(500)).count(b"host=") == count


@pytest.mark.parametrize(("protocol", "is_closed"), [(PatientProtocol, True), (HttpToolsProtocol, False)])
async def test_trailers_that_do_not_end_end_their_connection(
    protocol: type[HttpToolsProtocol], is_closed: bool
) -> None:
    async with connected(protocol, unread) as (reader, writer):
        trailers = [CHUNKED, *[b"x: " + b"y" * 100_000 + b"\r\n"] * 120]
        assert await is_closed_while_sending(reader, writer, trailers, 0.005) is is_closed


@pytest.mark.parametrize(("protocol", "answers"), [(PatientProtocol, 1), (HttpToolsProtocol, 2)])
async def test_the_body_of_an_unknown_upgrade_is_not_a_request(protocol: type[HttpToolsProtocol], answers: int) -> None:
    """The control is uvicorn's own protocol, which answers what is in it."""
    upgrade = b"POST / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\ncontent-length: 26\r\n\r\n"
    async with connected(protocol, application) as (reader, writer):
        writer.write(upgrade)
        await asyncio.sleep(0.02)
        writer.write(REQUEST)
        await asyncio.sleep(0.3)
        with suppress(OSError):  # closed already
            writer.write_eof()
        assert (await asyncio.wait_for(reader.read(), 10)).count(b"HTTP/1.1 200") == answers


@pytest.mark.parametrize("afterwards", [b"b", b"\r\n"])
async def test_only_a_new_request_keeps_a_connection_open_after_an_answer(afterwards: bytes) -> None:
    """A body that is no longer read, and empty lines, which uvicorn counts as activity."""
    header = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 900\r\n\r\n" if afterwards == b"b" else REQUEST
    async with connected(PatientProtocol, unread) as (reader, writer), asyncio.timeout(20):
        writer.write(header)
        ended = asyncio.create_task(reader.read())
        while not ended.done():
            with suppress(ConnectionError):
                writer.write(afterwards)
                await writer.drain()
            await asyncio.sleep(0.1)


async def test_earlier_bodies_do_not_count_as_header() -> None:
    body = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 30000\r\n\r\n" + b"x" * 30_000
    async with connected(PatientProtocol, application) as (reader, writer), asyncio.timeout(10):
        writer.write(body * 3 + REQUEST[:10])
        await asyncio.sleep(0.1)
        writer.write(REQUEST[10:])
        for _ in range(4):
            assert b"200 OK" in await reader.readuntil(b"\r\n\r\nok")


async def test_an_early_answer_keeps_a_connection_whose_body_arrives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A client that sends header and body separately, as most do, keeps its connection."""
    monkeypatch.setattr(connections, "LINGER_SECONDS", 0.3)
    async with connected(PatientProtocol, unread) as (reader, writer), asyncio.timeout(10):
        for _ in range(2):
            writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\n")
            await reader.readuntil(b"content-length=3")
            writer.write(b"abc")
            await asyncio.sleep(0.5)
        assert not reader.at_eof()
