"""The same requests in one piece, which go past ASGI, and in two, which do not: the results must be equal."""

import gzip
import json
from uuid import UUID

import pytest

from tests.fixtures.queue_messages import messages
from tests.integration.ingest_api.conftest import (
    CollectorProcess,
    answer_to,
    dead_letters,
    header_of,
    make_body,
    make_event,
)

ALLOWED = "https://shop.example.com"


def lines_of(answer: bytes) -> list[bytes]:
    """The lines of an answer, without its date."""
    return sorted(line for line in answer.split(b"\r\n") if not line.startswith(b"date: "))


async def both_ways(collector: CollectorProcess, body: bytes, **headers: str) -> tuple[list[bytes], list[bytes]]:
    """The lines of the answers to a request in one piece and in two."""
    header = header_of(body, headers)
    return lines_of(await answer_to(collector, header + body)), lines_of(await answer_to(collector, header, body))


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        pytest.param(make_body(), {}, 202, id="an event"),
        pytest.param(make_body(make_event(), make_event()), {"origin": ALLOWED}, 202, id="two of a page"),
        pytest.param(make_body(make_event(), make_event(name="No Name")), {"origin": ALLOWED}, 202, id="a bad one"),
        pytest.param(make_body(make_event(name="No Name")), {}, 202, id="only a bad one"),
        pytest.param(gzip.compress(make_body()), {"content-encoding": "gzip"}, 202, id="compressed"),
        pytest.param(b"no gzip", {"content-encoding": "gzip"}, 422, id="not compressed"),
        pytest.param(make_body(), {"content-encoding": "br"}, 415, id="compressed otherwise"),
        pytest.param(make_body(), {"origin": "https://evil.example.com"}, 403, id="a page of another origin"),
        pytest.param(b"{}", {"origin": ALLOWED}, 422, id="no batch"),
        pytest.param(b"", {}, 422, id="nothing"),
        pytest.param(make_body(*[make_event()] * 501), {}, 422, id="too many"),
    ],
)
async def test_a_request_gets_the_same_answer_in_one_piece_and_in_two(
    collector: CollectorProcess, body: bytes, headers: dict[str, str], status: int
) -> None:
    whole, in_pieces = await both_ways(collector, body, host=collector.host, **headers)
    assert whole == in_pieces
    assert any(line.startswith(b"HTTP/1.1 %d " % status) for line in whole)


async def test_an_unknown_host_gets_the_same_refusal_in_one_piece_and_in_two(collector: CollectorProcess) -> None:
    whole, in_pieces = await both_ways(collector, make_body(), host="nobody.test")
    assert whole == in_pieces
    assert b"HTTP/1.1 404 Not Found" in whole


async def test_stored_events_are_the_same_in_one_piece_and_in_two(collector: CollectorProcess) -> None:
    good, bad = make_event(user={"email": "ANA@example.com"}), make_event(name="No Name")
    await both_ways(collector, make_body(good, bad), host=collector.host, **{"user-agent": "Firefox", "sec-gpc": "1"})
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
