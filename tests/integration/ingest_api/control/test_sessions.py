"""Signing in: over JSON and on the page, throttled, and only for enabled users."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, text

from echolead.operational import sign_in
from echolead.operational.database import connect, system_session
from echolead.operational.provision import OperationalUrls
from echolead.operational.sessions import open_session, user_of
from echolead.operational.sign_in import SignIn
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
from echolead.security import DEVICE, SESSION, SignedTokens
from echolead.settings import Settings
from echolead.signed_in import DEVICE_COOKIE, SESSION_COOKIE
from ingest_api.app import answer_with_problems
from ingest_api.control import page
from ingest_api.control.sessions import ConsoleSessions, router
from ingest_api.http.addresses import TrustedProxies
from ingest_api.metrics import Metrics
from tests.fixtures.operational import JWT_SECRET, make_tenant

PASSWORD = "a-long-password"
CONSOLE = "http://console.test:8701"
DAGSTER = "http://dagster.test:8702"


@pytest.fixture
def sessions(operational_urls: OperationalUrls) -> Iterator[ConsoleSessions]:
    """ConsoleSessions on the test database, with the machine of the test client as a trusted proxy."""
    settings = Settings(
        postgres_api_url=operational_urls.api,
        jwt_secret=JWT_SECRET,
        console_url=CONSOLE,
        dagster_url=DAGSTER,
        trusted_proxies="",
    )
    made = ConsoleSessions.of(settings, TrustedProxies("127.0.0.1"))
    yield made
    made.sign_in.close()


@pytest.fixture
def api(sessions: ConsoleSessions) -> FastAPI:
    """The routes alone, with the application's problem documents."""
    return serving(sessions)


@pytest.fixture
async def client(api: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A browser whose address no other test has."""
    async with client_at(api) as browser:
        yield browser


def serving(sessions: ConsoleSessions) -> FastAPI:
    api = FastAPI()
    api.include_router(router(sessions))
    api.include_router(page.router(sessions))
    answer_with_problems(api, Metrics())
    return api


def client_at(api: FastAPI) -> httpx.AsyncClient:
    """A browser behind the trusted proxy, on the sign-in page, with its own address."""
    number = uuid4().int
    address = f"2001:db8:{number % 65536:x}:{number // 65536 % 65536:x}::1"
    transport = httpx.ASGITransport(api, client=("127.0.0.1", 40000))
    headers = {"x-forwarded-for": address, "sec-fetch-site": "same-origin"}
    return httpx.AsyncClient(transport=transport, base_url="http://console.test", headers=headers)


async def token_of(client: httpx.AsyncClient, email: str) -> str:
    """A token of a new session."""
    answer = await client.post("/v1/login", json={"email": email, "password": PASSWORD})
    return str(answer.json()["token"])


async def whose(client: httpx.AsyncClient, token: str) -> httpx.Response:
    """The API's answer for a token."""
    return await client.get("/v1/me", headers={"Authorization": f"Bearer {token}"})


async def fail(client: httpx.AsyncClient, email: str, times: int) -> int:
    """Guess a password repeatedly; returns the status of the last answer."""
    for _ in range(times):
        answer = await client.post("/v1/login", json={"email": email, "password": "guess-guess"})
    return answer.status_code


@pytest.fixture
def email(system_engine: Engine) -> str:
    """A user with a role in one tenant."""
    address = f"ana-{uuid4().hex[:8]}@example.test"
    tenant = make_tenant(system_engine)
    with system_session(system_engine) as session:
        create_user(session, address, PASSWORD, actor="test", name="Ana", roles={tenant.tenant_id: "operator"})
    return address


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


# The throttle


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


# The page


async def test_the_page_signs_in_and_goes_back_to_where_the_console_was(client: httpx.AsyncClient, email: str) -> None:
    back = f"{CONSOLE}/leads?tenant_id=demo&lead_id=1"
    shown = await client.get("/login", params={"next": back}, headers={"accept-language": "pt-BR,pt;q=0.9"})
    assert "Senha" in shown.text
    assert back.replace("&", "&amp;") in shown.text
    done = await client.post("/login", data={"email": email, "password": PASSWORD, "next": back})
    assert (done.status_code, done.headers["location"]) == (303, back)
    session, device = done.headers.get_list("set-cookie")
    assert session.startswith(f"{SESSION_COOKIE}=")
    assert device.startswith(f"{DEVICE_COOKIE}=")
    assert "Max-Age=28800" in session
    for cookie in (session, device):
        assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
        assert "Secure" not in cookie  # the console of this test has no TLS
    assert (await client.get("/v1/me")).json()["email"] == email


async def test_with_tls_the_cookies_are_host_bound_and_secure(sessions: ConsoleSessions, email: str) -> None:
    browser = client_at(serving(replace(sessions, console_url="https://console.test")))
    browser.base_url = httpx.URL("https://console.test")
    done = await browser.post("/login", data={"email": email, "password": PASSWORD})
    assert done.headers["location"] == "https://console.test"
    for cookie in done.headers.get_list("set-cookie"):
        assert cookie.startswith("__Host-echolead_")
        assert {"Secure", "Path=/"} <= set(cookie.split("; "))
        assert "domain" not in cookie.lower()
    assert (await browser.get("/v1/me")).json()["email"] == email
    token = browser.cookies[f"__Host-{SESSION_COOKIE}"]
    browser.cookies.clear()
    # A neighbouring host can set the name without the prefix.
    assert (await browser.get("/v1/me", headers={"Cookie": f"{SESSION_COOKIE}={token}"})).status_code == 401


async def test_two_session_cookies_are_both_ignored(
    client: httpx.AsyncClient, email: str, system_engine: Engine
) -> None:
    theirs = f"eve-{uuid4().hex[:8]}@example.test"
    with system_session(system_engine) as session:
        create_user(session, theirs, PASSWORD, actor="test")
    mine, planted = await token_of(client, email), await token_of(client, theirs)
    for pair in ((mine, planted), (planted, mine)):
        cookie = "; ".join(f"{SESSION_COOKIE}={token}" for token in pair)
        answer = await client.get("/v1/me", headers={"Cookie": cookie})
        assert (answer.status_code, answer.json()["type"]) == (401, "/problems/not-signed-in")
        assert "several session cookies" in answer.json()["detail"]


@pytest.mark.parametrize(
    "elsewhere",
    [
        pytest.param("https://evil.test/", id="another host"),
        pytest.param("//evil.test/", id="no scheme"),
        pytest.param("javascript:alert(1)", id="script"),
        pytest.param(f"{CONSOLE}@evil.test/", id="console as user name"),
        pytest.param(f"{CONSOLE}.evil.test/", id="console as prefix"),
        pytest.param("http://console.test:8701\\@evil.test/", id="backslash"),
        pytest.param("http://dagster.test:8701/", id="Dagster's host with another port"),
        pytest.param("http://[", id="no address"),
        pytest.param(f"{CONSOLE}/\r\nset-cookie: a=b", id="line break"),
        pytest.param("https://console.test:8701/", id="another scheme"),
    ],
)
async def test_the_sign_in_page_redirects_to_the_console_only(
    client: httpx.AsyncClient, email: str, elsewhere: str
) -> None:
    done = await client.post("/login", data={"email": email, "password": PASSWORD, "next": elsewhere})
    assert done.headers["location"] == CONSOLE


async def test_the_sign_in_page_shows_the_error_and_escapes_its_input(client: httpx.AsyncClient) -> None:
    answer = await client.post("/login", data={"email": '"><script>x</script>', "password": "guess-guess"})
    assert answer.status_code == 401
    assert "E-mail or password is not right." in answer.text
    assert "<script>" not in answer.text
    assert SESSION_COOKIE not in answer.headers.get("set-cookie", "")


async def test_the_page_says_when_to_try_again(client: httpx.AsyncClient, email: str) -> None:
    for _ in range(sign_in.ACCOUNT_AND_NETWORK_LIMIT):
        await client.post("/login", data={"email": email, "password": "guess-guess"})
    answer = await client.post("/login", data={"email": email, "password": PASSWORD})
    assert answer.status_code == 429
    assert "Try again in 15 min." in answer.text


async def test_the_page_cannot_be_framed_scripted_or_cached(client: httpx.AsyncClient) -> None:
    headers = (await client.get("/login")).headers
    policy = headers["content-security-policy"]
    for directive in ("default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"):
        assert directive in policy
    assert f"form-action 'self' {CONSOLE} {DAGSTER};" in policy
    assert "unsafe" not in policy
    assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")
    assert headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"sec-fetch-site": "cross-site"}, id="another site, by fetch metadata"),
        pytest.param({"sec-fetch-site": "same-site"}, id="a sibling host"),
        pytest.param({"sec-fetch-site": "none"}, id="no page at all"),
        pytest.param({"origin": "https://evil.test"}, id="another site, by origin"),
        pytest.param({"origin": "http://console.test.evil.test"}, id="our host as prefix"),
        pytest.param({"origin": "null"}, id="a null origin"),
        pytest.param({"sec-fetch-site": "same-origin", "origin": "null"}, id="two that contradict each other"),
        pytest.param({}, id="neither"),
    ],
)
async def test_a_form_on_another_site_cannot_sign_in(
    client: httpx.AsyncClient, email: str, headers: dict[str, str]
) -> None:
    del client.headers["sec-fetch-site"]
    answer = await client.post("/login", data={"email": email, "password": PASSWORD}, headers=headers)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    assert "the form did not come from this page" in answer.text
    assert email not in answer.text


@pytest.mark.parametrize("headers", [{"sec-fetch-site": "same-origin"}, {"origin": "http://console.test"}])
async def test_either_header_identifies_the_sign_in_page(
    client: httpx.AsyncClient, email: str, headers: dict[str, str]
) -> None:
    del client.headers["sec-fetch-site"]
    answer = await client.post("/login", data={"email": email, "password": PASSWORD}, headers=headers)
    assert answer.status_code == 303


async def test_signing_out_ends_the_session_unless_another_site_asks(client: httpx.AsyncClient, email: str) -> None:
    await client.post("/login", data={"email": email, "password": PASSWORD})
    await client.get("/logout", headers={"sec-fetch-site": "cross-site"})
    assert (await client.get("/v1/me")).status_code == 200
    await client.get("/logout", headers={"sec-fetch-site": "same-site"})
    assert (await client.get("/v1/me")).status_code == 401
