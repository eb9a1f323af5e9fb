"""The same requests in one piece, which goes past ASGI, and in two, which does not: nobody may tell the difference."""

import asyncio
import gzip
import json
from uuid import UUID

import pytest

from tests.integration.ingest_api.conftest import (
    CollectorProcess,
    dead_letters,
    make_body,
    make_event,
    messages,
)

ALLOWED = "https://shop.example.com"


async def answer_to(collector: CollectorProcess, header: bytes, body: bytes, *, in_pieces: bool) -> list[bytes]:
    """The lines of an answer, without its date."""
    reader, writer = await asyncio.open_connection("127.0.0.1", collector.port)
    async with asyncio.timeout(10):
        if in_pieces:
            writer.write(header)
            await writer.drain()
            await asyncio.sleep(0.05)
            writer.write(body)
        else:
            writer.write(header + body)
        received = await reader.read()
    writer.close()
    return sorted(line for line in received.split(b"\r\n") if not line.startswith(b"date: "))


def header_of(body: bytes, host: str, **headers: str) -> bytes:
    """Of a request after which the connection is closed."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    start = ["POST /t HTTP/1.1", f"host: {host}", "connection: close", f"content-length: {len(body)}"]
    return "\r\n".join([*start, *lines, "", ""]).encode()


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        pytest.param(make_body(), {}, 202, id="an event"),
        pytest.param(make_body(make_event(), make_event()), {"origin": ALLOWED}, 202, id="two of a page"),
        pytest.param(make_body(make_event(), make_event(name="No Name")), {"origin": ALLOWED}, 202, id="a bad one"),
        pytest.param(make_body(make_event(name="No Name")), {}, 202, id="only a bad one"),
        pytest.param(gzip.compress(make_body()), {"content_encoding": "gzip"}, 202, id="compressed"),
        pytest.param(b"no gzip", {"content_encoding": "gzip"}, 422, id="not compressed"),
        pytest.param(make_body(), {"content_encoding": "br"}, 415, id="compressed otherwise"),
        pytest.param(make_body(), {"origin": "https://evil.example.com"}, 403, id="somebody else's page"),
        pytest.param(b"{}", {"origin": ALLOWED}, 422, id="no batch"),
        pytest.param(b"", {}, 422, id="nothing"),
        pytest.param(make_body(*[make_event()] * 501), {}, 422, id="too many"),
    ],
)
async def test_an_answer_is_the_same_in_one_piece_and_in_two(
    collector: CollectorProcess, body: bytes, headers: dict[str, str], status: int
) -> None:
    header = header_of(body, collector.host, **headers)
    whole = await answer_to(collector, header, body, in_pieces=False)
    assert whole == await answer_to(collector, header, body, in_pieces=True)
    assert any(line.startswith(b"HTTP/1.1 %d " % status) for line in whole)


async def test_a_host_nobody_has_is_refused_alike(collector: CollectorProcess) -> None:
    body = make_body()
    whole = await answer_to(collector, header_of(body, "nobody.test"), body, in_pieces=False)
    assert whole == await answer_to(collector, header_of(body, "nobody.test"), body, in_pieces=True)
    assert b"HTTP/1.1 404 Not Found" in whole


async def test_what_is_stored_is_the_same_in_one_piece_and_in_two(collector: CollectorProcess) -> None:
    good, bad = make_event(user={"email": "ANA@example.com"}), make_event(name="No Name")
    body = make_body(good, bad)
    header = header_of(body, collector.host, user_agent="Firefox", sec_gpc="1")
    for in_pieces in (False, True):
        await answer_to(collector, header, body, in_pieces=in_pieces)
    own = str(good["event_id"]).encode()
    stored = [
        json.loads(line) for line in await messages(collector.nats, f"events.{collector.tenant_id}") if own in line
    ]
    of_bad = [letter for letter in await dead_letters(collector) if letter.event_id == bad["event_id"]]
    for each in stored:
        del each["received_at"], each["trace_id"]
    assert len(stored) == len(of_bad) == 2
    assert stored[0] == stored[1]
    assert (stored[0]["user_agent"], stored[0]["events"][0]["event"]) == ("Firefox", good)
    nobody = UUID(int=0)
    of_bad = [
        type(each)(
            dead_letter_id=nobody, tenant_id=each.tenant_id, received_at=of_bad[0].received_at, stage=each.stage,
            reason=each.reason, detail=each.detail, index=each.index, payload=each.payload, host=each.host,
        )
        for each in of_bad
    ]  # fmt: skip
    assert of_bad[0] == of_bad[1]
