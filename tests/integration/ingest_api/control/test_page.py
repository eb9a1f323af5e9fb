"""The page that people sign in on."""

from dataclasses import replace
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import Engine

from echolead.operational import sign_in
from echolead.operational.database import system_session
from echolead.operational.users import create_user
from echolead.signed_in import DEVICE_COOKIE, SESSION_COOKIE
from ingest_api.control.sessions import ConsoleSessions
from tests.fixtures.console_sign_in import CONSOLE, DAGSTER, PASSWORD, client_at, serving, token_of


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
