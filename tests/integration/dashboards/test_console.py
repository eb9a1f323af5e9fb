"""The console in Chromium: access and its end, downloads, and the restrictions of its pages."""

import csv
import io
import re
import signal
import threading
from collections.abc import Callable, Iterator
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import httpx
import pytest
from playwright.sync_api import ConsoleMessage, Locator, Page, expect
from sqlalchemy.orm import Session

from echolead.operational.database import system_session
from echolead.operational.users import delete_user, remove_role, revoke_sessions, set_user_active
from echolead.signed_in import DEVICE_COOKIE, SESSION_COOKIE
from echolead.warehouse import connect
from tests.fixtures.identity_provider import FakeProvider
from tests.integration.dashboards.conftest import Console

SLOW = 60_000  # milliseconds, on a busy machine


def open_overview(console: Console, page: Page, email: str, tenant_id: str, name: str) -> None:
    """Sign in to the overview, and see the tenant's channel there."""
    console.sign_in(page, email, f"/?tenant_id={tenant_id}")
    expect(channel(page, name)).to_be_visible(timeout=SLOW)


def channel(page: Page, name: str) -> Locator:
    """The link to the leads of a campaign, which stands for the shown data of a tenant."""
    return page.get_by_test_id("stPageLink").get_by_text(name)


def expect_no_data(page: Page, sentence: str) -> None:
    """The page shows `sentence`, and no data of any tenant."""
    expect(page.get_by_text(sentence)).to_be_visible(timeout=SLOW)
    for shown in ("stDataFrame", "stMetric", "stVegaLiteChart"):
        expect(page.get_by_test_id(shown)).to_have_count(0, timeout=SLOW)


def test_the_overview_is_also_served_at_its_own_path(console: Console, page: Page) -> None:
    tenant_id = console.tenant("Campanha da Ana")
    console.sign_in(page, console.user(tenant_id), f"/overview?tenant_id={tenant_id}")
    expect(channel(page, "Campanha da Ana")).to_be_visible(timeout=SLOW)
    expect(page.get_by_text("Page not found")).to_have_count(0)


@pytest.mark.parametrize("name", ["audit", "no-such-page"])
def test_an_address_that_opens_no_page_says_so(console: Console, page: Page, name: str) -> None:
    tenant_id = console.tenant("Campanha da Ana")
    console.sign_in(page, console.user(tenant_id), f"/{name}?tenant_id={tenant_id}")
    expect(page.get_by_text(f"There is no page {name}, or your role does not open it.")).to_be_visible(timeout=SLOW)
    page.keyboard.press("Escape")  # Streamlit's own dialog, which names no page
    page.get_by_test_id("stSidebarNavLink").get_by_text("Leads").click()
    expect(page.get_by_text("Time zone UTC")).to_be_visible(timeout=SLOW)
    expect(page.get_by_text("There is no page")).to_have_count(0)


def test_the_list_of_leads_says_whose_clock_it_shows(console: Console, page: Page) -> None:
    """The tenant's, and not the browser's, which is in São Paulo."""
    tenant_id = console.tenant("Ana")
    console.sign_in(page, console.user(tenant_id), f"/leads?tenant_id={tenant_id}")
    expect(page.get_by_text("Time zone UTC")).to_be_visible(timeout=SLOW)


def test_health_shows_what_does_not_arrive(console: Console, page: Page) -> None:
    tenant_id = console.tenant("Ana")
    client = connect(console.warehouse.url)
    for table, columns, values in (
        ("unmapped_stages", "destination_name, stage_label, deals", ("crm", "Proposta", 3)),
        ("left_out_fields", "destination_name, field, reason", ("crm", "contact score", "not writable")),
        ("unknown_events", "destination_name, lead_id, event_id", ("rd", "v-1", "e-1")),
        ("spend_gaps", "platform, reason, leads", ("google", "unknown name", 2)),
        ("unreplaced_parameters", "platform, landing_page, value", ("meta", "https://a.test/", "{{ad.name}}")),
    ):
        names = columns.split(", ")
        row = dict(zip(["tenant_id", *names], (tenant_id, *values), strict=True))
        client.insert(f"ops.{table}", [list(row.values())], column_names=list(row))
    console.sign_in(page, console.user(tenant_id), f"/health?tenant_id={tenant_id}")
    for title in (
        "Stages of deals that count as nothing yet",
        "Fields that destinations do not take",
        "Conversions that may have arrived or not",
        "Ads outside of campaigns",
        "Macros that no ad platform replaced",
    ):
        expect(page.get_by_role("heading", name=title)).to_be_visible(timeout=SLOW)


def test_a_person_signs_in_and_out_with_the_companys_account_and_keeps_language_and_filter(
    console: Console, page: Page, company: FakeProvider
) -> None:
    tenant_id = console.tenant("Ana")
    email = console.user(tenant_id)
    company.person = {"sub": email, "email": email, "email_verified": True}
    page.goto(f"{console.url}/leads?tenant_id={tenant_id}&period=7d")
    page.get_by_role("link", name="Sign in").click(timeout=SLOW)
    page.get_by_role("link", name="Sign in with your company account").click()
    expect(page.get_by_text("Time zone UTC")).to_be_visible(timeout=SLOW)
    assert "period=7d" in page.url
    page.get_by_role("button", name="Saved filters").click()
    page.get_by_role("textbox", name="Name", exact=True).fill("Minha semana")
    page.get_by_text("Leads opens with it").click()
    page.get_by_role("button", name="Save what is shown").click()
    expect(page.get_by_text("The filter “Minha semana” is saved.")).to_be_visible(timeout=SLOW)
    page.get_by_text("Português").click()
    expect(page.get_by_text("Fuso UTC")).to_be_visible(timeout=SLOW)
    page.get_by_role("link", name="Sair").click()
    expect(page.get_by_role("heading", name="Sign in to EchoLead")).to_be_visible(timeout=SLOW)
    page.goto(f"{console.api_url}/login?next={console.url}/leads?tenant_id={tenant_id}")
    page.get_by_role("link", name="Sign in with your company account").click()
    expect(page.get_by_role("button", name="Minha semana")).to_be_visible(timeout=SLOW)
    expect(page.get_by_text("Fuso UTC")).to_be_visible(timeout=SLOW)
    assert "period=7d" in page.url


# Access ends


def remove(session: Session, email: str, tenant_id: str) -> None:
    remove_role(session, email, tenant_id, actor="test")


def disable(session: Session, email: str, tenant_id: str) -> None:
    set_user_active(session, email, False, actor="test")


def delete(session: Session, email: str, tenant_id: str) -> None:
    delete_user(session, email, actor="test")


def revoke(session: Session, email: str, tenant_id: str) -> None:
    revoke_sessions(session, email, actor="test")


@pytest.mark.parametrize(
    ("act", "sentence"),
    [
        pytest.param(remove, "Your user has no client yet", id="role removed"),
        pytest.param(disable, "Your session has ended", id="user disabled"),
        pytest.param(delete, "Your session has ended", id="user deleted"),
        pytest.param(revoke, "Your session has ended", id="sessions revoked"),
    ],
)
def test_an_open_page_loses_access_at_its_next_run(
    console: Console, page: Page, act: Callable[[Session, str, str], None], sentence: str
) -> None:
    tenant_id = console.tenant("Campanha da Ana")
    email = console.user(tenant_id)
    open_overview(console, page, email, tenant_id, "Campanha da Ana")
    with system_session(console.engine) as session:
        act(session, email, tenant_id)
    page.get_by_role("button", name="Reload").click()
    expect_no_data(page, sentence)


def test_signing_out_ends_every_copy_of_the_session(console: Console, page: Page) -> None:
    tenant_id = console.tenant("Campanha da Ana")
    open_overview(console, page, console.user(tenant_id), tenant_id, "Campanha da Ana")
    stolen = page.context.cookies()
    other_tab = page.context.new_page()
    other_tab.goto(f"{console.url}/?tenant_id={tenant_id}")
    other_tab.get_by_role("link", name="Sign out").click()
    other_tab.locator("[name=password]").wait_for()
    page.get_by_role("button", name="Reload").click()
    expect_no_data(page, "Your session has ended")
    page.context.add_cookies([{**cookie} for cookie in stolen])  # type: ignore[list-item]
    page.goto(f"{console.url}/?tenant_id={tenant_id}")
    expect_no_data(page, "Your session has ended")


def test_a_user_who_loses_one_of_two_tenants_still_sees_the_other(console: Console, page: Page) -> None:
    lost, kept = console.tenant("Campanha da Ana"), console.tenant("Campanha do Bruno")
    email = console.user(lost, kept)
    open_overview(console, page, email, lost, "Campanha da Ana")
    with system_session(console.engine) as session:
        remove_role(session, email, lost, actor="test")
    page.get_by_role("button", name="Reload").click()
    expect_no_data(page, "This link belongs to a client that your user may not see.")
    page.goto(console.url)
    expect(channel(page, "Campanha do Bruno")).to_be_visible(timeout=SLOW)


def test_without_the_api_the_console_refuses_access_and_shows_the_reason(console: Console, page: Page) -> None:
    tenant_id = console.tenant("Campanha da Ana")
    open_overview(console, page, console.user(tenant_id), tenant_id, "Campanha da Ana")
    console.api.send_signal(signal.SIGSTOP)
    try:
        page.get_by_role("button", name="Reload").click()
        expect_no_data(page, "Signing in is not possible at the moment")
    finally:
        console.api.send_signal(signal.SIGCONT)
    page.reload()
    expect(channel(page, "Campanha da Ana")).to_be_visible(timeout=SLOW)


def test_two_session_cookies_are_both_ignored(console: Console, page: Page) -> None:
    tenant_id = console.tenant("Campanha da Ana")
    open_overview(console, page, console.user(tenant_id), tenant_id, "Campanha da Ana")
    planted = {"name": SESSION_COOKIE, "value": "planted", "domain": "localhost", "path": "/_stcore"}
    page.context.add_cookies([planted])  # type: ignore[list-item]
    page.reload()
    expect_no_data(page, "Your browser sent several sessions")


def test_scripts_cannot_read_the_cookies(console: Console, page: Page) -> None:
    tenant_id = console.tenant("Campanha da Ana")
    open_overview(console, page, console.user(tenant_id), tenant_id, "Campanha da Ana")
    ours = {cookie["name"]: cookie for cookie in page.context.cookies() if cookie["name"].startswith("echolead_")}
    assert ours.keys() == {SESSION_COOKIE, DEVICE_COOKIE}
    assert all(cookie["httpOnly"] and cookie["sameSite"] == "Lax" for cookie in ours.values())
    assert "echolead_" not in page.evaluate("document.cookie")


# What leaves


HOSTILE = '=HYPERLINK("http://x.example","ok")'


def test_a_downloaded_table_holds_no_formula(console: Console, page: Page, tmp_path: Path) -> None:
    names = [HOSTILE, "+1+1", "-2+3", "@SUM(1)", "\t=1", "\r=1", "x;=1+1", "João Conceição"]
    tenant_id = console.tenant(*names)
    console.sign_in(page, console.user(tenant_id), f"/leads?tenant_id={tenant_id}")
    page.get_by_test_id("stDataFrame").wait_for(timeout=SLOW)
    expect(page.get_by_role("button", name="Download as CSV")).to_have_count(0)
    with page.expect_download(timeout=SLOW) as download:
        page.get_by_role("link", name="for Excel").first.click()
    saved = tmp_path / "leads.csv"
    download.value.save_as(saved)
    assert saved.read_bytes().startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(saved.read_text("utf-8-sig"), newline=""), delimiter=";"))
    assert "João Conceição" in {row[0] for row in rows}
    assert {row[2] for row in rows[1:]} == {"'+5511999998888"}
    cells = [part for row in rows for cell in row for part in re.split("[;\t\r\n]", cell)]
    assert [cell for cell in cells if cell[:1] in {"=", "+", "-", "@"}] == []


def test_a_file_is_only_for_users_of_its_tenant(console: Console, page: Page) -> None:
    own, foreign = console.tenant("Ana"), console.tenant("Bruno")
    open_overview(console, page, console.user(own), own, "Ana")
    cookie = {each["name"]: each["value"] for each in page.context.cookies(console.url)}
    address = f"{console.url}/export/leads.csv?for=programs&tenant_id="
    with httpx.Client(cookies=cookie, trust_env=False) as client:
        answer = client.get(address + own)
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
        assert "Ana" in answer.text
        refused = client.get(address + foreign)
        assert (refused.status_code, "Bruno" in refused.text) == (403, False)
        assert client.get(f"{console.url}/export/nothing.csv?tenant_id={own}").status_code == 404
    assert httpx.get(address + own, trust_env=False).status_code == 401


# Filters in the address


def test_back_and_reload_show_the_filters_of_the_address(console: Console, page: Page) -> None:
    tenant_id = console.tenant("inverno", "verão")
    console.sign_in(page, console.user(tenant_id), "/")
    page.goto(f"{console.url}/?tenant_id={tenant_id}&period=7d&campaign=inverno")
    held = page.get_by_role("button", name="Campaign: inverno")
    expect(held).to_be_visible(timeout=SLOW)
    page.get_by_role("radio", name="90 days").click()
    expect(page).to_have_url(re.compile("period=90d"), timeout=SLOW)
    page.reload()
    expect(held).to_be_visible(timeout=SLOW)
    expect(page).to_have_url(re.compile("period=90d"))
    page.go_back()
    expect(page).to_have_url(re.compile("period=7d"), timeout=SLOW)
    expect(page.get_by_role("radio", name="7 days")).to_be_checked(timeout=SLOW)


def test_a_followed_link_is_not_mixed_with_what_was_chosen_before(console: Console, page: Page) -> None:
    tenant_id, other = console.tenant("inverno", "verão"), console.tenant("outro")
    email = console.user(tenant_id, other)
    console.sign_in(page, email, "/")
    page.goto(f"{console.url}/?tenant_id={tenant_id}&campaign=inverno&vs=weekday")
    expect(page.get_by_role("button", name="Campaign: inverno")).to_be_visible(timeout=SLOW)
    page.goto(f"{console.url}/?tenant_id={tenant_id}&campaign=ver%C3%A3o")
    expect(page.get_by_role("button", name="Campaign: verão")).to_be_visible(timeout=SLOW)
    expect(page.get_by_role("button", name="Campaign: inverno")).to_have_count(0)
    assert "vs=" not in page.url
    page.goto(f"{console.url}/?tenant_id={tenant_id}&period=8d")
    expect(page.get_by_text("“8d” does not exist here")).to_be_visible(timeout=SLOW)


# What the pages may do


def test_pages_render_under_their_policy_and_nothing_is_refused(console: Console, page: Page) -> None:
    told: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error" or "Content Security Policy" in message.text:
            told.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("requestfailed", lambda request: told.append(request.url))
    foreign: set[str] = set()
    page.on("request", lambda request: foreign.add(f"{urlsplit(request.url).netloc}"))
    page.on("response", lambda answer: told.append(answer.url) if answer.status >= 400 else None)
    tenant_id = console.tenant("Campanha da Ana")
    open_overview(console, page, console.user(tenant_id), tenant_id, "Campanha da Ana")
    expect(page.locator("[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg").first).to_be_visible(
        timeout=SLOW
    )
    for path in ("leads", "health"):
        page.get_by_test_id("stSidebarNav").get_by_role("link").and_(page.locator(f"[href$='/{path}']")).click()
        expect(page.get_by_test_id("stDataFrame").first).to_be_visible(timeout=SLOW)
    expect(page.get_by_test_id("stVegaLiteChart").first).to_be_visible(timeout=SLOW)
    assert told == []
    assert foreign == {urlsplit(console.url).netloc, urlsplit(console.api_url).netloc}


@pytest.mark.parametrize("path", ["", "/leads", "/_stcore/health", "/static/js/nothing.js", "/_stcore/metrics"])
def test_every_answer_carries_the_headers(console: Console, path: str) -> None:
    headers = httpx.get(console.url + path, trust_env=False).headers
    policy = headers.get_list("content-security-policy")
    assert len(policy) == 1
    for directive in ("default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "object-src 'none'"):
        assert directive in policy[0].split("; ")
    assert "unsafe-eval" not in policy[0]
    assert "script-src 'self' 'sha256-" in policy[0]
    assert (headers["x-frame-options"], headers["x-content-type-options"]) == ("DENY", "nosniff")
    assert headers["referrer-policy"] == "same-origin"


class EvilSite(BaseHTTPRequestHandler):
    """Any path is a page that frames the address in its query."""

    def do_GET(self) -> None:
        address = unquote(urlsplit(self.path).query)
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(f"<h1>You won</h1><iframe src='{escape(address)}'></iframe>".encode())

    def log_message(self, *arguments: object) -> None: ...


@pytest.fixture
def evil_site() -> Iterator[str]:
    """URL of a foreign site."""
    with ThreadingHTTPServer(("127.0.0.1", 0), EvilSite) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://evil.test:{server.server_address[1]}"
        server.shutdown()
        thread.join(5)


def test_another_site_cannot_frame_console_or_sign_in(console: Console, page: Page, evil_site: str) -> None:
    for address, is_shown in (
        (f"{evil_site}/?about:blank", True),  # the control: what may be framed is
        (f"{console.api_url}/login", False),
        (f"{console.url}/leads", False),
    ):
        page.goto(f"{evil_site}/?{quote(address)}")
        framed = next(frame for frame in page.frames if frame is not page.main_frame)
        framed.wait_for_load_state()
        assert framed.url.startswith(evil_site if is_shown else "chrome-error://"), framed.url


@pytest.mark.parametrize(
    "path",
    [
        *("/_stcore/metrics", "/_stcore/metrics/", "/%5fstcore/metrics", "/_stcore/script-health-check"),
        *("/_stcore/agent/openapi.json", "/media/x", "/component/x", "/_stcore/bidi-components/x"),
        *("/auth/login", "/oauth2callback"),
    ],
)
def test_routes_that_pages_do_not_need_are_not_served(console: Console, path: str) -> None:
    answer = httpx.get(console.url + path, trust_env=False)
    assert (answer.status_code, answer.text) == (404, "Not found")


@pytest.mark.parametrize("path", ["/_stcore/upload_file/a/b", "/_stcore/agent/interact", "/_stcore/agent/mcp"])
@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_uploads_and_commands_are_not_served(console: Console, path: str, method: str) -> None:
    assert httpx.request(method, console.url + path, content=b"x", trust_env=False).status_code == 404


@pytest.mark.parametrize("origin", ["http://localhost:1", "http://localhost:{port}.evil.test", "null", ""])
def test_pages_of_other_origins_cannot_open_the_consoles_socket(console: Console, origin: str) -> None:
    """Browsers send the cookies of a host name to each of its ports, and with WebSockets from any page."""
    told = {"origin": origin.replace("{port}", console.url.rpartition(":")[2])} if origin else {}
    headers = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13",
               "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==", **told}  # fmt: skip
    answer = httpx.get(f"{console.url}/_stcore/stream", headers=headers, timeout=60)
    assert answer.status_code == 403
