"""A loader's surroundings for each test: empty streams, empty raw tables, a working directory of its own."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from clickhouse_connect.driver.client import Client

from dlt_pipelines.raw import ensure_raw_tables
from dlt_pipelines.tables import TABLES
from echolead.embedded.nats import EmbeddedNats
from echolead.operational.provision import OperationalUrls
from echolead.queue_users import LOADER
from echolead.settings import Settings
from echolead.warehouse import connect
from tests.fixtures.lake import forget_lake
from tests.fixtures.queue_messages import renew_streams
from tests.integration.dlt_pipelines.crasher import Crasher

if TYPE_CHECKING:
    from echolead.embedded.clickhouse import EmbeddedWarehouse


@pytest.fixture(scope="package")
def raw_warehouse(warehouse_server: "EmbeddedWarehouse", tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of a warehouse that has the raw tables."""
    ensure_raw_tables(Settings(data_dir=tmp_path_factory.mktemp("made"), clickhouse_url=warehouse_server.url))
    with closing(connect(warehouse_server.url)) as client:
        yield client


@pytest.fixture
def warehouse(raw_warehouse: Client) -> Client:
    """The same with nothing in the raw tables."""
    for table in TABLES:
        raw_warehouse.command(f"TRUNCATE TABLE raw.{table}")
    return raw_warehouse


@pytest.fixture
def settings(
    warehouse: Client,
    warehouse_server: "EmbeddedWarehouse",
    nats_server: EmbeddedNats,
    operational_urls: OperationalUrls,
    tmp_path: Path,
) -> Settings:
    """Settings of a loader with nothing to do."""
    renew_streams(nats_server.url)
    forget_lake(operational_urls.system)
    return Settings(
        data_dir=tmp_path,
        clickhouse_url=warehouse_server.url,
        postgres_loader_url=operational_urls.loader,
        nats_url=nats_server.url,
        nats_loader_url=nats_server.url_of(LOADER),
    )


@pytest.fixture(scope="session")
def crasher() -> Iterator[Crasher]:
    """Runs loaders that are killed."""
    with Crasher() as crasher:
        yield crasher
