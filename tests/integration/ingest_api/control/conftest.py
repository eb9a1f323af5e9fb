"""The routes of signing in on the test database, a browser and a user."""

from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine

from echolead.embedded.clickhouse import EmbeddedWarehouse
from echolead.embedded.nats import EmbeddedNats
from echolead.operational.database import connect, system_session
from echolead.operational.provision import OperationalUrls
from echolead.operational.users import create_user
from echolead.settings import Settings
from echolead.warehouse import connect as connect_warehouse
from ingest_api.control.sessions import ConsoleSessions
from ingest_api.http.addresses import TrustedProxies
from tests.conftest import WAREHOUSE_PASSWORDS
from tests.fixtures.collector import collector_environment
from tests.fixtures.console_sign_in import CONSOLE, DAGSTER, PASSWORD, client_at, serving
from tests.fixtures.control_api import ControlApi, control_api
from tests.fixtures.described_tables import described_tables
from tests.fixtures.operational import JWT_SECRET, make_tenant


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


@pytest.fixture
def email(system_engine: Engine) -> str:
    """A user with a role in one tenant."""
    address = f"ana-{uuid4().hex[:8]}@example.test"
    tenant = make_tenant(system_engine)
    with system_session(system_engine) as session:
        create_user(session, address, PASSWORD, actor="test", name="Ana", roles={tenant.tenant_id: "operator"})
    return address


@pytest.fixture(scope="session")
def control(operational_urls: OperationalUrls) -> Iterator[ControlApi]:
    """The control API on the test database."""
    with control_api(operational_urls) as api:
        yield api


READ = (
    "ops.dead_letters",
    "marts.leads", "marts.lead_results", "marts.lead_aliases", "marts.identities", "marts.lead_touches",
    "marts.sessions", "marts.conversations", "marts.deals", "marts.deal_stage_history", "marts.deliveries",
    "marts.delivery_attempts", "marts.destination_records", "enriched.events", "enriched.lead_events",
)  # fmt: skip


@pytest.fixture(scope="module")
def control_with_data(
    operational_urls: OperationalUrls, warehouse_server: EmbeddedWarehouse, streams: EmbeddedNats
) -> Iterator[ControlApi]:
    """The control API beside a warehouse, whose tables have no rows, and the queue."""
    reads = {
        "clickhouse_console_url": warehouse_server.address,
        "clickhouse_tenant_key": WAREHOUSE_PASSWORDS["tenant_key"],
        "nats_collector_url": collector_environment(streams, operational_urls)["ECHOLEAD_NATS_COLLECTOR_URL"],
    }
    with (
        closing(connect_warehouse(warehouse_server.url)) as client,
        described_tables(client, *READ),
        control_api(operational_urls, **reads) as api,
    ):
        yield api


@pytest.fixture
def owner(operational_urls: OperationalUrls) -> Iterator[Engine]:
    """The owner of the tables, who can do anything to them."""
    engine = connect(operational_urls.owner)
    yield engine
    engine.dispose()
