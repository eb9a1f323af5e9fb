"""Protections of the collector, each with a control (docs/reference/collector-security.md)."""

import asyncio
import gzip
import json
from typing import Any

import pytest

from echolead.embedded.nats import EmbeddedNats
from ingest_api.http import bodies as bodies_module
from ingest_api.http.bodies import Bodies
from ingest_api.http.problems import Problem
from ingest_api.metrics import Metrics
from tests.integration.ingest_api.conftest import (
    CollectorProcess,
    MakeCollector,
    answer_to,
    connected,
    make_body,
    make_event,
    stored_requests,
)
from tests.integration.ingest_api.load import held

ELSEWHERE = "198.41.0.4"


@pytest.mark.parametrize("path", ["/t", "/t.js", "/t.gif", "/t/i", "/v1/events", "/v1/login", "/healthz", "/docs"])
async def test_trace_is_refused_on_every_path(collector: CollectorProcess, path: str) -> None:
    """Control: a server that answers TRACE returns the request, with headers that a script may not read."""
    async with collector.client() as client:
        answer = await client.request("TRACE", path, headers={"x-secret": "told-back"})
    assert answer.status_code == 405
    assert "allow" in answer.headers
    assert "told-back" not in answer.text


async def test_answers_do_not_name_the_server(collector: CollectorProcess) -> None:
    """Also those that uvicorn makes itself: of a request it cannot read, and of one that failed."""
    head = f"host: {collector.host}\r\nconnection: close\r\n\r\n".encode()
    requests = [b"GET /healthz HTTP/1.1\r\n" + head, b"GET /t.gif HTTP/1.1\r\n" + head, b"no HTTP\r\n\r\n"]
    answers = [await answer_to(collector, request) for request in requests]
    assert [answer[9:12] for answer in answers] == [b"200", b"200", b"400"]
    assert b"text/plain" in answers[2].lower(), "the parser's own answer is no problem document"
    for answer in answers:
        lower = answer.lower()
        assert not any(word in lower for word in (b"server:", b"x-powered-by", b"uvicorn", b"python", b"fastapi"))


async def test_pages_of_the_tenant_may_only_call_the_collect_paths(collector: CollectorProcess) -> None:
    """Control: the same page may post events."""
    page = {"origin": "https://shop.example.com"}
    async with collector.client() as client:
        refused = [
            await client.post("/v1/events", content=make_body(), headers=page),
            await client.get("/v1/me", headers=page),
        ]
        taken = await client.post("/t", content=make_body(), headers=page)
    assert [answer.status_code for answer in (*refused, taken)] == [401, 401, 202]
    assert not any("access-control-allow-origin" in answer.headers for answer in refused)


async def test_json_sent_as_text_is_accepted_on_the_collect_paths_only(collector: CollectorProcess) -> None:
    """A form of another site can send text/plain without a preflight; control: the same body as JSON is read."""
    body = json.dumps({"email": "ana@acme.example", "password": "wrong-wrong"})
    async with collector.client() as client:
        as_text = await client.post("/v1/login", content=body, headers={"content-type": "text/plain"})
        as_json = await client.post("/v1/login", content=body, headers={"content-type": "application/json"})
        event = await client.post("/t", content=make_body(), headers={"content-type": "text/plain"})
    assert (as_text.status_code, as_json.status_code, event.status_code) == (422, 401, 202)


@pytest.mark.parametrize(("trusted", "kept"), [("127.0.0.1", "198.41.0.0"), ("10.0.0.0/8", "127.0.0.0")])
async def test_forwarded_addresses_count_from_trusted_proxies_only(
    streams: EmbeddedNats, collector_beside: MakeCollector, trusted: str, kept: str
) -> None:
    """The first is the control: the same request through a proxy that is trusted."""
    collector = collector_beside(streams, ECHOLEAD_TRUSTED_PROXIES=trusted)
    with collector.running():
        async with collector.client() as client:
            forwarded = {"x-forwarded-for": ELSEWHERE, "x-forwarded-host": "nobody.test"}
            own = {"x-forwarded-for": ELSEWHERE}
            lie = await client.post("/t", content=make_body(), headers=forwarded)
            assert lie.status_code == (404 if trusted == "127.0.0.1" else 202)
            assert (await client.post("/t", content=make_body(), headers=own)).status_code == 202
            metrics = await client.get("/metrics", headers=own)
        assert {request.ip for request in await stored_requests(collector)} == {kept}
    assert metrics.status_code == (404 if trusted == "127.0.0.1" else 200)


async def test_privacy_signals_and_consent_are_stored_with_the_event(collector: CollectorProcess) -> None:
    consent = {"purposes": {"analytics": True, "marketing": False}, "basis": "consent", "policy_version": "3"}
    event = make_event(consent=consent)
    async with collector.client() as client:
        await client.post("/t", content=make_body(event), headers={"sec-gpc": "1", "dnt": "1"})
        await client.post("/t", content=make_body(make_event()))
    choosing, silent = (await stored_requests(collector))[-2:]
    assert choosing.client_hints == {"sec-gpc": "1", "dnt": "1"}
    assert json.loads(bytes(choosing.events[0].event))["consent"] == consent
    assert silent.client_hints == {}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        pytest.param("/t", make_body(), b" 202 ", id="events"),
        pytest.param("/v1/login", b'{"email":"a@b.example","password":"wrong"}', b" 401 ", id="signing in"),
    ],
)
async def test_a_slow_body_is_refused(collector: CollectorProcess, path: str, body: bytes, status: bytes) -> None:
    """Control: the same body at once, over the same kind of connection, is answered."""
    head = f"POST {path} HTTP/1.1\r\nhost: {collector.host}\r\nconnection: close\r\n"
    head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    assert status in await answer_to(collector, head.encode() + body)
    async with connected(collector) as (reader, writer), asyncio.timeout(bodies_module.READ_TIMEOUT_SECONDS + 20):
        writer.write(head.encode() + body[:-1])
        answer = await reader.readuntil(b"}")
    assert b" 408 " in answer
    assert b"/problems/slow-request" in answer


async def test_an_oversized_sign_in_body_is_not_read(collector: CollectorProcess) -> None:
    async with collector.client() as client:
        answer = await client.post("/v1/login", json={"email": "a@b.example", "password": "x" * 2_000_000})
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/body-too-large")


@pytest.mark.parametrize("path", ["/v1/events/", "/docs/", "/v1/webhooks/chatwoot/x/"])
async def test_an_extra_slash_does_not_redirect(collector: CollectorProcess, path: str) -> None:
    async with collector.client() as client:
        answer = await client.post(path, content=b"{}", headers={"host": "evil.test"})
    assert (answer.status_code, answer.headers.get("location")) == (404, None)


async def test_unpacking_a_bomb_stops_at_the_limit() -> None:
    """60 MB in 60 KB. Control: one byte less than the limit is unpacked."""

    async def receive_bomb() -> dict[str, Any]:
        return {"type": "http.request", "body": gzip.compress(b" " * 60 * 1024**2)}

    async def receive_largest() -> dict[str, Any]:
        return {"type": "http.request", "body": gzip.compress(b" " * (1024**2 - 1))}

    reading = Bodies(8 * 1024**2, Metrics().in_flight_bytes)
    headers = {b"content-encoding": b"gzip"}
    with pytest.raises(Problem) as refused:
        await reading.read(headers, receive_bomb)  # type: ignore[arg-type]
    assert (refused.value.kind.name, reading.in_flight) == ("body-too-large", 0)
    assert len(await reading.read(headers, receive_largest)) == 1024**2 - 1  # type: ignore[arg-type]


async def test_too_many_bytes_at_once_get_503_with_retry_after(
    streams: EmbeddedNats, collector_beside: MakeCollector
) -> None:
    """Control: with room for both the second is taken."""
    for megabytes, statuses in (("1", (503, 202)), ("8", (202, 202))):
        collector = collector_beside(streams, ECHOLEAD_COLLECTOR_IN_FLIGHT_MB=megabytes)
        with collector.running():
            first, second = await two_at_once(collector)
            async with collector.client() as client:
                after = await client.post("/t", content=make_body())
        assert (second, after.status_code) == statuses
        assert first == 202


async def two_at_once(collector: CollectorProcess) -> tuple[int, int]:
    """The statuses of a request whose last byte waits until a second one, as large, has been answered."""
    body = make_body(*(make_event(properties={"x": "y" * 60_000}) for _ in range(10)))
    head = f"POST /t HTTP/1.1\r\nhost: {collector.host}\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
    async with connected(collector) as (reader, writer):
        writer.write(head.encode() + body[:-1])
        await writer.drain()
        async with collector.client() as client:
            await held(client, len(body) - 1)
            second = await client.post("/t", content=body)
        writer.write(body[-1:])
        async with asyncio.timeout(10):
            answer = await reader.read()
    return int(answer[9:12]), second.status_code
