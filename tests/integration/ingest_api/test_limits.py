"""Limits through real processes that share a database, and tenants' own paths and scripts."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from psycopg import AsyncConnection
from sqlalchemy import Engine, delete, text
from sqlalchemy.orm import Session

from echolead.embedded.nats import EmbeddedNats
from echolead.operational.database import system_session
from echolead.operational.models import TenantOrigin
from echolead.operational.provision import OperationalUrls
from echolead.operational.tenants import change_tenant, set_chatwoot_hmac_token
from echolead.security import Vault
from echolead.tenancy import ActiveTenant
from ingest_api.http.problems import Problem
from ingest_api.http.rates import RateLimits
from tests.fixtures.operational import SECRET_KEY, make_destination, make_tenant
from tests.fixtures.webhooks import make_webhook
from tests.integration.ingest_api.conftest import (
    CollectorProcess,
    MakeCollector,
    answer_to,
    header_of,
    make_body,
    make_event,
    stored_requests,
)
from tests.integration.ingest_api.conftest import stored_event_ids as stored


def batch(events: int) -> bytes:
    return make_body(*(make_event() for _ in range(events)))


async def test_a_large_event_counts_for_as_many_as_its_checks_cost(
    streams: EmbeddedNats, collector_beside: MakeCollector
) -> None:
    """90 events of 60 KB are 1,350; of a minute that begins in between either part is still more than 600."""
    collector = collector_beside(streams, ECHOLEAD_EVENTS_PER_MINUTE_OF_ADDRESS="600")
    with collector.running():
        async with collector.client() as client:
            statuses = {
                size: {
                    (
                        await client.post("/t", content=make_body(make_event(properties={"text": "x" * size})))
                    ).status_code
                    for _ in range(90)
                }
                for size in (100, 60_000)
            }
    assert statuses == {100: {202}, 60_000: {202, 429}}


async def test_an_address_over_its_limit_gets_429_with_retry_after(
    streams: EmbeddedNats, collector_beside: MakeCollector
) -> None:
    collector = collector_beside(streams, ECHOLEAD_EVENTS_PER_MINUTE_OF_ADDRESS="600")
    with collector.running():
        async with collector.client() as client:
            answers = [await client.post("/t", content=batch(250)) for _ in range(6)]
            await client.post("/t", content=b"?")  # charged with what the whole batches left of the limit
            identity = await client.post("/t/i", content=b'{"tracking_id": "0197c1ae-0d11-7c55-9b0e-5f7d0a3c2b10"}')
            metrics = (await client.get("/metrics")).text
    assert {answer.status_code for answer in answers} == {202, 429}
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json()["type"] == "/problems/too-many-events-a-minute"
    assert identity.status_code == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert 'echolead_collector_requests_refused_total{problem="too-many-events-a-minute"}' in metrics
    taken = sum(answer.status_code == 202 for answer in answers)
    assert len(await stored(collector)) == taken * 250


async def test_collectors_share_a_quota_and_it_outlives_them(
    streams: EmbeddedNats, collector_beside: MakeCollector, system_engine: Engine
) -> None:
    one = collector_beside(streams)
    two = CollectorProcess(one.nats, one.urls, one.tenant_id, one.host)
    with Session(system_engine) as session:
        change_tenant(session, one.tenant_id, actor="test", events_per_month=1000)
        session.commit()
    with one.running():
        async with one.client() as client:
            for _ in range(3):
                assert (await client.post("/t", content=batch(300))).status_code == 202
            await asyncio.sleep(2.5)  # the count is told to the others once a second
    with two.running():
        async with two.client() as client:
            assert (await client.post("/t", content=batch(50))).status_code == 202
            answer = await until_status(client, 429)
    assert answer.json()["type"] == "/problems/quota-reached"


async def test_events_that_come_while_counts_are_shared_are_shared_the_next_time(
    operational_urls: OperationalUrls,
) -> None:
    now = time.time() + 3600  # one window, which no process resets
    tenant = ActiveTenant(f"sharing-{uuid4().hex[:8]}")
    of = RateLimits(operational_urls.collector, "key", 0, 100, clock=lambda: now)
    async with await AsyncConnection.connect(operational_urls.owner, autocommit=True) as database:

        async def asked(statement: str, *parameters: str) -> int:
            row = await (await database.execute(statement, parameters)).fetchone()
            return int(row[0] or 0) if row else 0

        async def until(statement: str, *parameters: str, is_at_least: int) -> None:
            for _ in range(3000):
                if await asked(statement, *parameters) >= is_at_least:
                    return
                await asyncio.sleep(0.02)
            raise AssertionError(f"never {is_at_least}: {statement}")

        sharing = asyncio.create_task(of.run())
        try:
            async with database.transaction():
                await database.execute("lock table collector_counts in exclusive mode")
                of.meter(tenant, "").add(40)
                await until("select count(*) from pg_locks where not granted", is_at_least=1)
                of.meter(tenant, "").add(50)
            counted = "select sum(events) from collector_counts where subject = %s"
            await until(counted, f"tenant {tenant.tenant_id}", is_at_least=90)
            with pytest.raises(Problem):
                of.meter(tenant, "").add(11)
        finally:
            sharing.cancel()
            await asyncio.wait([sharing])


async def until_status(client: httpx.AsyncClient, status: int) -> httpx.Response:
    """Post until the answer has the status, for ten seconds."""
    for _ in range(100):
        answer = await client.post("/t", content=batch(51))
        if answer.status_code == status:
            return answer
        await asyncio.sleep(0.1)
    raise AssertionError(f"never answered {status}")


@pytest.mark.parametrize("origin", ["https://evil.example.com", "https://shop.example.com.evil.test", "file://"])
async def test_a_page_of_another_origin_is_refused_with_the_command_that_adds_it(
    collector: CollectorProcess, origin: str
) -> None:
    event = make_event()
    async with collector.client() as client:
        answer = await client.post("/t", content=make_body(event), headers={"origin": origin})
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/origin-not-allowed")
    assert f"add-origin {collector.tenant_id} {origin}" in answer.json()["detail"]
    assert "access-control-allow-origin" not in answer.headers
    assert event["event_id"] not in await stored(collector)


@pytest.mark.parametrize(
    ("referer", "status"),
    [
        pytest.param("https://{host}/oferta?x=1", 200, id="a page on the host"),
        pytest.param("http://{host}:8080/", 200, id="another port"),
        pytest.param("https://shop.example.com/cart", 200, id="an origin that was added"),
        pytest.param("https://SHOP.example.com", 200, id="in capitals"),
        pytest.param(None, 200, id="none"),
        pytest.param("", 200, id="an empty one"),
        pytest.param("https://somebody.test/?https://{host}/", 403, id="another origin"),
        pytest.param("https://{host}.somebody.test/", 403, id="a host that begins alike"),
        pytest.param("https://{host}@somebody.test/", 403, id="the host as a user"),
        pytest.param("http://shop.example.com/", 403, id="an added origin over http"),
        pytest.param("http://[", 403, id="no address"),
        pytest.param("{host}", 403, id="no scheme"),
    ],
)
async def test_the_pixel_is_for_the_tenants_pages(
    collector: CollectorProcess, referer: str | None, status: int
) -> None:
    before = await pixels(collector)
    headers = {} if referer is None else {"referer": referer.format(host=collector.host)}
    async with collector.client() as client:
        answer = await client.get("/t.gif", headers=headers)
    assert answer.status_code == status
    assert await pixels(collector) - before == (status == 200)
    if status == 403:
        assert answer.json()["type"] == "/problems/origin-not-allowed"


async def pixels(collector: CollectorProcess) -> int:
    """How many page views of the pixel are stored."""
    return sum(request.source == "pixel" for request in await stored_requests(collector))


async def test_the_script_contains_the_tenants_other_hosts(
    streams: EmbeddedNats, collector_beside: MakeCollector, system_engine: Engine, tmp_path: Path
) -> None:
    file = tmp_path / "t.js"
    file.write_text('f("__CONFIG__")')
    collector = collector_beside(streams, ECHOLEAD_SCRIPT_FILE=str(file))
    with collector.running():
        async with collector.client() as client:
            of_several = await client.get("/t.js")
            elsewhere = await client.get("/t.js", headers={"host": "nobody.test"})
            file.write_text('rebuilt("__CONFIG__")')
            rebuilt = await client.get("/t.js")
            with Session(system_engine) as session:
                session.execute(delete(TenantOrigin).where(TenantOrigin.tenant_id == collector.tenant_id))
                session.commit()
            async with asyncio.timeout(20):
                of_one = rebuilt
                while of_one.text == rebuilt.text:
                    of_one = await client.get("/t.js")
    assert of_several.text == 'f({"consent":"granted","link":"shop.example.com"})'
    assert rebuilt.text == 'rebuilt({"consent":"granted","link":"shop.example.com"})'
    assert of_one.text == 'rebuilt({"consent":"granted","link":""})'
    assert elsewhere.text == 'f("__CONFIG__")'
    assert len({of_several.headers["etag"], rebuilt.headers["etag"], of_one.headers["etag"]}) == 3


async def test_a_tenant_gets_the_build_of_the_script_that_its_settings_need(
    streams: EmbeddedNats, collector_beside: MakeCollector, system_engine: Engine, tmp_path: Path
) -> None:
    file = tmp_path / "t.js"
    for missing in ("", ".no-chat", ".no-handover", ".no-chat.no-handover"):
        (tmp_path / f"t{missing}.js").write_text(f'build{missing or ".whole"}("__CONFIG__")')
    collector = collector_beside(streams, ECHOLEAD_SCRIPT_FILE=str(file))
    tenant_id = collector.tenant_id
    where = {"t": tenant_id}
    make_webhook(system_engine, tenant_id, "rdstation")
    with collector.running():
        async with collector.client() as client:
            await until_build(client, "no-chat")  # it has another host: an origin
            make_destination(system_engine, tenant_id)
            await until_build(client, "whole")
            with system_session(system_engine) as session:
                session.execute(text("delete from tenant_origins where tenant_id = :t"), where)
            await until_build(client, "no-handover")
            with system_session(system_engine) as session:
                session.execute(text("update destinations set is_enabled = false where tenant_id = :t"), where)
            await until_build(client, "no-chat.no-handover")
            make_webhook(system_engine, tenant_id, "chatwoot")
            await until_build(client, "no-handover")
            with system_session(system_engine) as session:
                session.execute(text("update webhook_endpoints set is_active = false where tenant_id = :t"), where)
            await until_build(client, "no-chat.no-handover")
            with system_session(system_engine) as session:
                set_chatwoot_hmac_token(session, Vault(SECRET_KEY), tenant_id, "widget-token", actor="test")
            answer = await until_build(client, "no-handover")
            again = await client.get("/t.js", headers={"if-none-match": answer.headers["etag"]})
            elsewhere = await client.get("/t.js", headers={"host": "nobody.test"})
            (tmp_path / "t.no-handover.js").unlink()
            without_it = await client.get("/t.js")
    assert again.status_code == 304
    assert elsewhere.text == 'build.whole("__CONFIG__")'
    assert without_it.text.startswith("build.whole({")


async def until_build(client: httpx.AsyncClient, name: str) -> httpx.Response:
    """Ask for the script until this build of it comes: the collector hears of changes within seconds."""
    for _ in range(400):
        answer = await client.get("/t.js")
        if answer.text.startswith(f"build.{name}("):
            return answer
        await asyncio.sleep(0.05)
    raise AssertionError(f"never served {name}: {answer.text}")


async def test_a_tenants_own_path_and_consent_default_are_in_its_script(
    streams: EmbeddedNats, collector_beside: MakeCollector, system_engine: Engine, tmp_path: Path
) -> None:
    file = tmp_path / "t.js"
    file.write_text('f("__CONFIG__")')
    collector = collector_beside(streams, ECHOLEAD_SCRIPT_FILE=str(file))
    with Session(system_engine) as session:
        change_tenant(session, collector.tenant_id, actor="test", collect_path="/k7", consent_default="wait")
        session.commit()
    event = make_event()
    with collector.running():
        async with collector.client() as client:
            assert (await client.post("/k7", content=make_body(event))).status_code == 202
            assert (await client.get("/k7.gif", headers={"referer": "https://shop.example.com/"})).status_code == 200
            assert (await client.post("/k7/i", content=b"{}")).status_code == 422
            assert (await client.post("/k8", content=make_body(event))).status_code == 404
            script = await client.get("/k7.js")
            elsewhere = await client.get("/t.js", headers={"host": "nobody.test"})
    chosen = json.loads(script.text.removeprefix("f(").removesuffix(")"))
    assert chosen == {"consent": "wait", "link": "shop.example.com"}
    assert elsewhere.text == 'f("__CONFIG__")'
    assert elsewhere.headers["cache-control"] == "no-cache"
    assert event["event_id"] in await stored(collector)


@pytest.fixture(scope="module")
def paths(
    streams: EmbeddedNats,
    system_engine: Engine,
    operational_urls: OperationalUrls,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[CollectorProcess]:
    """A collector behind a proxy, for two tenants that chose the path /p7 and one that chose /p8."""
    for tenant_id, path in (("p7", "/p7"), ("p7-too", "/p7"), ("p8", "/p8")):
        make_tenant(system_engine, tenant_id, hosts=[f"{tenant_id}.test"], collect_path=path)
    file = tmp_path_factory.mktemp("dist") / "t.js"
    file.write_text('f("__CONFIG__")')
    make = MakeCollector(system_engine, operational_urls)
    process = make(streams, ECHOLEAD_SCRIPT_FILE=str(file))
    with process.running():
        yield process


@pytest.mark.parametrize(
    ("path", "headers", "status", "problem"),
    [
        pytest.param("/p7", {"host": "p7.test"}, 202, "", id="its own"),
        pytest.param("/p7", {"host": "P7.test:8443"}, 202, "", id="its own, spelled otherwise"),
        pytest.param("/p7", {"host": "p7-too.test"}, 202, "", id="that of two"),
        pytest.param("/p7", {"host": "p8.test"}, 404, "not-found", id="another's"),
        pytest.param("/p7", {"host": "P8.test:8443"}, 404, "not-found", id="another's, spelled otherwise"),
        pytest.param("/p7", {"host": "{host}"}, 404, "not-found", id="another's, who has none"),
        pytest.param("/p7", {"host": "nobody.test"}, 404, "unknown-host", id="on an unknown host"),
        pytest.param("/p9", {"host": "p7.test"}, 404, "not-found", id="a path of no tenant"),
        pytest.param("/t", {"host": "p7.test"}, 202, "", id="the path of all tenants"),
        pytest.param("/p7", {"host": "p8.test", "x-forwarded-host": "p7.test"}, 202, "", id="its own, behind a proxy"),
        pytest.param(
            "/p7", {"host": "p7.test", "x-forwarded-host": "p8.test"}, 404, "not-found", id="another's, behind a proxy"
        ),
        pytest.param("/p7", {"host": "p7.test", "x-forwarded-host": "p7.test"}, 202, "", id="its own, named by both"),
    ],
)
async def test_a_tenants_path_is_served_on_its_own_hosts_only(
    paths: CollectorProcess, path: str, headers: dict[str, str], status: int, problem: str
) -> None:
    headers = {name: value.format(host=paths.host) for name, value in headers.items()}
    async with paths.client() as client:
        in_pieces = await client.post(path, content=make_body(), headers=headers)
    body = make_body()
    head, _, whole_body = (await answer_to(paths, header_of(body, headers, path) + body)).partition(b"\r\n\r\n")
    assert (in_pieces.status_code, int(head.split(b" ", 2)[1])) == (status, status)
    if problem:
        assert in_pieces.json()["type"] == f"/problems/{problem}"
        assert in_pieces.json() == json.loads(whole_body)


@pytest.mark.parametrize("ending", [".js", ".gif", "/i"])
async def test_the_paths_below_a_tenants_path_are_served_on_its_own_hosts_only(
    paths: CollectorProcess, ending: str
) -> None:
    method, content = ("POST", b"{}") if ending == "/i" else ("GET", b"")
    async with paths.client() as client:
        own = await client.request(method, f"/p7{ending}", content=content, headers={"host": "p7.test"})
        others = await client.request(method, f"/p7{ending}", content=content, headers={"host": "p8.test"})
        nowhere = await client.request(method, f"/p9{ending}", content=content, headers={"host": "p8.test"})
    assert own.status_code == (422 if ending == "/i" else 200)
    assert (others.status_code, others.json()) == (404, nowhere.json())
