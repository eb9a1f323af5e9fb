"""Failed sign-ins are counted by account, network and device, and slow down who guesses."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, text

from echolead.operational import sign_in
from echolead.operational.database import connect, system_session
from echolead.operational.sign_in import SignIn
from echolead.operational.users import create_user
from echolead.security import DEVICE, SESSION, SignedTokens
from echolead.signed_in import DEVICE_COOKIE
from ingest_api.control.sessions import ConsoleSessions
from tests.fixtures.console_sign_in import PASSWORD, client_at, fail, serving
from tests.fixtures.operational import JWT_SECRET


async def test_guesses_from_another_network_do_not_lock_the_owner_out(
    client: httpx.AsyncClient, api: FastAPI, email: str
) -> None:
    assert await fail(client_at(api), email, sign_in.ACCOUNT_AND_NETWORK_LIMIT + 1) == 429
    answer = await client.post("/v1/login", json={"email": email, "password": PASSWORD})
    assert answer.status_code == 200


async def test_an_account_is_throttled_from_one_network_even_for_the_right_password(
    client: httpx.AsyncClient, email: str
) -> None:
    assert await fail(client, email, sign_in.ACCOUNT_AND_NETWORK_LIMIT) == 401
    refused = await client.post("/v1/login", json={"email": email, "password": PASSWORD})
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 15 * 60


async def test_addresses_of_one_ipv6_network_count_together(api: FastAPI, email: str) -> None:
    one, other = client_at(api), client_at(api)
    other.headers["x-forwarded-for"] = one.headers["x-forwarded-for"].removesuffix("1") + "2"
    await fail(one, email, sign_in.ACCOUNT_AND_NETWORK_LIMIT)
    assert (await other.post("/v1/login", json={"email": email, "password": PASSWORD})).status_code == 429


async def test_a_guesser_with_many_networks_is_slowed_and_a_known_device_is_not(
    client: httpx.AsyncClient, api: FastAPI, email: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_in, "ACCOUNT_LIMIT", 3)
    await client.post("/login", data={"email": email, "password": PASSWORD})
    assert [await fail(client_at(api), email, 1) for _ in range(4)] == [401, 401, 401, 429]
    unknown = await client_at(api).post("/login", data={"email": email, "password": PASSWORD})
    assert unknown.status_code == 429
    known = await client.post("/login", data={"email": email, "password": PASSWORD})
    assert known.status_code == 303
    # A sign-in of the owner gives the attacker no new tries.
    assert await fail(client_at(api), email, 1) == 429


async def test_a_known_device_is_let_in_from_a_network_that_has_failed_too_often(
    client: httpx.AsyncClient, email: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_in, "NETWORK_LIMIT", 3)
    await client.post("/login", data={"email": email, "password": PASSWORD})
    for number in range(3):
        await fail(client, f"nobody-{number}@example.test", 1)
    await fail(client, email, 2)
    assert (await client.post("/login", data={"email": email, "password": PASSWORD})).status_code == 303


async def test_a_known_device_is_throttled_too(client: httpx.AsyncClient, email: str) -> None:
    await client.post("/login", data={"email": email, "password": PASSWORD})
    assert await fail(client, email, sign_in.DEVICE_LIMIT) == 401
    assert (await client.post("/login", data={"email": email, "password": PASSWORD})).status_code == 429


async def test_the_device_of_one_account_is_unknown_to_another(
    client: httpx.AsyncClient, email: str, system_engine: Engine
) -> None:
    other = f"eve-{uuid4().hex[:8]}@example.test"
    with system_session(system_engine) as session:
        create_user(session, other, PASSWORD, actor="test")
    await client.post("/login", data={"email": other, "password": PASSWORD})
    await fail(client, email, sign_in.ACCOUNT_AND_NETWORK_LIMIT)
    client.cookies.clear()
    assert await fail(client, email, 1) == 429


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("x.y.z", id="made up"),
        pytest.param(SignedTokens("o" * 64, DEVICE).issue("a"), id="signed by another"),
        pytest.param(SignedTokens(JWT_SECRET, SESSION).issue("a"), id="of a session"),
    ],
)
async def test_a_forged_device_token_is_ignored(client: httpx.AsyncClient, email: str, token: str) -> None:
    await fail(client, email, sign_in.ACCOUNT_AND_NETWORK_LIMIT)
    client.cookies.set(DEVICE_COOKIE, token)
    assert await fail(client, email, 1) == 429


async def test_a_burst_of_guesses_is_counted_whole(
    client: httpx.AsyncClient, email: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_in, "ACCOUNT_AND_NETWORK_LIMIT", 3)
    guesses = (client.post("/v1/login", json={"email": email, "password": "guess-guess"}) for _ in range(12))
    statuses = [answer.status_code for answer in await asyncio.gather(*guesses)]
    assert statuses.count(401) <= 3


async def test_a_network_is_throttled_over_all_accounts(
    client: httpx.AsyncClient, api: FastAPI, email: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_in, "NETWORK_LIMIT", 3)
    for number in range(3):
        await fail(client, f"nobody-{number}@example.test", 1)
    assert (await client.post("/v1/login", json={"email": email, "password": PASSWORD})).status_code == 429
    elsewhere = client_at(api)
    assert (await elsewhere.post("/v1/login", json={"email": email, "password": PASSWORD})).status_code == 200


async def test_a_success_forgets_the_failures_of_its_network(client: httpx.AsyncClient, email: str) -> None:
    for _ in range(2):
        await fail(client, email, sign_in.ACCOUNT_AND_NETWORK_LIMIT - 1)
        assert (await client.post("/v1/login", json={"email": email, "password": PASSWORD})).status_code == 200


async def test_the_throttle_forgets_after_its_window(
    client: httpx.AsyncClient, email: str, system_engine: Engine
) -> None:
    assert await fail(client, email, sign_in.ACCOUNT_AND_NETWORK_LIMIT + 1) == 429
    with system_session(system_engine) as session:
        session.execute(text("update sign_in_attempts set at = at - interval '16 minutes'"))
    assert (await client.post("/v1/login", json={"email": email, "password": PASSWORD})).status_code == 200


async def test_the_record_of_attempts_holds_no_account_network_or_device(
    client: httpx.AsyncClient, email: str, system_engine: Engine
) -> None:
    await client.post("/v1/login", json={"email": email, "password": "guess-guess"})
    with system_session(system_engine) as session:
        subjects = session.scalars(text("select subject from sign_in_attempts")).all()
    assert subjects
    assert all(len(subject) == 64 for subject in subjects)


async def test_a_password_of_a_megabyte_is_refused_unread(client: httpx.AsyncClient, email: str) -> None:
    answer = await client.post("/v1/login", json={"email": email, "password": "x" * 1_000_000})
    assert answer.status_code == 422
    assert "xxxx" not in answer.text


@pytest.mark.parametrize(
    "content", [{"json": {"email": "a\0b", "password": "x"}}, {"data": {"email": "a\0b", "password": "x"}}]
)
async def test_an_email_that_postgres_cannot_store_is_refused(client: httpx.AsyncClient, content: Any) -> None:
    answer = await client.post("/v1/login" if "json" in content else "/login", **content)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-request")


async def test_signing_in_gets_503_with_retry_after_without_the_database(
    client: httpx.AsyncClient, sessions: ConsoleSessions
) -> None:
    engine = connect("postgresql://nobody:x@127.0.0.1:1/echolead")
    gone = replace(sessions, sign_in=SignIn(engine, JWT_SECRET))
    answer = await client_at(serving(gone)).post("/v1/login", json={"email": "a@b.c", "password": PASSWORD})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    engine.dispose()
