"""dlt's ClickHouse destination, over HTTP alone, loads Arrow tables and rows into the embedded warehouse."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import dlt
import httpx
import pyarrow as pa
import pytest

from dlt_pipelines.clickhouse import warehouse

if TYPE_CHECKING:
    from echolead.embedded.clickhouse import EmbeddedWarehouse


@pytest.fixture
def destination(warehouse_server: "EmbeddedWarehouse", http: httpx.Client) -> Iterator[warehouse]:
    http.post("/", content="CREATE DATABASE IF NOT EXISTS raw").raise_for_status()
    made = warehouse(warehouse_server.url)
    yield made
    made.close()


@pytest.mark.filterwarnings("default")  # dlt's own
def test_arrow_tables_and_rows_are_appended_and_a_new_column_is_added(
    destination: warehouse, http: httpx.Client, tmp_path: Path
) -> None:
    pipeline = dlt.pipeline("probe", pipelines_dir=str(tmp_path), destination=destination, dataset_name="probe")
    table = pa.table({"a": pa.array(range(50_000), pa.int64()), "b": [str(number) for number in range(50_000)]})
    pipeline.run(table, table_name="probe_arrow", write_disposition="append", loader_file_format="parquet")
    pipeline.run([{"a": 1, "b": "x"}], table_name="probe_rows", loader_file_format="jsonl")
    pipeline.run([{"a": 2, "b": "y", "c": 1.5}], table_name="probe_rows", loader_file_format="jsonl")
    tables = http.post("/", content="SELECT name FROM system.tables WHERE database = 'raw' FORMAT TSV").text.split()
    arrow = next(name for name in tables if name.endswith("probe_arrow"))
    rows = next(name for name in tables if name.endswith("probe_rows"))
    assert http.post("/", content=f"SELECT count(), sum(a) FROM raw.{arrow}").text == "50000\t1249975000\n"
    assert http.post("/", content=f"SELECT a, b, c FROM raw.{rows} ORDER BY a").text == "1\tx\t\\N\n2\ty\t1.5\n"
