"""Ambiguous requests are refused and their connection is closed, so that none hides another request."""

import asyncio
from typing import Any

import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ingest_api.server.direct import DirectProtocol
from tests.fixtures.served import connected
from tests.unit.ingest_api.server.test_direct import read_all

HIDDEN = b"GET /hidden HTTP/1.1\r\nhost: victim\r\n\r\n"
Seen = list[tuple[str, str, bytes]]


async def sent(protocol: type[HttpToolsProtocol], request: bytes) -> tuple[Seen, list[bytes], bool]:
    """The application's requests (path, host, body), the statuses, and whether the connection was closed."""
    seen: Seen = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        body = await read_all(receive)
        seen.append((scope["path"], b",".join(v for n, v in scope["headers"] if n == b"host").decode(), body))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    async with connected(protocol, application) as (reader, writer):
        writer.write(request)
        answer = b""
        try:
            async with asyncio.timeout(0.5):
                while piece := await reader.read(1000):
                    answer += piece
        except TimeoutError:
            return seen, statuses(answer), False
        return seen, statuses(answer), True


def statuses(answer: bytes) -> list[bytes]:
    """Of each of several answers."""
    return [line[9:12] for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]


def post(*lines: bytes, rest: bytes = b"", version: bytes = b"1.1") -> bytes:
    """A POST to one host with these lines in its header, and what follows."""
    return b"\r\n".join([b"POST /t HTTP/" + version, b"host: x", *lines, b"", rest])


CHUNKS = b"3\r\nabc\r\n0\r\n\r\n"
LENGTH, CHUNKED = b"content-length: 3", b"transfer-encoding: chunked"
TWICE_AS_LONG = b"content-length: %d" % (3 + len(HIDDEN))


async def test_two_requests_that_are_in_order_are_both_seen() -> None:
    """The control of all below: neither is read as a part of the other."""
    in_chunks = post(CHUNKED, rest=CHUNKS)
    for first in (post(LENGTH, rest=b"abc"), in_chunks, in_chunks.replace(b": chunked", b":Chunked ")):
        seen, answered, _ = await sent(DirectProtocol, first + HIDDEN)
        assert seen == [("/t", "x", b"abc"), ("/hidden", "victim", b"")]
        assert answered == [b"200", b"200"]


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(post(b"host: y", LENGTH, rest=b"abc"), id="two hosts"),
        pytest.param(post(b"Host: x", LENGTH, rest=b"abc"), id="the same host twice"),
        pytest.param(post(LENGTH, rest=b"abc").replace(b"host: x\r\n", b""), id="no host"),
        pytest.param(post(b"transfer-encoding: gzip, chunked", rest=CHUNKS), id="another coding and chunked"),
        pytest.param(post(b"transfer-encoding: chunked, chunked", rest=CHUNKS), id="chunked twice"),
        pytest.param(post(CHUNKED, CHUNKED, rest=CHUNKS), id="chunked in two lines"),
        pytest.param(post(b"transfer-encoding: identity", CHUNKED, rest=CHUNKS), id="identity and chunked"),
        pytest.param(post(CHUNKED, b"transfer-encoding: identity", rest=CHUNKS), id="chunked and identity"),
        pytest.param(post(b"transfer-encoding: xchunked", LENGTH, rest=b"abc"), id="nearly chunked"),
        pytest.param(post(b"transfer-encoding:", LENGTH, rest=b"abc"), id="no coding"),
        pytest.param(post(b"transfer-encoding: chunked;x=y", rest=CHUNKS), id="chunked with a parameter"),
        pytest.param(post(b'transfer-encoding: "chunked"', rest=CHUNKS), id="chunked in quotes"),
        pytest.param(post(b"transfer-encoding: \x0bchunked", rest=CHUNKS), id="chunked after a vertical tab"),
        pytest.param(post(CHUNKED, rest=CHUNKS, version=b"1.0"), id="chunked before it was invented"),
        pytest.param(post(b"transfer-encoding : chunked", LENGTH, rest=b"abc"), id="a space before the colon"),
        pytest.param(post(b"transfer-encoding:", b" chunked", rest=CHUNKS), id="chunked on a line that goes on"),
        pytest.param(post(LENGTH, CHUNKED, rest=CHUNKS), id="a length and chunks"),
        pytest.param(post(CHUNKED, TWICE_AS_LONG, rest=CHUNKS), id="chunks and a length"),
        pytest.param(post(LENGTH, TWICE_AS_LONG, rest=b"abc"), id="two lengths"),
        pytest.param(post(LENGTH, LENGTH, rest=b"abc"), id="the same length twice"),
        pytest.param(post(b"content-length: 3, 3", rest=b"abc"), id="a list of lengths"),
        pytest.param(post(b"content-length: +3", rest=b"abc"), id="a length with a sign"),
        pytest.param(post(b"content-length: -3", rest=b"abc"), id="a negative length"),
        pytest.param(post(b"content-length: 0x3", rest=b"abc"), id="a length in hexadecimal"),
        pytest.param(post(b"content-length: 3_0", rest=b"abc"), id="a length as Python reads it"),
        pytest.param(post(b"content-length: 18446744073709551619", rest=b"abc"), id="a length of 2^64 and 3"),
        pytest.param(post(CHUNKED, rest=b"+3\r\nabc\r\n0\r\n\r\n"), id="a chunk with a sign"),
        pytest.param(post(CHUNKED, rest=b"0x3\r\nabc\r\n0\r\n\r\n"), id="a chunk with a prefix"),
        pytest.param(post(CHUNKED, rest=b"10000000000000003\r\nabc\r\n0\r\n\r\n"), id="a chunk of 2^64 and 3"),
        pytest.param(post(CHUNKED, rest=b"3\nabc\n0\n\n"), id="chunks that end with a bare line feed"),
        pytest.param(post(CHUNKED, rest=b"3\r\nabcXX0\r\n\r\n"), id="a chunk with no end"),
        pytest.param(post(CHUNKED, rest=b"3;a\nb\r\nabc\r\n0\r\n\r\n"), id="a line feed in a chunk's extension"),
        pytest.param(post(b"x: a\nhost: y", LENGTH, rest=b"abc"), id="a host after a bare line feed"),
        pytest.param(post(b"x: a\rhost: y", LENGTH, rest=b"abc"), id="a host after a bare carriage return"),
        pytest.param(post(b"x: a\0b", LENGTH, rest=b"abc"), id="a NUL in a header"),
        pytest.param(post(b"x\0y: a", LENGTH, rest=b"abc"), id="a NUL in a name"),
        pytest.param(post(LENGTH, rest=b"abc").replace(b"/t", b"ftp://y/t"), id="an address of another protocol"),
        pytest.param(post(LENGTH, rest=b"abc").replace(b"/t", b"http://x@y/t"), id="an address with a user"),
        pytest.param(post(LENGTH, rest=b"abc").replace(b"/t", b"http:///t"), id="an address without a host"),
        pytest.param(post(LENGTH, rest=b"abc").replace(b"/t", b"t"), id="no address"),
        pytest.param(post(LENGTH, rest=b"abc").replace(b"POST /t", b"CONNECT y:80"), id="a tunnel"),
    ],
)
async def test_ambiguous_framing_is_refused_and_hides_no_request(request_: bytes) -> None:
    seen, answered, is_closed = await sent(DirectProtocol, request_ + HIDDEN)
    assert [path for path, _, _ in seen if path != "/t"] == []
    assert (answered[-1:], is_closed) == ([b"400"], True)
    assert b"200" not in answered


@pytest.mark.parametrize(
    ("target", "path", "host"),
    [
        (b"http://Other.test/t?a=b", "/t", "Other.test"),
        (b"HTTPS://other.test:8443/t", "/t", "other.test:8443"),
        (b"http://other.test", "/", "other.test"),
        (b"http://other.test?a=b", "/", "other.test"),
        (b"http://[::1]:80/t", "/t", "[::1]:80"),
    ],
)
async def test_the_host_of_an_absolute_address_overrides_the_header(target: bytes, path: str, host: str) -> None:
    """The control is uvicorn's own protocol, which believes the header."""
    request = post(LENGTH, rest=b"abc").replace(b"/t", target)
    assert (await sent(DirectProtocol, request))[0] == [(path, host, b"abc")]
    if path == "/t":  # uvicorn fails where there is no path
        assert [seen[1] for seen in (await sent(HttpToolsProtocol, request))[0]] == ["x"]
