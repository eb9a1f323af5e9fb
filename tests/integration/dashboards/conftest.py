"""The console as it is deployed: its own process in front of the API's, on the warehouse, seen through Chromium."""

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page
from sqlalchemy import Engine

from echolead.embedded.clickhouse import EmbeddedWarehouse
from echolead.embedded.nats import EmbeddedNats
from echolead.embedded.part import Part, python
from echolead.operational.database import system_session
from echolead.operational.provision import OperationalUrls
from echolead.operational.users import create_user
from echolead.warehouse import connect
from tests.browser import headless_chromium
from tests.conftest import WAREHOUSE_PASSWORDS
from tests.fixtures.collector import collector_environment, make_streams, missing
from tests.fixtures.operational import make_tenant
from tests.fixtures.parts import free_port, running

PASSWORD = "a-long-password"
# What the pages read, as little of it as they need; docs/reference/models.md has the whole.
TABLES = {
    "marts.leads": "lead_id String, name String, email String, phone String, channel String, source String,"
    " medium String, campaign String, created_at DateTime64(3, 'UTC')",
    "marts.funnel_daily": "date Date, channel String, campaign String, landing_page String, visitors UInt64,"
    " sessions UInt64, chats UInt64, leads UInt64",
    "marts.lead_journeys": "created_date Date, channel String, furthest_stage String, deals UInt64",
    "ops.unmapped_stages": "destination_name String, pipeline_label String, stage_label String, position Int64,"
    " deals UInt64",
    "ops.left_out_fields": "destination_name String, field String, reason String",
    "ops.unknown_events": "destination_name String, lead_id String, event_id String",
    "ops.spend_gaps": "platform String, reason String, campaigns Array(String), visits UInt64, leads UInt64,"
    " cost Map(String, Decimal(38, 2))",
    "ops.unreplaced_parameters": "platform String, landing_page String, reason String, value String, visits UInt64,"
    " last_started_at DateTime64(3, 'UTC')",
    "enriched.tenant_rules": "time_zone String",
    "ops.freshness": "layer String, newest_received_at DateTime, age_seconds Float64, row_count UInt64",
    "ops.load_lag": "hour DateTime, events UInt64, p50_seconds Float64, p95_seconds Float64",
    "ops.rejected_by_reason": "date Date, reason String, stage String, rejected UInt64, last_received_at DateTime,"
    " last_detail String",
    "ops.stuck_deliveries": "destination_name String, state String, lead_id String, attempts UInt64,"
    " last_error_class String, last_error String, waiting_seconds Float64",
    "ops.set_aside": "source String, event_id String, event_name String, field String, reason String, value String,"
    " received_at DateTime64(3, 'UTC')",
    "ops.shared_values": "kind String, value String, reason String, visitors UInt64, leads UInt64,"
    " last_stated_at DateTime64(3, 'UTC')",
    "ops.quarantine": "tracking_id String, event_id String, step String, quarantined_at DateTime64(3, 'UTC'),"
    " events UInt64, message String",
    "ops.failing_steps": "step String, failing_since DateTime64(3, 'UTC'), is_own UInt8, event_id String,"
    " message String, failing_seconds Int64",
    "marts.deliveries": "state String, updated_at DateTime",
}


@dataclass(frozen=True)
class Console:
    """A running console and the API it asks; `api` is the API's process."""

    url: str
    api_url: str
    api: "subprocess.Popen[bytes]"
    engine: Engine
    warehouse: EmbeddedWarehouse

    def tenant(self, *names: str) -> str:
        """A tenant with one lead of each name, which is the name of its campaign and channel as well."""
        tenant_id = make_tenant(self.engine).tenant_id
        client = connect(self.warehouse.url)
        bound = {"parameters": {"tenant": tenant_id}}
        for name in names:
            row = {"parameters": {"tenant": tenant_id, "name": name}}
            client.command(
                "insert into marts.leads select {tenant:String}, generateUUIDv4(), {name:String}, 'a@acme.test',"
                " '+5511999998888', 'Paid Search', 'google', 'cpc', {name:String}, now64(3)",
                **row,
            )
            client.command(
                "insert into marts.funnel_daily select {tenant:String}, today(), {name:String}, {name:String}, '/',"
                " 3, 3, 1, 1",
                **row,
            )
        client.command("insert into enriched.tenant_rules select {tenant:String}, 'UTC'", **bound)
        client.command("insert into ops.load_lag select {tenant:String}, toStartOfHour(now()), 3, 1, 2", **bound)
        client.command("insert into marts.deliveries select {tenant:String}, 'verified', now()", **bound)
        return tenant_id

    def user(self, *tenant_ids: str) -> str:
        """The e-mail of a user who sees these tenants."""
        email = f"ana-{uuid4().hex[:8]}@example.test"
        with system_session(self.engine) as session:
            create_user(session, email, PASSWORD, actor="test", roles=dict.fromkeys(tenant_ids, "viewer"))
        return email

    def sign_in(self, page: Page, email: str, path: str) -> None:
        """Sign in on the page, and go to `path` of the console."""
        page.goto(f"{self.api_url}/login?next={self.url}{path}")
        page.locator("[name=email]").fill(email)
        page.locator("[name=password]").fill(PASSWORD)
        page.locator("button[type=submit]").click()


@pytest.fixture(scope="module")
def console(
    servers_dir: Path,
    nats_server: EmbeddedNats,
    warehouse_server: EmbeddedWarehouse,
    operational_urls: OperationalUrls,
    system_engine: Engine,
) -> Iterator[Console]:
    """The two processes, and the tables that the pages read, without rows."""
    api_port, port = free_port(), free_port()
    url, api_url = f"http://localhost:{port}", f"http://localhost:{api_port}"
    addresses = {"ECHOLEAD_CONSOLE_URL": url, "ECHOLEAD_COLLECTOR_URL": api_url}
    asyncio.run(make_streams(nats_server))
    api = Part(
        "api",
        python("-m", "ingest_api", "--port", str(api_port)),
        lambda: missing(api_port),
        collector_environment(nats_server, operational_urls, **addresses),
    )
    pages = Part(
        "console",
        python("-m", "dashboards", "--port", str(port)),
        lambda: missing(port, "/_stcore/health"),
        {
            **addresses,
            "ECHOLEAD_CLICKHOUSE_CONSOLE_URL": warehouse_server.address,
            "ECHOLEAD_CLICKHOUSE_TENANT_KEY": WAREHOUSE_PASSWORDS["tenant_key"],
        },
    )
    client = connect(warehouse_server.url)
    with ExitStack() as stack:
        for table, columns in TABLES.items():
            client.command(f"create database if not exists {table.partition('.')[0]}")
            client.command(f"create table {table} (tenant_id String, {columns}) engine = MergeTree order by tenant_id")
            stack.callback(client.command, f"drop table {table}")
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
