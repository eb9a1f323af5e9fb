"""Pages that act in Chromium: the console's and the API's own processes, and the session's cookie between them."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from dashboards.audit_chain import verified
from echolead.embedded.alone import running
from echolead.embedded.clickhouse import EmbeddedWarehouse
from echolead.embedded.nats import EmbeddedNats
from echolead.embedded.part import Part, python
from echolead.operational.database import system_session
from echolead.operational.models import AuditEntry, ControlTask
from echolead.operational.provision import OperationalUrls
from echolead.operational.users import create_user
from tests.browser import headless_chromium
from tests.conftest import WAREHOUSE_PASSWORDS
from tests.fixtures.collector import collector_environment, make_streams, missing
from tests.fixtures.control_api import ControlApi
from tests.fixtures.dead_letters import dead_letters
from tests.fixtures.parts import free_port

PASSWORD = "a-long-password"
SLOW = 90_000  # milliseconds, on a busy machine
ROW = 35  # pixels of a row of a table
SOURCE = "rules:\n  - id: hot\n    name: Hot\n    when: {fact: lead.city, eq: Curitiba}\n    then: [{points: 10}]\n"


@dataclass(frozen=True)
class Site:
    """The addresses of the two processes."""

    url: str
    api_url: str

    def sign_in(self, page: Page, email: str, path: str) -> None:
        """Sign in, and go to `path` of the console."""
        page.goto(f"{self.api_url}/login?next={self.url}{path}")
        page.locator("[name=email]").fill(email)
        page.locator("[name=password]").fill(PASSWORD)
        page.locator("button[type=submit]").click()


@pytest.fixture(scope="module")
def site(
    control: ControlApi,
    servers_dir: Path,
    nats_server: EmbeddedNats,
    warehouse_server: EmbeddedWarehouse,
    operational_urls: OperationalUrls,
) -> Iterator[Site]:
    """The API and the console, each as a process of its own."""
    api_port, port = free_port(), free_port()
    found = Site(f"http://localhost:{port}", f"http://localhost:{api_port}")
    addresses = {"ECHOLEAD_CONSOLE_URL": found.url, "ECHOLEAD_COLLECTOR_URL": found.api_url}
    asyncio.run(make_streams(nats_server))
    of_console = {
        **addresses,
        "ECHOLEAD_CLICKHOUSE_CONSOLE_URL": warehouse_server.address,
        "ECHOLEAD_CLICKHOUSE_TENANT_KEY": WAREHOUSE_PASSWORDS["tenant_key"],
    }
    of_api = {**collector_environment(nats_server, operational_urls, **of_console)}
    of_api["ECHOLEAD_POSTGRES_APP_URL"] = operational_urls.app
    api = Part("api", python("-m", "ingest_api", "--port", str(api_port)), lambda: missing(api_port), of_api)
    pages = Part(
        "console",
        python("-m", "dashboards", "--port", str(port)),
        lambda: missing(port, "/_stcore/health"),
        of_console,
    )
    with ExitStack() as stack:
        stack.enter_context(running(api, servers_dir / "logs"))
        stack.enter_context(running(pages, servers_dir / "logs"))
        yield found


@pytest.fixture
def browser_page() -> Iterator[Page]:
    """A page that speaks English, with cookies of its own."""
    with headless_chromium() as browser:
        context = browser.new_context(locale="en-US")
        context.set_default_timeout(SLOW)
        yield context.new_page()
        context.close()


def user(control: ControlApi, tenant: str, role: str) -> str:
    """The e-mail of a user who can sign in."""
    email = f"{role}-{uuid4().hex[:8]}@example.test"
    with system_session(control.system) as session:
        create_user(session, email, PASSWORD, actor="test", roles={tenant: role})
    return email


def test_a_rule_is_tried_and_applied_by_an_admin_and_a_viewer_can_do_neither(
    control: ControlApi, site: Site, browser_page: Page
) -> None:
    tenant, page = control.tenant(), browser_page
    address = f"/rules?tenant_id={tenant}%26part=edit"
    admin = user(control, tenant, "admin")
    site.sign_in(page, admin, address)
    field = page.get_by_role("textbox", name="Rules in YAML")
    field.fill(SOURCE)
    field.blur()
    expect(page.get_by_text("1 rules, no mistake found.")).to_be_visible(timeout=SLOW)
    page.get_by_role("button", name="Try", exact=True).click()
    expect(page.get_by_text("It goes on when this page is closed")).to_be_visible(timeout=SLOW)
    with system_session(control.system) as session:
        task = session.scalars(select(ControlTask).where(ControlTask.tenant_id == tenant)).one()
        task.state = "done"
        task.result = {"leads": 40, "changed": 12, "differences": {"score": 12}, "examples": []}
    # The page asks the server by itself.
    expect(page.get_by_text("12 of 40 leads would change")).to_be_visible(timeout=SLOW)
    page.get_by_role("textbox", name="Why").fill("They buy more")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("Version 1 is in force. All leads")).to_be_visible(timeout=SLOW)
    with system_session(control.system) as session:
        asked = select(AuditEntry).where(AuditEntry.tenant_id == tenant, AuditEntry.action == "lead_rules.applied")
        assert session.scalars(asked).one().actor == f"user:{admin}"
    versions = page.context.request.get(f"{site.url}/export/rule-versions.csv?for=programs&tenant_id={tenant}")
    assert (versions.status, "They buy more" in versions.text()) == (200, True)
    log = page.context.request.get(f"{site.url}/export/audit.jsonl?tenant_id={tenant}")
    assert verified(log.text()).problem == ""

    page.context.clear_cookies()
    viewer = user(control, tenant, "viewer")
    site.sign_in(page, viewer, address)
    expect(page.get_by_text("Your role reads rules")).to_be_visible(timeout=SLOW)
    expect(page.get_by_role("textbox", name="Rules in YAML")).to_have_count(0)
    expect(page.get_by_role("button", name="Apply")).to_have_count(0)
    expect(page.get_by_role("link", name="Audit")).to_have_count(0)
    token = httpx.post(f"{site.api_url}/v1/login", json={"email": viewer, "password": PASSWORD}).json()["token"]
    refused = httpx.put(
        f"{site.api_url}/v1/tenants/{tenant}/rules",
        json={"source": SOURCE, "reason": "mine"},
        headers={"Authorization": f"Bearer {token}", "If-Match": '"1"'},
    )
    assert refused.status_code == 403
    for name in ("audit.csv", "audit.jsonl", "users.csv"):
        assert page.context.request.get(f"{site.url}/export/{name}?tenant_id={tenant}").status == 403, name


def test_rows_stay_chosen_when_others_arrive_before_them_and_the_chosen_ones_are_sent(
    control: ControlApi, site: Site, browser_page: Page, warehouse_server: EmbeddedWarehouse
) -> None:
    tenant, page = control.tenant(), browser_page
    with dead_letters(warehouse_server) as letters:
        _, second, third = letters(tenant, {}, {}, {})
        site.sign_in(page, user(control, tenant, "operator"), f"/dead_letters?tenant_id={tenant}")
        table = page.get_by_test_id("stDataFrame").first
        table.click(position={"x": 15, "y": ROW * 1.5})
        expect(page.get_by_text("What was sent")).to_be_visible(timeout=SLOW)
        page.wait_for_url(f"**letter={third}")
        table.click(position={"x": 15, "y": ROW * 2.5})
        expect(page.get_by_role("button", name="Send 2 again")).to_be_visible(timeout=SLOW)
        letters(tenant, {}, {}, {}, {}, {})
    page.get_by_role("textbox", name="Why").fill("The limit was raised")
    page.get_by_role("button", name="Send 2 again").click()
    expect(page.get_by_text("Rejected again: 2.")).to_be_visible(timeout=SLOW)
    log = control.ask("admin", "GET", "/v1/tenants/{t}/audit?action=dead_letter.", tenant).json()["items"]
    assert {each["subject"] for each in log} == {second, third}
    page.get_by_test_id("stDataFrame").first.click(position={"x": 15, "y": ROW * 1.5})
    expect(page.get_by_role("button", name="Send 3 again")).to_be_visible(timeout=SLOW)
    file = page.context.request.get(f"{site.url}/export/dead-letters.csv?for=programs&tenant_id={tenant}").text()
    assert (len(file.splitlines()), second in file, third in file) == (9, True, True)
