"""The raw tables as they are in the warehouse: durable, ordered by tenant, columns as the schemas say."""

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client

from dlt_pipelines.raw import ensure_raw_tables
from dlt_pipelines.tables import TABLES, RawTable
from echolead.settings import Settings

if TYPE_CHECKING:
    from echolead.embedded.clickhouse import EmbeddedWarehouse

EVERY_TABLE = [pytest.param(table, id=table.name) for table in TABLES.values()]


def type_of(field: "pa.Field[pa.DataType]") -> str:
    if pa.types.is_timestamp(field.type):
        digits = {"ms": 3, "us": 6}[field.type.unit]  # type: ignore[attr-defined]
        name = f"DateTime64({digits}, 'UTC')"
    else:
        name = {"string": "String", "int32": "Int32", "int64": "Int64", "bool": "Bool"}.get(
            str(field.type), "Array(String)"
        )
    return f"Nullable({name})" if field.nullable else name


@pytest.mark.parametrize("table", EVERY_TABLE)
def test_a_raw_table_has_the_columns_of_its_schema(raw_warehouse: Client, table: RawTable) -> None:
    found = raw_warehouse.query(
        "SELECT name, type FROM system.columns WHERE database = 'raw' AND table = {table:String} ORDER BY position",
        parameters={"table": table.name},
    )
    assert found.result_rows == [(field.name, type_of(field)) for field in table.columns]


def test_every_raw_table_is_synced_to_disk_and_indexed_by_tenant_first(raw_warehouse: Client) -> None:
    found = raw_warehouse.query(
        "SELECT name, sorting_key, primary_key, partition_key, engine_full FROM system.tables WHERE database = 'raw'"
    )
    tables = {row[0]: row[1:] for row in found.result_rows}
    assert set(TABLES) <= set(tables)
    for name, table in TABLES.items():
        sorting_key, primary_key, partition_key, engine = tables[name]
        assert sorting_key.strip("()") == primary_key.strip("()") == ", ".join(table.sorting_key)
        assert sorting_key.startswith("tenant_id") or name in {"live_failures", "loads"}  # of all tenants
        assert ("index_granularity = 1024" in engine) == table.is_read_by_load
        assert partition_key == (table.partition or "")
        assert "fsync_after_insert = 1" in engine
        assert "fsync_part_directory = 1" in engine


def test_a_table_that_was_dropped_is_made_again(
    raw_warehouse: Client, warehouse_server: "EmbeddedWarehouse", tmp_path: Path
) -> None:
    raw_warehouse.command("DROP TABLE raw.rejected_events SYNC")

    ensure_raw_tables(Settings(data_dir=tmp_path, clickhouse_url=warehouse_server.url))

    assert raw_warehouse.query("SELECT count() FROM raw.rejected_events").result_rows == [(0,)]


def test_a_column_that_a_newer_version_has_is_added(
    raw_warehouse: Client, warehouse_server: "EmbeddedWarehouse", tmp_path: Path
) -> None:
    raw_warehouse.command("ALTER TABLE raw.tenants DROP COLUMN _dlt_id")

    ensure_raw_tables(Settings(data_dir=tmp_path, clickhouse_url=warehouse_server.url))

    columns = raw_warehouse.query("SELECT name FROM system.columns WHERE database = 'raw' AND table = 'tenants'")
    assert {row[0] for row in columns.result_rows} == set(TABLES["tenants"].columns.names)
