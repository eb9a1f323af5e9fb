"""Pulls as the stack makes them: real PostgreSQL and warehouse, a served CRM, credentials of the destination."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from clickhouse_connect.driver.client import Client
from sqlalchemy import Engine, text

from dlt_pipelines.raw import ensure_raw_tables
from dlt_pipelines.tables import TABLES
from echolead.demo.hubspot import HubSpotStore, create_app
from echolead.embedded.clickhouse import EmbeddedWarehouse
from echolead.operational.database import system_session
from echolead.operational.deals import failing_pulls
from echolead.operational.models import Destination
from echolead.operational.provision import OperationalUrls
from echolead.security import Vault
from echolead.settings import Settings
from echolead.warehouse import connect
from orchestration.deals.pulls import is_anything_due, pull_due
from tests.factories import raw_webhook
from tests.fixtures.operational import SECRET_KEY, make_destination, make_tenant
from tests.fixtures.served_app import served

TOKEN = "test-hubspot-token"


@pytest.fixture
def client(warehouse_server: EmbeddedWarehouse, tmp_path: Path) -> Iterator[Client]:
    """A warehouse with empty raw tables."""
    ensure_raw_tables(Settings(data_dir=tmp_path, clickhouse_url=warehouse_server.url))
    with closing(connect(warehouse_server.url)) as found:
        for table in TABLES:
            found.command(f"TRUNCATE TABLE raw.{table}")
        yield found


@pytest.fixture
def settings(
    client: Client, warehouse_server: EmbeddedWarehouse, empty_operational_urls: OperationalUrls, tmp_path: Path
) -> Settings:
    """Of a stack whose deliveries may go to this machine; each part has its own account."""
    return Settings(
        data_dir=tmp_path,
        clickhouse_url=warehouse_server.url,
        clickhouse_loader_url=warehouse_server.url_of("loader"),
        postgres_loader_url=empty_operational_urls.loader,
        postgres_deliveries_url=empty_operational_urls.deliveries,
        destination_secret_keys=SECRET_KEY,
        allow_private_destinations=True,
    )  # type: ignore[arg-type]  # addresses


@pytest.fixture
def store() -> HubSpotStore:
    found = HubSpotStore()
    found.create("deals", {"dealname": "Ana", "pipeline": "default", "dealstage": "closedwon", "amount": "10"})
    return found


@pytest.fixture
def hubspot(store: HubSpotStore) -> Iterator[str]:
    """The address of a served HubSpot."""
    with served(create_app(TOKEN, store=store)) as address:
        yield address


def crm(engine: Engine, tenant_id: str, address: str, token: str = TOKEN) -> Destination:
    return make_destination(
        engine, tenant_id, kind="hubspot", configuration={"base_url": address}, secrets={"access_token": token}
    )


def deals(client: Client) -> list[tuple[str, str]]:
    found = client.query("select tenant_id, record_id from raw.deal_records where kind = 'deal' order by all")
    return [(row[0], row[1]) for row in found.result_rows]


def stand(engine: Engine) -> dict[str, tuple[bool, bool, str]]:
    """By tenant: whether the last pull succeeded, whether pulls fail, and why."""
    query = "select tenant_id, succeeded_at = tried_at, failing_since is not null, message from deal_pulls"
    with system_session(engine) as session:
        return {row[0]: (bool(row[1]), row[2], row[3]) for row in session.execute(text(query))}


def test_deals_are_pulled_and_a_crm_that_refuses_keeps_no_other_from_it(
    settings: Settings, system_engine: Engine, hubspot: str, client: Client
) -> None:
    for tenant, token in (("broken", "another token"), ("whole", TOKEN)):
        make_tenant(system_engine, tenant)
        crm(system_engine, tenant, hubspot, token)
    done = pull_due(settings)
    assert done.destinations == 2
    assert [tenant for tenant, _ in deals(client)] == ["whole"]
    assert [name.split()[0] for name in done.failed] == ["broken"]
    assert "another token" not in str(done.failed)
    found = stand(system_engine)
    assert found["whole"] == (True, False, "")
    assert found["broken"][1] is True
    assert "Misconfigured" in found["broken"][2]


def test_a_crm_that_fails_for_an_hour_is_named_until_a_pull_succeeds(
    settings: Settings, system_engine: Engine, hubspot: str
) -> None:
    make_tenant(system_engine, "acme")
    destination = crm(system_engine, "acme", hubspot, "another token")
    pull_due(settings, only="acme")

    def failing() -> list[tuple[str, str]]:
        with psycopg.connect(settings.postgres_deliveries_url.get_secret_value()) as connection:
            return [(row[0], row[1]) for row in failing_pulls(connection)]

    assert failing() == []
    with system_session(system_engine) as session:
        session.execute(text("update deal_pulls set failing_since = failing_since - interval '2 hours'"))
    pull_due(settings, only="acme")
    assert failing() == [("acme", destination.name)]

    secrets = Vault(SECRET_KEY).encrypt({"access_token": TOKEN})
    with system_session(system_engine) as session:
        session.execute(text("update destinations set secrets = :s"), {"s": secrets})
    pull_due(settings, only="acme")
    assert failing() == []
    assert stand(system_engine)["acme"] == (True, False, "")


def test_a_destination_is_due_again_when_its_product_posts_a_webhook(
    settings: Settings, system_engine: Engine, hubspot: str, client: Client, store: HubSpotStore
) -> None:
    make_tenant(system_engine, "acme")
    crm(system_engine, "acme", hubspot)
    assert is_anything_due(settings)
    pull_due(settings)
    assert not is_anything_due(settings)
    assert pull_due(settings).destinations == 0

    store.create("deals", {"dealname": "Bia", "pipeline": "default", "dealstage": "contractsent"})
    with system_session(system_engine) as session:
        now = session.execute(text("select clock_timestamp()")).scalar_one()
    webhook = raw_webhook("d-1", source="hubspot", received_at=now)
    client.insert("raw.crm_events", [list(webhook.values())], column_names=list(webhook))
    assert is_anything_due(settings)
    assert pull_due(settings).destinations == 1
    assert len(deals(client)) == 2
    assert not is_anything_due(settings)


def test_a_destination_that_is_switched_off_or_of_another_kind_is_not_pulled(
    settings: Settings, system_engine: Engine, hubspot: str
) -> None:
    make_tenant(system_engine, "acme")
    off = crm(system_engine, "acme", hubspot)
    make_destination(system_engine, "acme")
    with system_session(system_engine) as session:
        session.execute(
            text("update destinations set is_enabled = false where destination_id = :d"), {"d": off.destination_id}
        )
    assert not is_anything_due(settings)
    assert pull_due(settings).destinations == 0
