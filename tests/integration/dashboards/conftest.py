"""The console as it is deployed: its own process in front of the API's, on the warehouse, seen through Chromium."""

import asyncio
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from clickhouse_connect.driver.client import Client
from playwright.sync_api import Browser, Page
from sqlalchemy import Engine

from echolead.embedded.alone import running
from echolead.embedded.clickhouse import EmbeddedWarehouse
from echolead.embedded.nats import EmbeddedNats
from echolead.embedded.part import Part, python
from echolead.operational.database import system_session
from echolead.operational.provision import OperationalUrls
from echolead.operational.users import create_user
from echolead.permissions import PLATFORM
from echolead.warehouse import connect
from tests.browser import headless_chromium
from tests.conftest import WAREHOUSE_PASSWORDS
from tests.fixtures.collector import collector_environment, make_streams, missing
from tests.fixtures.described_tables import contracts, described_tables
from tests.fixtures.identity_provider import FakeProvider, identity_provider, settings_for
from tests.fixtures.operational import make_tenant
from tests.fixtures.parts import free_port
from tests.fixtures.warehouse_tables import drop_tables

PASSWORD = "a-long-password"
ROOT = Path(__file__).parents[3]
# The tables that the SQL of the pages names, and of what the API answers them.
NAMED = re.compile(r"\b(?:from|join)\s+((?:enriched|marts|activation|ops)\.\w+)")
SQL = tuple(
    file
    for place in ("dashboards/**", "echolead/metrics", "echolead/leads", "ingest_api/control")
    for file in ROOT.glob(f"{place}/*.py")
)


def tables_of_pages() -> list[str]:
    """The models that the pages read."""
    return sorted({name for file in SQL for name in NAMED.findall(file.read_text())} & contracts().keys())


@dataclass(frozen=True)
class Console:
    """A running console and the API it asks; `api` is the API's process."""

    url: str
    api_url: str
    api: "subprocess.Popen[bytes]"
    engine: Engine
    warehouse: EmbeddedWarehouse

    def fill(self, table: str, tenant_id: str, **values: str) -> None:
        """A row of a table; `values` are SQL by column, the others are at their default."""
        names = ", ".join(values)
        connect(self.warehouse.url).command(
            f"insert into {table} (tenant_id, {names}) select {{tenant:String}}, {', '.join(values.values())}",
            parameters={"tenant": tenant_id},
        )

    def tenant(self, *names: str) -> str:
        """A tenant with one lead of each name, which is the name of its campaign and channel as well."""
        tenant_id = make_tenant(self.engine).tenant_id
        client = connect(self.warehouse.url)
        for number, name in enumerate(names):
            row = {"parameters": {"tenant": tenant_id, "name": name, "lead": f"lead-{number}-{uuid4().hex[:8]}"}}
            client.command(
                "insert into marts.leads (tenant_id, lead_id, name, email, phone, channel, source, medium, campaign,"
                " created_at, last_event_at) select {tenant:String}, {lead:String}, {name:String}, 'a@acme.test',"
                " '+5511999998888', {name:String}, 'google', 'cpc', {name:String}, now64(3), now64(3)",
                **row,
            )
            client.command(
                "insert into marts.lead_journeys (tenant_id, lead_id, created_date, created_at, channel, source,"
                " medium, campaign, landing_page, furthest_stage) select {tenant:String}, {lead:String}, today(),"
                " now64(3), {name:String}, 'google', 'cpc', {name:String}, '/', 'lead'",
                **row,
            )
        self.fill("enriched.tenant_rules", tenant_id, time_zone="'UTC'", currency="'BRL'")
        self.fill("ops.load_lag", tenant_id, hour="toStartOfHour(now())", events="3", p50_seconds="1", p95_seconds="2")
        self.fill("marts.deliveries", tenant_id, state="'verified'", updated_at="now64(3)")
        return tenant_id

    def user(self, *tenant_ids: str, role: str = "viewer") -> str:
        """The e-mail of a user who sees these tenants; `platform` is a platform administrator."""
        email = f"ana-{uuid4().hex[:8]}@example.test"
        with system_session(self.engine) as session:
            is_platform = role == PLATFORM
            roles = {} if is_platform else dict.fromkeys(tenant_ids, role)
            create_user(session, email, PASSWORD, actor="test", is_superuser=is_platform, roles=roles)
        return email

    def sign_in(self, page: Page, email: str, path: str) -> None:
        """Sign in on the page, and go to `path` of the console."""
        page.goto(f"{self.api_url}/login?next={self.url}{path}")
        page.locator("[name=email]").fill(email)
        page.locator("[name=password]").fill(PASSWORD)
        page.locator("button[type=submit]").click()


@pytest.fixture(scope="module")
def tables(warehouse_server: EmbeddedWarehouse) -> Iterator[Client]:
    """The tables that the pages read, without rows."""
    with closing(connect(warehouse_server.url)) as owner:
        drop_tables(owner)
        with described_tables(owner, *tables_of_pages()):
            yield owner


@pytest.fixture(scope="module")
def company() -> Iterator[FakeProvider]:
    """The provider of the company's accounts."""
    with identity_provider() as provider:
        yield provider


@pytest.fixture(scope="module")
def console(
    servers_dir: Path,
    nats_server: EmbeddedNats,
    warehouse_server: EmbeddedWarehouse,
    tables: Client,
    operational_urls: OperationalUrls,
    system_engine: Engine,
    company: FakeProvider,
) -> Iterator[Console]:
    """The two processes, over tables without rows."""
    api_port, port = free_port(), free_port()
    url, api_url = f"http://localhost:{port}", f"http://localhost:{api_port}"
    addresses = {
        "ECHOLEAD_CONSOLE_URL": url,
        "ECHOLEAD_COLLECTOR_URL": api_url,
        "ECHOLEAD_CLICKHOUSE_CONSOLE_URL": warehouse_server.address,
        "ECHOLEAD_CLICKHOUSE_TENANT_KEY": WAREHOUSE_PASSWORDS["tenant_key"],
    }
    asyncio.run(make_streams(nats_server))
    of_api = collector_environment(nats_server, operational_urls, **addresses, **settings_for(company))
    of_api["ECHOLEAD_POSTGRES_APP_URL"] = operational_urls.app
    api = Part("api", python("-m", "ingest_api", "--port", str(api_port)), lambda: missing(api_port), of_api)
    pages = Part(
        "console",
        python("-m", "dashboards", "--port", str(port)),
        lambda: missing(port, "/_stcore/health"),
        addresses,
    )
    with ExitStack() as stack:
        process = stack.enter_context(running(api, servers_dir / "logs"))
        stack.enter_context(running(pages, servers_dir / "logs"))
        yield Console(url, api_url, process, system_engine, warehouse_server)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium for the module."""
    with headless_chromium() as launched:
        yield launched


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page with cookies of its own, that speaks English."""
    context = browser.new_context(locale="en-US", timezone_id="America/Sao_Paulo", accept_downloads=True)
    context.set_default_timeout(60_000)
    yield context.new_page()
    context.close()
