"""What is served beside the collect path: server events, script, health, metrics, description."""

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import brotli
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openapi_schema_validator import OAS31Validator
from psycopg import AsyncConnection
from sqlalchemy import Engine, text

from echolead.operational.api_keys import create_key
from echolead.operational.database import system_session
from echolead.operational.models import ApiKey
from echolead.operational.provision import OperationalUrls
from echolead.operational.tenants import remove_host, remove_origin, set_active
from echolead.security import new_api_key
from echolead.tenancy import MISS_SECONDS, POLL_SECONDS, DirectoryUnavailable, TenantRow, Tenants
from tests.fixtures.operational import make_tenant
from tests.fixtures.queue_messages import messages
from tests.integration.ingest_api.conftest import (
    CollectorProcess,
    MakeCollector,
    make_body,
    make_event,
    stored_event_ids,
    stored_requests,
)
from tests.integration.ingest_api.load import held

SCRIPT = "(function () { console.log('olá'); })();\n" * 20


@pytest.fixture(scope="module")
def script_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built script."""
    file = tmp_path_factory.mktemp("dist") / "t.js"
    file.write_text(SCRIPT)
    return file


@pytest.fixture(scope="module")
def collector(  # type: ignore[no-untyped-def]
    streams, system_engine: Engine, operational_urls: OperationalUrls, script_file: Path
):
    """A running collector with a script of its own."""
    process = MakeCollector(system_engine, operational_urls)(streams, ECHOLEAD_SCRIPT_FILE=str(script_file))
    with process.running():
        yield process


@pytest.fixture
def api_key(collector: CollectorProcess, system_engine: Engine) -> str:
    """A key of the collector's tenant."""
    key = new_api_key()
    with system_session(system_engine) as session:
        session.add(ApiKey(tenant_id=collector.tenant_id, name="tests", key_prefix=key.prefix, key_hash=key.key_hash))
    return key.key


async def test_a_server_sends_events_with_a_key(
    collector: CollectorProcess, api_key: str, system_engine: Engine
) -> None:
    event = make_event()
    async with collector.client() as client:
        headers = {"host": "localhost", "authorization": f"Bearer {api_key}"}
        answer = await client.post("/v1/events", content=make_body(event, make_event(name="Bad")), headers=headers)
    assert (answer.status_code, answer.json()["accepted"]) == (202, 1)
    [request] = [each for each in await stored_requests(collector) if each.source == "server"]
    assert json.loads(bytes(request.events[0].event)) == event
    assert (request.ip, request.user_agent) == ("", "")


@pytest.mark.parametrize("path", ["/v1/events", "/t"])
async def test_null_is_absent_and_a_number_its_digits_for_servers_and_pages(
    collector: CollectorProcess, api_key: str, path: str
) -> None:
    page = {"url": "https://shop.example.com/"}
    sent = make_event(page={**page, "title": None}, touch=None, user={"email": None, "phone": 5511987654321})
    async with collector.client() as client:
        headers = {"authorization": f"Bearer {api_key}"} if path == "/v1/events" else {}
        answer = await client.post(path, content=make_body(sent), headers=headers)
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "rejected": []})
    events = [event for request in await stored_requests(collector) for event in request.events]
    [(stored, user)] = [
        (event, received.user)
        for received in events
        if (event := json.loads(bytes(received.event)))["event_id"] == sent["event_id"]
    ]
    assert (stored["page"], stored["user"], "touch" in stored) == (page, {"phone": "5511987654321"}, False)
    assert user is not None
    assert (user.email, user.phone) == ("", "+5511987654321")


async def test_a_key_writes_for_its_own_tenant_on_any_host(
    collector: CollectorProcess, api_key: str, system_engine: Engine
) -> None:
    """Control: the same event without the key, which is the other tenant's by its host."""
    other = make_tenant(system_engine, hosts=["other-tenant.test"])
    by_key, by_host = make_event(), make_event()
    theirs = {"host": "other-tenant.test"}
    async with collector.client() as client:
        headers = {**theirs, "authorization": f"Bearer {api_key}"}
        assert (await client.post("/v1/events", content=make_body(by_key), headers=headers)).status_code == 202
        assert (await client.post("/t", content=make_body(by_host), headers=theirs)).status_code == 202
    others = b"".join(await messages(collector.nats, f"events.{other.tenant_id}")).decode()
    assert str(by_key["event_id"]) in await stored_event_ids(collector)
    assert str(by_key["event_id"]) not in others
    assert str(by_host["event_id"]) in others


@pytest.mark.parametrize(
    "authorization",
    [
        pytest.param("", id="none"),
        pytest.param("Bearer elk_aaaaaaaaaa_" + "x" * 43, id="an unknown key"),
        pytest.param("Bearer {key}x", id="a longer key"),
        pytest.param("Basic {key}", id="another scheme"),
    ],
)
async def test_a_wrong_key_is_refused(collector: CollectorProcess, api_key: str, authorization: str) -> None:
    async with collector.client() as client:
        headers = {"authorization": authorization.format(key=api_key)}
        answer = await client.post("/v1/events", content=make_body(), headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (401, "/problems/invalid-key")


async def test_a_revoked_key_stops_working(collector: CollectorProcess, api_key: str, system_engine: Engine) -> None:
    async with collector.client() as client:
        headers = {"authorization": f"Bearer {api_key}"}
        assert (await client.post("/v1/events", content=make_body(), headers=headers)).status_code == 202
        with system_session(system_engine) as session:
            session.execute(text("update api_keys set revoked_at = now()"))
        async with asyncio.timeout(POLL_SECONDS * 10):
            status = 202
            while status == 202:
                status = (await client.post("/v1/events", content=make_body(), headers=headers)).status_code
        assert status == 401


@pytest.mark.parametrize("encoding", ["br", "gzip", "identity"])
async def test_the_script_is_served_compressed_and_cached(collector: CollectorProcess, encoding: str) -> None:
    async with collector.client() as client:
        request = client.build_request("GET", "/t.js", headers={"accept-encoding": encoding})
        answer = await client.send(request, stream=True)
        raw = b"".join([chunk async for chunk in answer.aiter_raw()])
        again = await client.get("/t.js", headers={"if-none-match": answer.headers["etag"]})
    unpack = {"br": brotli.decompress, "gzip": gzip.decompress, "identity": bytes}[encoding]
    assert unpack(raw).decode() == SCRIPT
    assert answer.headers.get("content-encoding", "identity") == encoding
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"].startswith("public, max-age=")
    assert answer.headers["vary"] == "Accept-Encoding"
    assert (again.status_code, again.content) == (304, b"")


def test_a_script_built_again_is_served_at_once(collector: CollectorProcess, script_file: Path) -> None:
    before = httpx.get(f"{collector.url}/t.js", trust_env=False)
    script_file.write_text("new();")
    after = httpx.get(f"{collector.url}/t.js", trust_env=False)
    script_file.write_text(SCRIPT)
    assert after.text == "new();"
    assert before.headers["etag"] != after.headers["etag"]


async def test_metrics_count_and_are_served_to_private_addresses_only(collector: CollectorProcess) -> None:
    async with collector.client() as client:
        await client.post("/t", content=make_body(make_event(), make_event(name="Bad Name")))
        metrics = (await client.get("/metrics")).text
        outside = [await client.get("/metrics", headers={"x-forwarded-for": ip}) for ip in ("8.8.8.8", "203.0.113.9")]
        await held(client, 0)
    assert f'echolead_collector_events_accepted_total{{tenant_id="{collector.tenant_id}"}}' in metrics
    assert 'reason="invalid_event"' in metrics
    assert "echolead_collector_publish_seconds_bucket" in metrics
    assert [each.status_code for each in outside] == [404, 404]


async def test_health_and_errors_carry_no_version(collector: CollectorProcess) -> None:
    async with collector.client() as client:
        answers = [await client.get(path) for path in ("/healthz", "/readyz", "/nothing", "/problems/nothing")]
        wrong_method = await client.delete("/healthz")
        heads = [await client.head(path) for path in ("/healthz", "/readyz")]
    assert [(each.status_code, each.content) for each in heads] == [(200, b""), (200, b"")]
    assert [each.status_code for each in answers] == [200, 200, 404, 404]
    assert answers[1].json() == {"status": "ready", "missing": []}
    assert (wrong_method.status_code, wrong_method.json()["type"]) == (405, "/problems/method-not-allowed")
    assert all("server" not in each.headers for each in answers)


async def test_the_description_knows_the_collect_path_and_its_example_is_an_event(collector: CollectorProcess) -> None:
    async with collector.client() as client:
        document = (await client.get("/openapi.json")).json()
    collect = document["paths"]["/t"]["post"]
    assert set(collect["responses"]) >= {"202", "404", "408", "413", "415", "422", "503"}
    assert "text/plain" in collect["requestBody"]["content"]
    schema = {"$ref": "#/components/schemas/Batch", "components": document["components"]}
    example = collect["requestBody"]["content"]["application/json"]["examples"]["form"]["value"]
    OAS31Validator(schema).validate(example)
    async with collector.client() as client:
        assert (await client.post("/t", json=example)).json() == {"accepted": 1, "rejected": []}


def test_every_body_gets_an_answer_below_500(collector: CollectorProcess) -> None:
    with httpx.Client(base_url=collector.url, headers={"host": collector.host}, trust_env=False, timeout=30) as client:

        @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
        @given(
            st.binary(max_size=400) | st.text(max_size=200).map(lambda text: f'{{"events":[{text}]}}'.encode()),
            st.sampled_from(["", "gzip", "identity", "deflate", "gzip, gzip", "\xff"]),
            st.sampled_from(["text/plain", "application/json", "", "multipart/form-data"]),
        )
        def post(body: bytes, encoding: str, content_type: str) -> None:
            headers = {b"content-encoding": encoding.encode("latin-1"), b"content-type": content_type.encode()}
            status = client.post("/t", content=body, headers=headers).status_code
            assert status in {202, 413, 415, 422}

        post()


async def test_tenants_are_found_soon_and_kept_while_the_database_is_down(
    system_engine: Engine, operational_urls: OperationalUrls
) -> None:
    make_tenant(system_engine, "kept", hosts=["kept.test"])
    tenants = Tenants(operational_urls.collector)
    task = asyncio.create_task(tenants.run())
    try:
        assert (await tenants.by_host("kept.test")) is not None
        assert (await tenants.by_host("new.test")) is None
        make_tenant(system_engine, "new", hosts=["new.test", "newer.test"])
        assert await tenants.by_host("newer.test") is not None  # never asked for, so looked up at once
        assert await tenants.by_host("new.test") is not None
        tenants._database.url = "postgresql://echolead_system:wrong@127.0.0.1:1/echolead"
        await tenants._database.close()
        await asyncio.sleep(MISS_SECONDS)
        with pytest.raises(DirectoryUnavailable):
            await tenants.by_host("other.test")
        found = await tenants.by_host("kept.test")
        assert found is not None
        assert found.tenant_id == "kept"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_running_collector_refuses_removed_and_disabled_items(
    collector: CollectorProcess, system_engine: Engine
) -> None:
    tenant_id, host, left, origin = "going", "going.test", "left.going.test", "https://shop.going.test"
    make_tenant(system_engine, tenant_id, hosts=[host, left], origins=[origin])
    with system_session(system_engine) as session:
        key = create_key(session, tenant_id, "tests", actor="test").key

    def answers(status: int, problem: str, path: str = "/t", **headers: str) -> Callable[[], Awaitable[bool]]:
        async def are_so() -> bool:
            async with collector.client() as client:
                answer = await client.post(path, content=make_body(), headers=headers)
            return (answer.status_code, answer.json().get("type", "")) == (status, problem)

        return are_so

    of_host = partial(answers, host=host)
    of_origin = partial(answers, host=host, origin=origin)
    of_key = partial(answers, path="/v1/events", authorization=f"Bearer {key}")
    for each in (answers(202, "", host=left), of_host(202, ""), of_origin(202, ""), of_key(202, "")):
        assert await each()
    with system_session(system_engine) as session:
        remove_host(session, tenant_id, left, actor="test")
        remove_origin(session, tenant_id, origin, actor="test")
    await become(answers(404, "/problems/unknown-host", host=left), of_origin(403, "/problems/origin-not-allowed"))
    assert await of_host(202, "")()
    with system_session(system_engine) as session:
        set_active(session, tenant_id, False, actor="test")
    await become(of_host(404, "/problems/unknown-host"), of_key(401, "/problems/invalid-key"))
    with system_session(system_engine) as session:
        set_active(session, tenant_id, True, actor="test")
    await become(of_host(202, ""), of_key(202, ""))
    assert await answers(404, "/problems/unknown-host", host=left)()


async def become(*conditions: Callable[[], Awaitable[bool]]) -> None:
    """Return once all hold, after at most the time in which changes must be heard of, with room for a busy machine."""
    async with asyncio.timeout(POLL_SECONDS * 10):
        for condition in conditions:
            while not await condition():
                pass


async def test_made_up_hosts_do_not_hammer_the_database(operational_urls: OperationalUrls) -> None:
    tenants = Tenants(operational_urls.collector)
    reads = 0
    read = tenants._read

    async def counted(connection: AsyncConnection) -> list[TenantRow]:
        nonlocal reads
        reads += 1
        return await read(connection)

    tenants._read = counted  # type: ignore[method-assign]
    await asyncio.gather(*(tenants.by_host(f"host-{number}.test") for number in range(500)))
    await tenants._database.close()
    assert reads <= 2
