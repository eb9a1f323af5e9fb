"""Signing in: over JSON and by the page, throttled, and only ever for users who may."""

from collections.abc import AsyncIterator, Iterator
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
from echolead.operational.sign_in import SignIn
from echolead.operational.users import create_user, grant_role
from echolead.security import SESSION_COOKIE, SessionTokens, SignedIn
from echolead.settings import Settings
from ingest_api.addresses import TrustedProxies
from ingest_api.app import answer_with_problems
from ingest_api.control.sessions import Sessions, router
from ingest_api.metrics import Metrics
from tests.fixtures.operational import JWT_SECRET, make_tenant

PASSWORD = "a-long-password"
CONSOLE = "http://console.test:8701"
DAGSTER = "http://dagster.test:8702"


@pytest.fixture
def sessions(operational_urls: OperationalUrls) -> Iterator[Sessions]:
    """Sessions on the test database, with the machine of the test client as a trusted proxy."""
    settings = Settings(
        postgres_system_url=operational_urls.system,
        jwt_secret=JWT_SECRET,
        console_url=CONSOLE,
        dagster_url=DAGSTER,
        trusted_proxies="",
    )
    made = Sessions.of(settings, TrustedProxies("127.0.0.1"))
    yield made
    made.sign_in.close()


@pytest.fixture
def api(sessions: Sessions) -> FastAPI:
    """The routes alone, with the application's way of telling problems."""
    return serving(sessions)


@pytest.fixture
async def client(api: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A browser whose address no other test has."""
    async with client_at(api) as browser:
        yield browser


def serving(sessions: Sessions) -> FastAPI:
    api = FastAPI()
    api.include_router(router(sessions))
    answer_with_problems(api, Metrics())
    return api


def client_at(api: FastAPI) -> httpx.AsyncClient:
    """A client behind the trusted proxy, from an address of its own."""
    number = uuid4().int
    address = f"2001:db8:{number % 65536:x}:{number // 65536 % 65536:x}::1"
    transport = httpx.ASGITransport(api, client=("127.0.0.1", 40000))
    return httpx.AsyncClient(transport=transport, base_url="http://console.test", headers={"x-forwarded-for": address})


@pytest.fixture
def email(system_engine: Engine) -> str:
    """A user with a role in one tenant."""
    address = f"ana-{uuid4().hex[:8]}@example.test"
    tenant = make_tenant(system_engine)
    with system_session(system_engine) as session:
        create_user(session, address, PASSWORD, actor="test", name="Ana", roles={tenant.tenant_id: "operator"})
    return address


async def test_a_right_password_gives_a_token_that_the_console_can_check(client: httpx.AsyncClient, email: str) -> None:
    answer = await client.post("/v1/login", json={"email": f" {email.upper()} ", "password": PASSWORD})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    who = SessionTokens(JWT_SECRET).read(body["token"])
    assert (who.email, who.name, list(who.tenants.values())) == (email, "Ana", ["operator"])
    assert body["user"]["tenants"] == who.tenants
    assert body["expires_in_seconds"] == 8 * 3600


async def test_me_tells_the_roles_of_now_and_not_those_of_the_token(
    client: httpx.AsyncClient, email: str, system_engine: Engine
) -> None:
    token = (await client.post("/v1/login", json={"email": email, "password": PASSWORD})).json()["token"]
    other = make_tenant(system_engine)
    with system_session(system_engine) as session:
        grant_role(session, email, other.tenant_id, "admin", actor="test")
    me = await client.get("/v1/me", headers={"Authorization": f"Bearer {token}"})
    assert me.json()["tenants"][other.tenant_id] == "admin"


async def test_a_tenant_that_is_not_active_is_nobodys(
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


async def test_a_user_who_may_not_sign_in_any_more_is_out_at_once(
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
async def test_without_a_valid_token_nobody_is_signed_in(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    assert (await client.get("/v1/me", headers=headers)).status_code == 401


async def test_a_token_of_a_user_who_never_was_signs_nobody_in(client: httpx.AsyncClient) -> None:
    token = SessionTokens(JWT_SECRET).issue(SignedIn(user_id=uuid4(), email="x@y.z", is_superuser=True))
    assert (await client.get("/v1/me", headers={"Authorization": f"Bearer {token}"})).status_code == 401


async def test_an_account_is_throttled_even_for_the_right_password_from_anywhere(
    client: httpx.AsyncClient, api: FastAPI, email: str
) -> None:
    for _ in range(sign_in.ACCOUNT_LIMIT):
        assert (await client.post("/v1/login", json={"email": email, "password": "guess-guess"})).status_code == 401
    elsewhere = client_at(api)
    refused = await elsewhere.post("/v1/login", json={"email": email, "password": PASSWORD})
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 15 * 60


async def test_an_address_is_throttled_over_all_accounts(
    client: httpx.AsyncClient, api: FastAPI, email: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_in, "ADDRESS_LIMIT", 3)
    for number in range(3):
        await client.post("/v1/login", json={"email": f"nobody-{number}@example.test", "password": "guess-guess"})
    assert (await client.post("/v1/login", json={"email": email, "password": PASSWORD})).status_code == 429
    elsewhere = client_at(api)
    assert (await elsewhere.post("/v1/login", json={"email": email, "password": PASSWORD})).status_code == 200


async def test_a_success_forgets_the_failures_of_the_account(
    client: httpx.AsyncClient, email: str, system_engine: Engine
) -> None:
    for _ in range(2):
        for _ in range(sign_in.ACCOUNT_LIMIT - 1):
            await client.post("/v1/login", json={"email": email, "password": "guess-guess"})
        assert (await client.post("/v1/login", json={"email": email, "password": PASSWORD})).status_code == 200


async def test_the_throttle_forgets_after_its_window(
    client: httpx.AsyncClient, email: str, system_engine: Engine
) -> None:
    for _ in range(sign_in.ACCOUNT_LIMIT + 1):
        await client.post("/v1/login", json={"email": email, "password": "guess-guess"})
    with system_session(system_engine) as session:
        session.execute(text("update sign_in_attempts set at = at - interval '16 minutes'"))
    assert (await client.post("/v1/login", json={"email": email, "password": PASSWORD})).status_code == 200


async def test_the_record_of_attempts_holds_no_account_or_address(
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
async def test_an_address_that_postgres_cannot_look_for_is_refused(client: httpx.AsyncClient, content: Any) -> None:
    answer = await client.post("/v1/login" if "json" in content else "/login", **content)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-request")


async def test_without_its_database_signing_in_says_come_back(client: httpx.AsyncClient, sessions: Sessions) -> None:
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
    cookie = done.headers["set-cookie"]
    assert cookie.startswith(f"{SESSION_COOKIE}=")
    for part in ("HttpOnly", "SameSite=lax", "Path=/", "Max-Age=28800"):
        assert part in cookie
    assert "Secure" not in cookie  # the console of this test has no TLS
    assert (await client.get("/v1/me")).json()["email"] == email


async def test_with_tls_the_cookie_never_travels_without(sessions: Sessions, email: str) -> None:
    done = await client_at(serving(replace(sessions, console_url="https://console.test"))).post(
        "/login", data={"email": email, "password": PASSWORD}
    )
    assert done.headers["location"] == "https://console.test"
    assert "; Secure" in done.headers["set-cookie"]


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
async def test_the_page_goes_back_to_the_console_and_nowhere_else(
    client: httpx.AsyncClient, email: str, elsewhere: str
) -> None:
    done = await client.post("/login", data={"email": email, "password": PASSWORD, "next": elsewhere})
    assert done.headers["location"] == CONSOLE


async def test_the_page_says_what_is_wrong_and_escapes_what_it_repeats(client: httpx.AsyncClient) -> None:
    answer = await client.post("/login", data={"email": '"><script>x</script>', "password": "guess-guess"})
    assert answer.status_code == 401
    assert "E-mail or password is not right." in answer.text
    assert "<script>" not in answer.text
    assert SESSION_COOKIE not in answer.headers.get("set-cookie", "")


async def test_the_page_says_when_to_try_again(client: httpx.AsyncClient, email: str) -> None:
    for _ in range(sign_in.ACCOUNT_LIMIT):
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


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"sec-fetch-site": "cross-site"}, id="another site, by fetch metadata"),
        pytest.param({"sec-fetch-site": "same-site"}, id="a sibling host"),
        pytest.param({"origin": "https://evil.test"}, id="another site, by origin"),
        pytest.param({"origin": "null"}, id="no origin to tell"),
    ],
)
async def test_another_site_cannot_sign_a_visitor_in(
    client: httpx.AsyncClient, email: str, headers: dict[str, str]
) -> None:
    answer = await client.post("/login", data={"email": email, "password": PASSWORD}, headers=headers)
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


async def test_signing_out_ends_the_session_unless_another_site_asks(client: httpx.AsyncClient, email: str) -> None:
    await client.post("/login", data={"email": email, "password": PASSWORD})
    await client.get("/logout", headers={"sec-fetch-site": "cross-site"})
    assert (await client.get("/v1/me")).status_code == 200
    await client.get("/logout", headers={"sec-fetch-site": "same-site"})
    assert (await client.get("/v1/me")).status_code == 401
