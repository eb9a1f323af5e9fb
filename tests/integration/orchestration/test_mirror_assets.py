"""The mirror as Dagster runs it, through dagster-dlt, into a real warehouse."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import pytest
from dagster_dlt import DagsterDltResource
from sqlalchemy import Engine

from dlt_pipelines.operational.mirror import MIRRORED
from dlt_pipelines.raw import ensure_raw_tables
from dlt_pipelines.tables import TABLES
from echolead.operational.provision import OperationalUrls
from echolead.settings import Settings
from echolead.warehouse import connect
from orchestration.operational.assets import mirror_assets
from tests.fixtures.operational import make_tenant

if TYPE_CHECKING:
    from echolead.embedded.clickhouse import EmbeddedWarehouse

# Dagster still reads a pydantic model's fields by their old name, and calls some of its own parameters beta.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::dagster.BetaWarning"),
]


@pytest.fixture
def settings(
    warehouse_server: "EmbeddedWarehouse", empty_operational_urls: OperationalUrls, tmp_path: Path
) -> Settings:
    """A stack whose raw tables are empty."""
    settings = Settings(
        data_dir=tmp_path,
        clickhouse_url=warehouse_server.url,
        postgres_loader_url=empty_operational_urls.loader,
    )
    ensure_raw_tables(settings)
    with closing(connect(warehouse_server.url)) as warehouse:
        for table in TABLES:
            warehouse.command(f"TRUNCATE TABLE raw.{table}")
    return settings


def tenants_mirrored(settings: Settings) -> list[str]:
    with closing(connect(settings.clickhouse_url.get_secret_value())) as warehouse:
        return [row[0] for row in warehouse.query("select tenant_id from raw.tenants").result_rows]


def test_the_mirror_appends_what_changed_and_nothing_twice(settings: Settings, system_engine: Engine) -> None:
    make_tenant(system_engine, "mirrored")
    assets = mirror_assets(settings)
    resources = {"dlt_resource": DagsterDltResource()}

    first = dg.materialize([assets], resources=resources)
    assert first.success
    materialised = {event.asset_key.to_user_string() for event in first.get_asset_materialization_events()
                    if event.asset_key is not None}  # fmt: skip
    assert materialised == {f"raw/{table}" for table in MIRRORED}
    assert tenants_mirrored(settings) == ["mirrored"]

    assert dg.materialize([assets], resources=resources).success
    assert tenants_mirrored(settings) == ["mirrored"]
