"""The visitor's id, through a real process: the collector's cookie, and the hand-over to another site."""

import asyncio
import hmac
import json
import time
from dataclasses import replace
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import Engine, text

from echolead.embedded.nats import EmbeddedNats
from echolead.operational.database import system_session
from echolead.operational.tenants import set_chatwoot_hmac_token
from echolead.security import Vault
from ingest_api.pages.visitor import new_tracking_id
from tests.fixtures.operational import SECRET_KEY
from tests.fixtures.parts import free_port
from tests.integration.ingest_api.conftest import CollectorProcess, MakeCollector

HTTPS = {"x-forwarded-proto": "https"}


async def ask(client: httpx.AsyncClient, tracking_id: str, link: str = "", **headers: str) -> httpx.Response:
    content = json.dumps({"tracking_id": tracking_id, "link": link})
    return await client.post("/t/i", content=content, headers={"content-type": "text/plain", **headers})


async def test_the_cookie_brings_back_an_id_that_the_page_has_lost(collector: CollectorProcess) -> None:
    first, second = str(uuid4()), str(uuid4())
    async with collector.client() as client:
        answer = await ask(client, first, **HTTPS)
        assert answer.status_code == 200
        cookie = answer.headers["set-cookie"]
        again = await ask(client, second, **HTTPS, cookie=cookie.partition(";")[0])
    assert {part.strip() for part in cookie.split(";")[1:]} == {
        "Max-Age=34560000", "Path=/", "HttpOnly", "SameSite=Lax", "Secure",
    }  # fmt: skip
    assert cookie.startswith("__Host-")
    assert (answer.json()["tracking_id"], again.json()["tracking_id"]) == (first, first)
    assert answer.headers["cache-control"] == "no-store"


async def test_without_encryption_the_cookie_is_not_called_secure(collector: CollectorProcess) -> None:
    async with collector.client() as client:
        cookie = (await ask(client, str(uuid4()))).headers["set-cookie"]
    assert "Secure" not in cookie
    assert not cookie.startswith("__Host-")


async def test_a_forged_cookie_is_ignored(collector: CollectorProcess) -> None:
    mine = str(uuid4())
    async with collector.client() as client:
        for value in ("", "x", "A" * 43, uuid4().hex, '"', "a b c"):
            answer = await ask(client, mine, **HTTPS, cookie=f"__Host-eli={value}")
            assert answer.json()["tracking_id"] == mine


@pytest.mark.parametrize(
    "other", ['p={"a":1,"b":"x"}', "flag", "x[1]=2", "n=S\u00e3o Paulo", "k=a b", "a=b=c", "=", "_elix=1"]
)
async def test_the_cookie_is_found_beside_any_other(collector: CollectorProcess, other: str) -> None:
    first, second = str(uuid4()), str(uuid4())
    async with collector.client() as client:
        mine = (await ask(client, first)).headers["set-cookie"].partition(";")[0]
        client.cookies.clear()
        for cookies in (f"{other}; {mine}", f"{mine}; {other}"):
            content = json.dumps({"tracking_id": second})
            answer = await client.post("/t/i", content=content, headers={"cookie": cookies.encode("latin-1")})
            assert answer.json()["tracking_id"] == first
            client.cookies.clear()


async def test_a_link_hands_a_new_visitor_over_to_the_next_site(collector: CollectorProcess) -> None:
    here, there = str(uuid4()), str(uuid4())
    async with collector.client() as client:
        link = (await ask(client, here)).json()
        assert link["expires_in"] == 120
        client.cookies.clear()
        forged = await ask(client, there, link["link"][:-2] + "AA")
        client.cookies.clear()
        answer = await ask(client, there, link["link"])
    assert answer.json()["tracking_id"] == here
    assert forged.json()["tracking_id"] == there


async def test_a_link_token_is_accepted_once(collector: CollectorProcess) -> None:
    """A copied link, or one from a log, identifies no visitor. Control: another token of the visitor works."""
    here = str(uuid4())
    async with collector.client() as client:
        link, other = [link_of(await ask(client, here)) for _ in range(2)]
        said = [str(uuid4()) for _ in range(4)]
        spelled_otherwise = link + "=" * (-len(link) % 4)
        answers = []
        for tracking_id, token in zip(said, (link, link, spelled_otherwise, other), strict=True):
            client.cookies.clear()
            answers.append((await ask(client, tracking_id, token)).json()["tracking_id"])
    assert answers == [here, said[1], said[2], here]


async def test_concurrent_redemptions_of_a_token_admit_one_visitor(
    collector: CollectorProcess,
) -> None:
    """Through two processes: all collectors of an installation know what was redeemed."""
    other = replace(collector, port=free_port())
    here = str(uuid4())
    with other.running():
        async with collector.client() as one, other.client() as two:
            link = link_of(await ask(one, here))
            asked = [ask(client, str(uuid4()), link, cookie="") for _ in range(10) for client in (one, two)]
            answers = [answer.json()["tracking_id"] for answer in await asyncio.gather(*asked)]
    assert answers.count(here) == 1


async def test_a_link_token_does_not_replace_the_visitor_in_the_cookie(collector: CollectorProcess) -> None:
    """Anyone can make a link with a token of their own. Control: it works for a new visitor, and was not redeemed."""
    attacker, known, new = str(uuid4()), str(uuid4()), str(uuid4())
    async with collector.client() as client:
        link = link_of(await ask(client, attacker))
        client.cookies.clear()
        await ask(client, known)
        lured = await ask(client, known, link)
        with_a_lost_id = await ask(client, new, link)
        client.cookies.clear()
        first = await ask(client, new, link)
    assert [answer.json()["tracking_id"] for answer in (lured, with_a_lost_id)] == [known, known]
    assert first.json()["tracking_id"] == attacker


async def test_without_the_database_a_link_token_is_not_accepted(
    streams: EmbeddedNats, collector_beside: MakeCollector, system_engine: Engine
) -> None:
    """A token is not accepted if it may have been redeemed. Control: the same token once the table is available."""
    collector = collector_beside(streams)
    here, there = str(uuid4()), str(uuid4())
    with collector.running():
        async with collector.client() as client:
            link = link_of(await ask(client, here))
            client.cookies.clear()
            with system_engine.connect() as blocking, blocking.begin():
                blocking.execute(text("lock table collector_counts in access exclusive mode"))
                without = await ask(client, there, link)
            client.cookies.clear()
            again = await ask(client, there, link)
    assert (without.status_code, without.json()["tracking_id"]) == (200, there)
    assert again.json()["tracking_id"] == here


async def test_the_identifier_hash_requires_the_cookie_of_an_id_made_by_the_collector(
    streams: EmbeddedNats, collector_beside: MakeCollector, system_engine: Engine
) -> None:
    collector = collector_beside(streams, ECHOLEAD_COLLECTOR_SECRET_KEYS=SECRET_KEY)
    with system_session(system_engine) as session:
        set_chatwoot_hmac_token(session, Vault(SECRET_KEY), collector.tenant_id, "widget-token", actor="test")
    victim, new = str(uuid4()), str(new_tracking_id(time.time()))
    with collector.running():
        async with collector.client() as client:
            first = await ask(client, new)  # the collector makes the id of a new visitor
            own = await ask(client, new)
            minted = own.json()["tracking_id"]
            other_id = await ask(client, victim, link_of(await ask(client, victim, cookie="")))
            client.cookies.clear()
            said = [await ask(client, victim) for _ in range(2)]  # a cookie with an id from the body does not prove it
            client.cookies.clear()
            of_link = [await ask(client, str(uuid4()), link_of(own)) for _ in range(2)]  # then by the cookie
            reset = await client.post("/t/i", content=json.dumps({"tracking_id": victim, "reset": True}))
    expected = hmac.new(b"widget-token", minted.encode(), "sha256").hexdigest()
    assert own.json()["identifier_hash"] == expected
    assert (first.json()["tracking_id"], UUID(minted).version) == (minted, 7)
    assert minted != new
    assert [answer.json()["tracking_id"] for answer in of_link] == [minted, minted]
    for answer in (first, other_id, *said, *of_link, reset):
        assert "identifier_hash" not in answer.json()


def link_of(answer: httpx.Response) -> str:
    """The token for a link to the tenant's other sites."""
    return str(answer.json()["link"])


async def test_after_a_reset_the_cookie_is_the_next_visitors(collector: CollectorProcess) -> None:
    old, new, lost = str(uuid4()), str(uuid4()), str(uuid4())
    async with collector.client() as client:
        await ask(client, old)
        content = json.dumps({"tracking_id": new, "reset": True})
        answer = await client.post("/t/i", content=content)
        again = await ask(client, lost)
    assert (answer.status_code, answer.json()["tracking_id"]) == (200, new)
    assert again.json()["tracking_id"] == new


async def test_a_visitor_who_refuses_loses_the_cookie_and_gets_no_token(collector: CollectorProcess) -> None:
    old, new = str(uuid4()), str(uuid4())
    async with collector.client() as client:
        await ask(client, old)
        assert client.cookies
        answer = await client.post("/t/i", content=b'{"forget": true}')
        assert not client.cookies
        again = await ask(client, new)
        encrypted = await client.post("/t/i", content=b'{"forget": true}', headers=HTTPS)
    assert (answer.status_code, answer.json()) == (200, {})
    assert again.json()["tracking_id"] == new
    # Browsers replace a cookie called `__Host-` only by one that is Secure, on the whole host.
    assert encrypted.headers["set-cookie"] == "__Host-eli=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax; Secure"


async def test_a_body_without_a_tracking_id_is_refused(collector: CollectorProcess) -> None:
    async with collector.client() as client:
        nobody = (b"", b"{}", b'{"reset": true}', b'{"forget": 1}', b'{"tracking_id": 1}', b'{"tracking_id": "x"}')
        for content in (*nobody, b"\xff", b"[" * 100_000):
            answer = await client.post("/t/i", content=content)
            assert (answer.status_code, answer.json()["type"]) == (422, "/problems/not-an-identity")
        wrong = await client.get("/t/i")
        assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST, OPTIONS")
        foreign = await ask(client, str(uuid4()), origin="https://evil.example.com")
        assert (foreign.status_code, "set-cookie" in foreign.headers) == (403, False)
