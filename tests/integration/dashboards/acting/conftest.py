"""Pages that act, run as the console runs them for a user with a role, on the control API and the warehouse."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboards import acting
from echolead.embedded.clickhouse import EmbeddedWarehouse
from echolead.embedded.nats import EmbeddedNats
from echolead.operational.provision import OperationalUrls
from echolead.security import SignedIn
from echolead.warehouse import connect
from tests.conftest import WAREHOUSE_PASSWORDS
from tests.fixtures.collector import collector_environment, make_streams
from tests.fixtures.control_api import ControlApi, control_api
from tests.fixtures.described_tables import described_tables

VIEW = Path(__file__).parents[1] / "one_view.py"
LEAD_ACTIONS = Path(__file__).parent / "lead_actions_page.py"
# What the head of a page and the pages that act read; docs/reference/models.md has the whole.
TABLES = {
    "enriched.tenant_rules": "time_zone String, currency String",
    "ops.data_times": "refreshed_at Nullable(DateTime64(3, 'UTC')), waiting_since Nullable(DateTime64(3, 'UTC')),"
    " failing_since Nullable(DateTime64(3, 'UTC')), settings_changed_at Nullable(DateTime64(3, 'UTC')),"
    " rules_version UInt32",
    "ops.quarantine": "tracking_id String, event_id String, step String,"
    " quarantined_at DateTime64(3, 'UTC'), events UInt64, message String",
    "marts.identities": "kind String, value String, lead_id String, is_shared Bool",
    "marts.deliveries": "delivery_id String, destination_name String, state String, attempts UInt32,"
    " last_error_class String, last_error String, lead_id String, created_at DateTime64(3, 'UTC'),"
    " updated_at DateTime64(3, 'UTC'), delivered_at Nullable(DateTime64(3, 'UTC'))",
}


@pytest.fixture(scope="package")
def control(
    operational_urls: OperationalUrls, warehouse_server: EmbeddedWarehouse, nats_server: EmbeddedNats
) -> Iterator[ControlApi]:
    """The control API on the test database and the queue, and the tables that the pages read, without rows."""
    asyncio.run(make_streams(nats_server))
    reads = {
        "clickhouse_console_url": warehouse_server.address,
        "clickhouse_tenant_key": WAREHOUSE_PASSWORDS["tenant_key"],
        "nats_collector_url": collector_environment(nats_server, operational_urls)["ECHOLEAD_NATS_COLLECTOR_URL"],
    }
    with (
        closing(connect(warehouse_server.url)) as client,
        described_tables(client, "ops.dead_letters"),
        control_api(operational_urls, **reads) as api,
    ):
        for table, columns in TABLES.items():
            client.command(f"create database if not exists {table.partition('.')[0]}")
            client.command(
                f"create or replace table {table} (tenant_id String, {columns}) engine = MergeTree order by tenant_id"
            )
        yield api
        for table in TABLES:
            client.command(f"drop table if exists {table} sync")


@dataclass(frozen=True)
class Pages:
    """Opens pages as users with roles."""

    control: ControlApi
    patch: pytest.MonkeyPatch

    def open(self, view: str, tenant_id: str, role: str, language: str = "en", **address: str) -> AppTest:
        """A page, or the `actions` of a lead, after its first run. `platform` is a platform administrator."""
        self.patch.setattr(acting, "session_token", lambda: self.control.token_of(role, tenant_id))
        file = LEAD_ACTIONS if view == "actions" else VIEW
        page = AppTest.from_file(str(file), default_timeout=120)
        for key, value in {"tenant_id": tenant_id, "view": view, "language": language, **address}.items():
            page.query_params[key] = value
        is_platform = role == "platform"
        page.session_state.user = SignedIn(
            UUID(int=7), f"{role}@acme.test", is_superuser=is_platform,
            tenants={tenant_id: "admin" if is_platform else role},
        )  # fmt: skip
        return page.run()


@pytest.fixture
def pages(control: ControlApi, warehouse_server: EmbeddedWarehouse, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pages]:
    """The pages, which find API and warehouse in their environment."""
    monkeypatch.setenv("ECHOLEAD_API_URL", str(control.client.base_url))
    monkeypatch.setenv("ECHOLEAD_CLICKHOUSE_CONSOLE_URL", warehouse_server.address)
    monkeypatch.setenv("ECHOLEAD_CLICKHOUSE_TENANT_KEY", WAREHOUSE_PASSWORDS["tenant_key"])
    # A page is run as the main module, which processes that are started later would import.
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    st.cache_resource.clear()
    st.cache_data.clear()
    yield Pages(control, monkeypatch)
    acting.api_connections().close()
    st.cache_resource.clear()


def texts(page: AppTest) -> str:
    """What a page shows as text, in one string."""
    shown = [page.markdown, page.caption, page.info, page.success, page.warning, page.error, page.code, page.text]
    return "\n".join(str(each.value) for part in shown for each in part)


def buttons(page: AppTest) -> list[str]:
    """The labels of the buttons."""
    return [each.label for each in page.button]


def press(page: AppTest, label: str) -> AppTest:
    """Press the button of this label."""
    next(each for each in page.button if each.label == label).click()
    page.run()
    assert not page.exception, page.exception
    return page


def said(page: AppTest, key: str) -> str:
    """A parameter of the page's address."""
    value = page.query_params[key]
    return value if isinstance(value, str) else value[0]
