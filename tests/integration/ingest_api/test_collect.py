"""The collect path through a real process and a real queue: what is answered, and what is stored."""

import gzip
import json

import pytest

from echolead.events import decode_event
from tests.integration.ingest_api.conftest import (
    CollectorProcess,
    dead_letters,
    make_body,
    make_event,
    stored_event_ids,
    stored_requests,
)


async def test_a_202_means_that_the_event_is_in_the_queue(collector: CollectorProcess) -> None:
    event = make_event(user={"email": " Ana@Example.COM", "phone": "(11) 98765-4321"})
    async with collector.client() as client:
        answer = await client.post("/t", content=make_body(event), headers={"user-agent": "Firefox", "sec-gpc": "1"})
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "rejected": []})
    [request] = [each for each in await stored_requests(collector) if event["event_id"].encode() in bytes(each.events[0].event)]  # type: ignore[attr-defined]  # fmt: skip  # noqa: E501
    assert (request.host, request.ip, request.user_agent) == (collector.host, "127.0.0.0", "Firefox")
    assert request.client_hints == {"sec-gpc": "1"}
    assert json.loads(bytes(request.events[0].event)) == event
    user = request.events[0].user
    assert user is not None
    assert (user.email, user.phone) == ("ana@example.com", "+5511987654321")
    assert user.phone_variants == ["+5511987654321", "+551187654321"]


async def test_a_bad_event_costs_only_itself_and_becomes_a_dead_letter(collector: CollectorProcess) -> None:
    good, bad = make_event(), make_event(name="Not A Name")
    async with collector.client() as client:
        answer = await client.post("/t", content=make_body(good, bad))
    assert answer.status_code == 202
    [rejected] = answer.json()["rejected"]
    assert (answer.json()["accepted"], rejected["index"], rejected["event_id"]) == (1, 1, bad["event_id"])
    assert good["event_id"] in await stored_event_ids(collector)
    [letter] = [each for each in await dead_letters(collector) if each.event_id == bad["event_id"]]
    assert (letter.stage, letter.reason, letter.index, json.loads(letter.payload)) == (
        "collector",
        "invalid_event",
        1,
        bad,
    )


async def test_a_repeated_request_gets_the_same_answer_and_its_copies_share_event_ids(
    collector: CollectorProcess,
) -> None:
    """A browser whose answer was lost sends again; the warehouse knows the copies by tenant and event id."""
    event = make_event()
    async with collector.client() as client:
        answers = [await client.post("/t", content=make_body(event)) for _ in range(3)]
    assert [(each.status_code, each.json()) for each in answers] == [(202, {"accepted": 1, "rejected": []})] * 3
    stored = [bytes(each.event) for request in await stored_requests(collector) for each in request.events]
    assert [json.loads(each) for each in stored if str(event["event_id"]).encode() in each] == [event] * 3


async def test_scripts_of_several_versions_are_served_side_by_side(collector: CollectorProcess) -> None:
    """What a newer one added is kept as it was sent, and a field that changed its type costs that event only."""
    old = make_event()
    new = make_event(score={"of": [1, 2.5, None]}, page={"url": "https://shop.example.com/", "language": "pt"})
    changed = make_event(page="https://shop.example.com/")
    async with collector.client() as client:
        answer = await client.post("/t", content=make_body(old, new, changed))
    assert (answer.status_code, answer.json()["accepted"]) == (202, 2)
    assert [each["reason"] for each in answer.json()["rejected"]] == ["invalid_event"]
    stored = [json.loads(bytes(each.event)) for request in await stored_requests(collector) for each in request.events]
    assert [each for each in stored if each["event_id"] in (old["event_id"], new["event_id"])] == [old, new]
    [letter] = [each for each in await dead_letters(collector) if each.event_id == changed["event_id"]]
    assert json.loads(letter.payload) == changed


async def test_pretty_printed_and_compressed_events_are_one_line_each(collector: CollectorProcess) -> None:
    event = make_event()
    body = gzip.compress(json.dumps({"events": [event]}, indent=2).replace("\n", "\r\n").encode())
    async with collector.client() as client:
        answer = await client.post("/t", content=body, headers={"content-encoding": "gzip"})
    assert answer.status_code == 202
    assert event["event_id"] in await stored_event_ids(collector)


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        pytest.param("https://shop.example.com", True, id="on the tenant's list"),
        pytest.param("http://{host}", True, id="the tenant's own host"),
        pytest.param("https://{host}:8443", True, id="the tenant's own host on another port"),
        pytest.param("https://evil.example.com", False, id="another origin"),
        pytest.param("https://shop.example.com.evil.test", False, id="a longer name"),
        pytest.param("null", False, id="a sandboxed frame"),
    ],
)
async def test_only_the_tenants_pages_may_read_answers(collector: CollectorProcess, origin: str, allowed: bool) -> None:
    origin = origin.format(host=collector.host)
    async with collector.client() as client:
        answer = await client.post("/t", content=make_body(), headers={"origin": origin})
        preflight = await client.options("/t", headers={"origin": origin, "access-control-request-method": "POST"})
        refused = await client.post("/t", content=b"no batch", headers={"origin": origin})
    expected = origin if allowed else None
    is_foreign = not allowed and origin != "null"
    statuses = [each.status_code for each in (answer, preflight, refused)]
    assert statuses == ([403, 204, 403] if is_foreign else [202, 204, 422])
    for each in (answer, preflight, refused):
        assert each.headers.get("access-control-allow-origin") == expected
        assert each.headers["vary"] == "Origin"
        assert "access-control-allow-credentials" not in each.headers
    assert ("access-control-allow-methods" in preflight.headers) is allowed


@pytest.mark.parametrize(
    ("method", "host", "body", "headers", "status", "problem"),
    [
        pytest.param("POST", "nobody.test", None, {}, 404, "unknown-host", id="an unknown host"),
        pytest.param("POST", "", None, {}, 404, "unknown-host", id="no host"),
        pytest.param("GET", None, None, {}, 405, "method-not-allowed", id="another method"),
        pytest.param("POST", None, b" " * (1024**2 + 1), {}, 413, "body-too-large", id="over 1 MB"),
        pytest.param(
            "POST", None, gzip.compress(b" " * 50 * 1024**2), {"content-encoding": "gzip"}, 413, "body-too-large",
            id="over 1 MB decompressed",
        ),
        pytest.param("POST", None, None, {"content-encoding": "br"}, 415, "unsupported-encoding", id="brotli"),
        pytest.param("POST", None, b"{}", {"content-encoding": "gzip"}, 422, "not-a-batch", id="not gzip"),
        pytest.param("POST", None, b"", {}, 422, "not-a-batch", id="empty body"),
        pytest.param("POST", None, b'{"events":[]}', {}, 422, "not-a-batch", id="no events"),
        pytest.param("POST", None, b'{"events":[' + b"1," * 500 + b"1]}", {}, 422, "too-many-events", id="501 events"),
    ],
)  # fmt: skip
async def test_a_request_that_cannot_be_served_gets_a_problem_document(
    collector: CollectorProcess,
    method: str,
    host: str | None,
    body: bytes | None,
    headers: dict[str, str],
    status: int,
    problem: str,
) -> None:
    host_header = {} if host is None else {"host": host}
    async with collector.client() as client:
        answer = await client.request(
            method, "/t", content=make_body() if body is None else body, headers={**host_header, **headers}
        )
        page = await client.get(answer.json()["type"])
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["type"] == f"/problems/{problem}"
    assert answer.json()["status"] == status
    assert page.status_code == 200
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "server" not in answer.headers


async def test_a_body_without_a_declared_length_is_cut_at_the_limit(collector: CollectorProcess) -> None:
    async def endless():  # type: ignore[no-untyped-def]
        for _ in range(40):
            yield b" " * 65_536

    async with collector.client() as client:
        answer = await client.post("/t", content=endless())
    assert answer.status_code == 413


async def test_the_pixel_stores_a_page_view(collector: CollectorProcess) -> None:
    page = f"https://{collector.host}/oferta?utm_source=news&x=%00"
    async with collector.client() as client:
        answer = await client.get("/t.gif", headers={"referer": page})
        elsewhere = await client.get("/t.gif", headers={"host": "nobody.test"})
        strange = await client.get("/t.gif?url=%00%ff%ed%a0%80&url[=" + "&a" * 2000, headers={"referer": ""})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/gif")
    assert (elsewhere.status_code, strange.status_code) == (404, 200)
    request, _ = [each for each in await stored_requests(collector) if each.source == "pixel"]
    event = decode_event(request.events[0].event)
    assert (event.name, event.page.url, event.page.query) == ("page_view", page, "utm_source=news&x=%00")
    assert (event.event_id.version, len({event.event_id, event.tracking_id, event.session_id})) == (7, 3)


async def test_a_host_is_found_with_port_case_and_final_dot(collector: CollectorProcess) -> None:
    async with collector.client() as client:
        for host in (f"{collector.host}:8700", collector.host.upper(), f"{collector.host}."):
            assert (await client.post("/t", content=make_body(), headers={"host": host})).status_code == 202


async def test_the_host_a_trusted_proxy_forwards_counts(collector: CollectorProcess) -> None:
    async with collector.client() as client:
        forwarded = {"host": "10.0.0.1:8080", "x-forwarded-host": collector.host}
        assert (await client.post("/t", content=make_body(), headers=forwarded)).status_code == 202
