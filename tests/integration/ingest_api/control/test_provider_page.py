"""Signing in with the company's account: whose session it opens, who is refused, and what is written down."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, text

from echolead.operational import sign_in
from echolead.operational.database import system_session
from echolead.operational.identities import unlink_identity
from echolead.operational.provision import OperationalUrls
from echolead.operational.users import create_user, revoke_sessions, set_user_active
from echolead.settings import Settings
from echolead.signed_in import SESSION_COOKIE
from ingest_api.control.identity_provider import IdentityProvider
from ingest_api.control.provider_page import FLOW_COOKIE
from ingest_api.control.sessions import ConsoleSessions
from ingest_api.http.addresses import TrustedProxies
from tests.fixtures.console_sign_in import CONSOLE, DAGSTER, PASSWORD, client_at, serving
from tests.fixtures.identity_provider import CLIENT_ID, CLIENT_SECRET, FakeProvider, identity_provider
from tests.fixtures.operational import JWT_SECRET
from tests.fixtures.parts import free_port

API = "http://console.test"
BACK = f"{CONSOLE}/leads?tenant_id=demo"


@pytest.fixture(scope="module")
def served_provider() -> Iterator[FakeProvider]:
    with identity_provider() as served:
        yield served


@dataclass
class Company:
    """The company's sign-in: its provider, our API, and people who go from one to the other."""

    provider: FakeProvider
    sessions: ConsoleSessions
    engine: Engine

    def api(self, **settings: Any) -> FastAPI:
        return serving(replace(self.sessions, **settings))

    def browser(self, **settings: Any) -> httpx.AsyncClient:
        return client_at(self.api(**settings))

    def is_at_work(self, email: str, /, subject: str = "", **claims: Any) -> None:
        """This person is signed in at the provider."""
        person = {"sub": subject or f"sub of {email}", "email": email, "email_verified": True}
        self.provider.person = person | claims

    async def leave(self, browser: httpx.AsyncClient, back: str = BACK) -> str:
        """Follow the link of the sign-in page to the provider, and its answer to where it leads back."""
        left = await browser.get("/login/oidc", params={"next": back})
        assert left.status_code == 303, left.text
        async with httpx.AsyncClient() as outside:
            answer = await outside.get(left.headers["location"])
        assert answer.headers["location"].startswith(f"{API}/login/oidc/callback?")
        return str(answer.headers["location"])

    async def sign_in(self, browser: httpx.AsyncClient, back: str = BACK) -> httpx.Response:
        return await browser.get(await self.leave(browser, back))

    def log(self, subject: str) -> list[tuple[str, Any]]:
        """What the audit log has of a user."""
        asked = text("select action, detail from audit_log where subject = :s order by audit_id")
        with system_session(self.engine) as session:
            return [(row.action, row.detail) for row in session.execute(asked, {"s": subject})][-3:]


@pytest.fixture
async def company(
    served_provider: FakeProvider, operational_urls: OperationalUrls, system_engine: Engine
) -> AsyncIterator[Company]:
    served_provider.__init__(issuer=served_provider.issuer)  # type: ignore[misc]
    settings = Settings(
        postgres_api_url=operational_urls.api,
        jwt_secret=JWT_SECRET,
        console_url=CONSOLE,
        dagster_url=DAGSTER,
        collector_url=API,
        oidc_issuer=served_provider.issuer,
        oidc_client_id=CLIENT_ID,
        oidc_client_secret=CLIENT_SECRET,
    )
    sessions = ConsoleSessions.of(settings, TrustedProxies("127.0.0.1"))
    yield Company(served_provider, sessions, system_engine)
    await sessions.close()


async def test_a_person_with_a_verified_address_is_signed_in_and_out_as_by_password(
    company: Company, email: str
) -> None:
    browser = company.browser()
    company.is_at_work(email.upper())
    page = await browser.get("/login", params={"next": BACK}, headers={"accept-language": "pt-BR"})
    assert "Entrar com a conta da empresa" in page.text
    done = await company.sign_in(browser)
    assert (done.status_code, done.headers["location"]) == (303, BACK)
    assert done.headers["referrer-policy"] == "no-referrer"  # the address has a code
    me = (await browser.get("/v1/me")).json()
    assert (me["email"], set(me["tenants"].values())) == (email, {"operator"})
    assert company.log(email)[-2:] == [
        ("user.identity_linked", {"issuer": company.provider.issuer, "identity": f"sub of {email.upper()}"}),
        ("user.signed_in", {"by": "identity provider"}),
    ]
    bearer = {"Authorization": f"Bearer {browser.cookies[SESSION_COOKIE]}"}
    assert (await client_at(company.api()).get("/v1/me", headers=bearer)).status_code == 200
    await browser.get("/logout")
    assert (await client_at(company.api()).get("/v1/me", headers=bearer)).status_code == 401


async def test_the_cookie_of_the_way_is_bound_to_the_host_and_gone_after_it(company: Company, email: str) -> None:
    browser = company.browser(console_url="https://console.test")
    browser.base_url = httpx.URL("https://console.test")
    company.is_at_work(email)
    left = await browser.get("/login/oidc")
    [cookie] = left.headers.get_list("set-cookie")
    assert cookie.startswith(f"__Host-{FLOW_COOKIE}=")
    assert {"HttpOnly", "SameSite=lax", "Path=/", "Secure", "Max-Age=600"} <= set(cookie.split("; "))
    refused = await browser.get("/login/oidc/callback", params={"state": "of another"})
    [gone] = refused.headers.get_list("set-cookie")
    assert gone.startswith(f'__Host-{FLOW_COOKIE}=""; ')
    assert "Max-Age=0" in gone


async def test_a_linked_person_keeps_their_account_whatever_address_they_have_later(
    company: Company, email: str
) -> None:
    company.is_at_work(email, subject=f"s {email}")
    assert (await company.sign_in(company.browser())).status_code == 303
    company.is_at_work("married@example.test", subject=f"s {email}", email_verified=False)
    browser = company.browser()
    assert (await company.sign_in(browser)).status_code == 303
    assert (await browser.get("/v1/me")).json()["email"] == email
    assert [action for action, _ in company.log(email)].count("user.identity_linked") == 1


async def test_who_gets_the_address_of_another_is_refused_until_an_administrator_unlinks_it(
    company: Company, email: str
) -> None:
    company.is_at_work(email, subject=f"first {email}")
    first = company.browser()
    await company.sign_in(first)
    company.is_at_work(email, subject=f"second {email}")
    refused = await company.sign_in(company.browser())
    assert refused.status_code == 403
    assert f"The user {email} belongs to another company account." in refused.text
    with system_session(company.engine) as session:
        assert unlink_identity(session, email, actor="test") == 1
    assert (await first.get("/v1/me")).status_code == 401
    assert (await company.sign_in(company.browser())).status_code == 303


@pytest.mark.parametrize(
    ("claims", "reason", "sentence"),
    [
        pytest.param({}, "unknown", "has no user in EchoLead. Ask an administrator", id="nobody here"),
        pytest.param({"email_verified": False}, "unverified", "did not confirm your e-mail", id="unverified"),
        pytest.param({"email": ""}, "unverified", "did not confirm your e-mail", id="no address"),
    ],
)
async def test_who_has_no_account_is_refused_and_told_whom_to_ask(
    company: Company, email: str, claims: dict[str, Any], reason: str, sentence: str
) -> None:
    address = f"<b>eve</b>-{uuid4().hex[:6]}@example.test" if not claims else email
    company.is_at_work(address, subject=f"s {email}", **claims)
    browser = company.browser()
    refused = await company.sign_in(browser)
    assert refused.status_code == 403
    assert sentence in refused.text
    assert "<b>" not in refused.text
    assert SESSION_COOKIE not in browser.cookies
    shown = claims.get("email", address) or f"s {email}"
    assert ("user.sign_in_refused", {"reason": reason, "issuer": company.provider.issuer}) in company.log(shown)


async def test_a_disabled_user_is_refused_and_their_sessions_end(company: Company, email: str) -> None:
    company.is_at_work(email)
    browser = company.browser()
    await company.sign_in(browser)
    with system_session(company.engine) as session:
        set_user_active(session, email, False, actor="test")
    assert (await browser.get("/v1/me")).status_code == 401
    refused = await company.sign_in(browser)
    assert refused.status_code == 403
    assert f"The user {email} is disabled" in refused.text


async def test_revoking_ends_sessions_of_both_kinds(company: Company, email: str) -> None:
    company.is_at_work(email)
    by_company, by_password = company.browser(), company.browser()
    await company.sign_in(by_company)
    await by_password.post("/login", data={"email": email, "password": PASSWORD})
    with system_session(company.engine) as session:
        assert revoke_sessions(session, email, actor="test") == 2
    assert [(await each.get("/v1/me")).status_code for each in (by_company, by_password)] == [401, 401]


async def test_an_answer_that_another_browser_asked_for_signs_nobody_in(company: Company, email: str) -> None:
    company.is_at_work(email)
    attacker, victim = company.browser(), company.browser()
    planted = await company.leave(attacker)
    for has_begun in (False, True):  # with a way of their own they are not taken along either
        if has_begun:
            await company.leave(victim)
        answer = await victim.get(planted)
        assert answer.status_code == 400
        assert "began in another window or browser" in answer.text
        assert SESSION_COOKIE not in victim.cookies
    assert company.provider.asked.get("/token", 0) == 0


async def test_two_cookies_of_the_way_are_both_ignored(company: Company, email: str) -> None:
    company.is_at_work(email)
    browser, other = company.browser(), company.browser()
    back, _ = await company.leave(browser), await company.leave(other)
    cookies = f"{FLOW_COOKIE}={other.cookies[FLOW_COOKIE]}; {FLOW_COOKIE}={browser.cookies[FLOW_COOKIE]}"
    browser.cookies.clear()
    assert (await browser.get(back, headers={"Cookie": cookies})).status_code == 400


async def test_an_answer_counts_once(company: Company, email: str) -> None:
    company.is_at_work(email)
    browser = company.browser()
    back = await company.leave(browser)
    way = browser.cookies[FLOW_COOKIE]
    assert (await browser.get(back)).status_code == 303
    browser.cookies.clear()
    again = await browser.get(back, headers={"Cookie": f"{FLOW_COOKIE}={way}"})
    assert again.status_code == 401
    assert SESSION_COOKIE not in browser.cookies


async def test_a_forged_token_signs_nobody_in(company: Company, email: str) -> None:
    company.is_at_work(email)
    company.provider.forge = company.provider.unsigned
    browser = company.browser()
    answer = await company.sign_in(browser)
    assert answer.status_code == 401
    assert "did not confirm who you are" in answer.text
    assert SESSION_COOKIE not in browser.cookies
    [action, detail] = company.log(company.provider.issuer)[-1]
    assert (action, detail["reason"]) == ("user.sign_in_refused", "not_proven")
    assert "'none', which is not accepted" in detail["said"]


@pytest.mark.parametrize("elsewhere", ["https://evil.test/", "//evil.test/", f"{CONSOLE}.evil.test/"])
async def test_the_way_leads_back_to_the_console_only(company: Company, email: str, elsewhere: str) -> None:
    company.is_at_work(email)
    assert (await company.sign_in(company.browser(), elsewhere)).headers["location"] == CONSOLE


async def test_who_says_no_at_the_provider_is_back_on_the_page_and_in_the_audit_log(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    company.provider.refuses = "access_denied"
    answer = await company.sign_in(company.browser())
    assert answer.status_code == 401
    assert "was cancelled" in answer.text
    noted = ("user.sign_in_refused", {"reason": "denied_by_provider", "said": "access_denied"})
    assert company.log(company.provider.issuer)[-1] == noted
    # Anyone can come back like this, and the log only grows.
    company.provider.refuses = "another_reason"
    monkeypatch.setattr(sign_in, "NOTED_LIMIT", 0)
    assert (await company.sign_in(company.browser())).status_code == 401
    assert company.log(company.provider.issuer)[-1] == noted
    monkeypatch.setattr(sign_in, "NETWORK_LIMIT", 1)
    browser = company.browser()
    assert [(await company.sign_in(browser)).status_code for _ in range(2)] == [401, 429]


async def test_without_the_provider_the_page_says_so_and_passwords_work(company: Company, email: str) -> None:
    nobody = IdentityProvider(f"http://127.0.0.1:{free_port()}", CLIENT_ID, CLIENT_SECRET, f"{API}/login/oidc/callback")
    browser = company.browser(provider=nobody)
    answer = await browser.get("/login/oidc", headers={"accept-language": "pt"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
    assert "O login da empresa não responde agora." in answer.text
    assert (await browser.post("/login", data={"email": email, "password": PASSWORD})).status_code == 303
    await nobody.close()


async def test_failed_returns_are_limited_by_network_and_passwords_are_not(
    company: Company, email: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_in, "NETWORK_LIMIT", 3)
    browser = company.browser()
    company.is_at_work("nobody@example.test")
    assert [(await company.sign_in(browser)).status_code for _ in range(4)] == [403, 403, 403, 429]
    company.is_at_work(email)
    limited = await company.sign_in(browser)
    assert (limited.status_code, "Try again in 15 min." in limited.text) == (429, True)
    assert (await company.sign_in(company.browser())).status_code == 303
    assert (await browser.post("/login", data={"email": email, "password": PASSWORD})).status_code == 303


async def test_returns_to_a_provider_that_is_down_are_not_limited(
    company: Company, email: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_in, "NETWORK_LIMIT", 1)
    company.is_at_work(email)
    browser = company.browser()
    ways = [await company.leave(browser) for _ in range(3)]
    company.provider.is_broken = True
    assert (await browser.get(ways[-1])).status_code == 503
    company.provider.is_broken = False
    assert [(await company.sign_in(browser)).status_code for _ in range(3)] == [303, 303, 303]


async def test_people_who_are_let_in_are_not_limited(
    company: Company, email: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_in, "NETWORK_LIMIT", 2)
    company.is_at_work(email)
    browser = company.browser()
    assert [(await company.sign_in(browser)).status_code for _ in range(4)] == [303] * 4


async def test_with_passwords_of_administrators_only_others_need_the_company_account(
    company: Company, email: str
) -> None:
    admin = f"root-{uuid4().hex[:8]}@example.test"
    with system_session(company.engine) as session:
        create_user(session, admin, PASSWORD, actor="test", is_superuser=True)
    company.sessions.sign_in.passwords_of_admins_only = True
    browser = company.browser()
    page = await browser.get("/login")
    assert "<details><summary>Platform administrators: sign in with a password</summary>" in page.text
    refused = await browser.post("/login", data={"email": email, "password": PASSWORD})
    wrong = await browser.post("/v1/login", json={"email": email, "password": PASSWORD})
    assert (refused.status_code, wrong.status_code) == (401, 401)
    assert "Passwords of platform administrators alone are accepted here." in wrong.json()["detail"]
    assert company.log(email)[-1] == ("user.sign_in_refused", {"reason": "passwords_switched_off"})
    assert (await browser.post("/login", data={"email": admin, "password": PASSWORD})).status_code == 303
    company.is_at_work(email)
    assert (await company.sign_in(company.browser())).status_code == 303


async def test_without_a_provider_the_page_offers_none_and_there_is_no_way_to_it(client: httpx.AsyncClient) -> None:
    assert "/login/oidc" not in (await client.get("/login")).text
    assert (await client.get("/login/oidc")).status_code == 404
    assert (await client.get("/login/oidc/callback")).status_code == 404
