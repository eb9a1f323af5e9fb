"""A header that does not end, byte by byte, on connections that are new and on such that were kept."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from ingest_api.slow_headers import PatientProtocol

REQUEST = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


class Impatient(PatientProtocol):
    """With a limit a test can wait for."""

    header_seconds = 0.3


async def application(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
    await asyncio.sleep(0.6 if scope["path"] == "/slow" else 0)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def connected(
    protocol: type[HttpToolsProtocol],
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to a server that speaks through `protocol`."""
    config = uvicorn.Config(application, ws="none", lifespan="off")
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: protocol(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    try:
        yield reader, writer
    finally:
        writer.close()
        server.close()


async def is_closed_while_dribbling(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Whether the server closes the connection during a second in which a byte comes every twentieth."""
    ended = asyncio.create_task(reader.read())
    for byte in b"GET / HTTP/1.1\r\nx: y":
        with suppress(ConnectionError):
            writer.write(bytes([byte]))
            await writer.drain()
        await asyncio.sleep(0.05)
    is_closed = ended.done()
    ended.cancel()
    with suppress(asyncio.CancelledError, ConnectionError):
        await ended
    return is_closed


@pytest.mark.parametrize(("protocol", "is_closed"), [(Impatient, True), (HttpToolsProtocol, False)])
async def test_a_header_that_does_not_end_ends_its_connection(
    protocol: type[HttpToolsProtocol], is_closed: bool
) -> None:
    """The control is uvicorn's own protocol, which waits on."""
    async with connected(protocol) as (reader, writer):
        assert await is_closed_while_dribbling(reader, writer) is is_closed


@pytest.mark.parametrize(("protocol", "is_closed"), [(Impatient, True), (HttpToolsProtocol, False)])
async def test_so_does_one_after_a_request_that_was_answered(
    protocol: type[HttpToolsProtocol], is_closed: bool
) -> None:
    async with connected(protocol) as (reader, writer):
        writer.write(REQUEST)
        assert (await reader.readuntil(b"\r\n\r\nok")).startswith(b"HTTP/1.1 200")
        assert await is_closed_while_dribbling(reader, writer) is is_closed


async def test_a_slow_answer_and_a_pause_between_requests_end_nothing() -> None:
    async with connected(Impatient) as (reader, writer):
        for path in (b"/slow", b"/slow"):
            writer.write(REQUEST.replace(b"/", path, 1))
            assert (await reader.readuntil(b"\r\n\r\nok")).startswith(b"HTTP/1.1 200")
            await asyncio.sleep(0.5)


async def test_a_connection_that_sends_nothing_is_closed() -> None:
    async with connected(Impatient) as (reader, _), asyncio.timeout(10):
        with suppress(ConnectionError):
            assert await reader.read() == b""


@pytest.mark.parametrize(("protocol", "is_closed"), [(PatientProtocol, True), (HttpToolsProtocol, False)])
async def test_a_header_that_grows_ends_its_connection(protocol: type[HttpToolsProtocol], is_closed: bool) -> None:
    """The control is uvicorn's own protocol, which reads on."""
    async with connected(protocol) as (reader, writer):
        ended = asyncio.create_task(reader.read())
        writer.write(b"GET / HTTP/1.1\r\n")
        for _ in range(30):
            with suppress(ConnectionError):
                writer.write(b"x: " + b"y" * 10_000 + b"\r\n")
                await writer.drain()
            await asyncio.sleep(0.01)
        assert ended.done() is is_closed
        ended.cancel()
        with suppress(asyncio.CancelledError, ConnectionError):
            await ended


async def test_a_large_body_is_no_header() -> None:
    async with connected(PatientProtocol) as (reader, writer):
        for _ in range(2):
            writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 300000\r\n\r\n" + b"z" * 300_000)
            assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
