"""Signing in over JSON: only enabled users, and a session ends when it should."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, text

from echolead.operational.database import system_session
from echolead.operational.sessions import open_session, user_of
from echolead.operational.users import (
    authenticate,
    create_user,
    delete_user,
    grant_role,
    remove_role,
    revoke_sessions,
    set_password,
    set_user_active,
)
from echolead.security import SESSION, SignedTokens
from echolead.signed_in import DEVICE_COOKIE, SESSION_COOKIE
from tests.fixtures.console_sign_in import PASSWORD, client_at, token_of, whose
from tests.fixtures.operational import JWT_SECRET, make_tenant


async def test_a_right_password_gives_a_token_of_a_session(client: httpx.AsyncClient, email: str) -> None:
    answer = await client.post("/v1/login", json={"email": f" {email.upper()} ", "password": PASSWORD})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert (body["user"]["email"], body["user"]["name"]) == (email, "Ana")
    assert list(body["user"]["tenants"].values()) == ["operator"]
    assert body["expires_in_seconds"] == 8 * 3600
    assert (await whose(client, body["token"])).json() == body["user"]


async def test_me_returns_the_current_roles(client: httpx.AsyncClient, email: str, system_engine: Engine) -> None:
    token = (await client.post("/v1/login", json={"email": email, "password": PASSWORD})).json()["token"]
    other = make_tenant(system_engine)
    with system_session(system_engine) as session:
        grant_role(session, email, other.tenant_id, "admin", actor="test")
    me = await client.get("/v1/me", headers={"Authorization": f"Bearer {token}"})
    assert me.json()["tenants"][other.tenant_id] == "admin"


async def test_the_language_is_kept_with_the_account_and_set_with_the_token_alone(
    client: httpx.AsyncClient, email: str
) -> None:
    first, other = await token_of(client, email), await token_of(client, email)
    assert (await whose(client, first)).json()["language"] == ""
    client.cookies.set(SESSION_COOKIE, first)
    by_cookie = await client.patch("/v1/me", json={"language": "en"})  # as a page of another site could send it
    assert by_cookie.status_code == 401
    client.cookies.clear()
    bearer = {"Authorization": f"Bearer {first}"}
    changed = await client.patch("/v1/me", json={"language": "pt-BR"}, headers=bearer)
    assert (changed.status_code, changed.json()["language"]) == (200, "pt-BR")
    for body in ({"language": "de"}, {"language": "en", "is_superuser": True}, {}):
        assert (await client.patch("/v1/me", json=body, headers=bearer)).status_code == 422
    assert (await whose(client, other)).json()["language"] == "pt-BR"


async def test_an_inactive_tenant_is_in_no_users_roles(
    client: httpx.AsyncClient, email: str, system_engine: Engine
) -> None:
    with system_session(system_engine) as session:
        session.execute(
            text(
                "update tenants set is_active = false where tenant_id in (select tenant_id from user_tenants "
                "join users using (user_id) where email = :e)"
            ),
            {"e": email},
        )
    assert (await client.post("/v1/login", json={"email": email, "password": PASSWORD})).json()["user"]["tenants"] == {}


async def test_a_superuser_is_admin_of_every_active_tenant(client: httpx.AsyncClient, system_engine: Engine) -> None:
    address = f"root-{uuid4().hex[:8]}@example.test"
    tenant = make_tenant(system_engine)
    with system_session(system_engine) as session:
        create_user(session, address, PASSWORD, actor="test", is_superuser=True)
    user = (await client.post("/v1/login", json={"email": address, "password": PASSWORD})).json()["user"]
    assert user["is_superuser"] is True
    assert user["tenants"][tenant.tenant_id] == "admin"


async def test_a_wrong_password_and_an_unknown_user_get_the_same_answer(client: httpx.AsyncClient, email: str) -> None:
    wrong = await client.post("/v1/login", json={"email": email, "password": "not-the-password"})
    unknown = await client.post("/v1/login", json={"email": "nobody@example.test", "password": PASSWORD})
    assert (wrong.status_code, wrong.json()) == (unknown.status_code, unknown.json()) == (401, wrong.json())
    assert wrong.headers["content-type"] == "application/problem+json"


async def test_a_disabled_user_is_signed_out_at_once(
    client: httpx.AsyncClient, email: str, system_engine: Engine
) -> None:
    token = (await client.post("/v1/login", json={"email": email, "password": PASSWORD})).json()["token"]
    with system_session(system_engine) as session:
        session.execute(text("update users set is_active = false where email = :e"), {"e": email})
    assert (await client.get("/v1/me", headers={"Authorization": f"Bearer {token}"})).status_code == 401
    assert (await client.post("/v1/login", json={"email": email, "password": PASSWORD})).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="no token"),
        pytest.param({"Authorization": "Bearer x.y.z"}, id="no JWT"),
        pytest.param({"Authorization": "Basic YTpi"}, id="another scheme"),
        pytest.param({"Cookie": f"{SESSION_COOKIE}=x"}, id="a made-up cookie"),
    ],
)
async def test_an_invalid_token_is_refused(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    assert (await client.get("/v1/me", headers=headers)).status_code == 401


@pytest.mark.parametrize("subject", ["0b0ce1f5-8a3c-4f5e-9d43-2f7e8f0f9c11", "root", "", "1 or 1=1"])
async def test_a_token_of_an_unknown_session_is_refused(client: httpx.AsyncClient, subject: str) -> None:
    assert (await whose(client, SignedTokens(JWT_SECRET, SESSION).issue(subject))).status_code == 401


async def test_a_device_token_is_not_a_session_token(client: httpx.AsyncClient, email: str) -> None:
    await client.post("/login", data={"email": email, "password": PASSWORD})
    assert (await whose(client, client.cookies[DEVICE_COOKIE])).status_code == 401


# What ends a session


async def test_a_removed_role_is_gone_at_the_next_request(
    client: httpx.AsyncClient, email: str, system_engine: Engine
) -> None:
    token = await token_of(client, email)
    [tenant_id] = (await whose(client, token)).json()["tenants"]
    with system_session(system_engine) as session:
        remove_role(session, email, tenant_id, actor="test")
    assert (await whose(client, token)).json()["tenants"] == {}


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda session, email: set_user_active(session, email, False, actor="test"), id="disabled"),
        pytest.param(lambda session, email: delete_user(session, email, actor="test"), id="deleted"),
        pytest.param(lambda session, email: revoke_sessions(session, email, actor="test"), id="sessions revoked"),
        pytest.param(
            lambda session, email: set_password(session, email, "another-long-one", actor="test"), id="password"
        ),
    ],
)
async def test_every_session_of_a_user_ends_with(
    client: httpx.AsyncClient, api: FastAPI, email: str, system_engine: Engine, act: Any
) -> None:
    first, second = await token_of(client, email), await token_of(client_at(api), email)
    with system_session(system_engine) as session:
        act(session, email)
    assert [(await whose(client, token)).status_code for token in (first, second)] == [401, 401]


async def test_a_user_who_is_enabled_again_signs_in_anew(
    client: httpx.AsyncClient, email: str, system_engine: Engine
) -> None:
    token = await token_of(client, email)
    for is_active in (False, True):
        with system_session(system_engine) as session:
            set_user_active(session, email, is_active, actor="test")
    assert (await whose(client, token)).status_code == 401
    assert (await whose(client, await token_of(client, email))).status_code == 200


async def test_a_session_ends_after_eight_hours_whatever_its_token_says(
    client: httpx.AsyncClient, email: str, system_engine: Engine
) -> None:
    token = await token_of(client, email)
    with system_session(system_engine) as session:
        session.execute(text("update user_sessions set ends_at = ends_at - interval '8 hours'"))
    assert (await whose(client, token)).status_code == 401


async def test_signing_out_ends_every_copy_of_the_token_and_no_other_session(
    client: httpx.AsyncClient, api: FastAPI, email: str
) -> None:
    elsewhere = await token_of(client_at(api), email)
    await client.post("/login", data={"email": email, "password": PASSWORD})
    copy = client.cookies[SESSION_COOKIE]
    assert (await whose(client, copy)).status_code == 200
    await client.get("/logout")
    assert (await whose(client, copy)).status_code == 401
    assert (await whose(client, elsewhere)).status_code == 200


async def test_a_client_signs_out_with_its_token(client: httpx.AsyncClient, email: str) -> None:
    token = await token_of(client, email)
    headers = {"Authorization": f"Bearer {token}"}
    assert (await client.post("/v1/logout", headers=headers)).status_code == 204
    assert (await whose(client, token)).status_code == 401
    assert (await client.post("/v1/logout", headers=headers)).status_code == 401


def test_a_password_that_changes_while_it_is_checked_opens_no_session(system_engine: Engine, email: str) -> None:
    with system_session(system_engine) as signing_in:
        user = authenticate(signing_in, email, PASSWORD)
        assert user is not None
        with system_session(system_engine) as administering:
            set_password(administering, email, "another-long-one", actor="test")
        assert open_session(signing_in, user) is None


def test_a_session_that_is_being_opened_ends_with_the_password_that_changes_meanwhile(
    system_engine: Engine, email: str
) -> None:
    """The change of the password does not see the session yet, and must wait until it can end it."""

    def change() -> None:
        with system_session(system_engine) as administering:
            set_password(administering, email, "another-long-one", actor="test")

    def somebody_waits() -> bool:
        with system_session(system_engine) as session:
            return session.scalar(text("select exists(select from pg_locks where not granted)")) is True

    with ThreadPoolExecutor(1) as beside:
        with system_session(system_engine) as signing_in:
            user = authenticate(signing_in, email, PASSWORD)
            assert user is not None
            opened = open_session(signing_in, user)
            assert opened is not None
            changing = beside.submit(change)
            while not changing.done() and not somebody_waits():
                time.sleep(0.01)
        changing.result(60)
    with system_session(system_engine) as session:
        assert user_of(session, opened) is None
