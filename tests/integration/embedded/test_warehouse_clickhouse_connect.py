"""clickhouse-connect, sync and async, with all of its features, works as with a ClickHouse server."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID
from zoneinfo import ZoneInfo

import clickhouse_connect
import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError
from clickhouse_connect.driver.external import ExternalData
from clickhouse_connect.driver.summary import QuerySummary
from clickhouse_connect.driver.tools import insert_file
from pyarrow import parquet

if TYPE_CHECKING:
    from echolead.embedded.clickhouse import EmbeddedWarehouse

NewClient = Callable[..., Client]
COMPRESSIONS = ["lz4", "zstd", "gzip", "br", False]


@pytest.mark.parametrize("compress", COMPRESSIONS)
def test_inserted_rows_are_read_back(new_client: NewClient, compress: str | bool) -> None:
    client = new_client(compress=compress)
    client.command(
        "CREATE TABLE t (id UUID, n Int64, d Decimal(18, 4), s LowCardinality(String), o Nullable(String), "
        "a Array(String), m Map(String, UInt8), at DateTime64(3, 'UTC'), b Bool, j JSON) ENGINE = MergeTree ORDER BY n"
    )
    row = [
        UUID(int=7), -1, Decimal("1.5000"), "sé", None, ["x", ""], {"k": 1},
        datetime(2025, 1, 2, 3, 4, 5, 678000, tzinfo=UTC), True, {"a": {"b": 1}},
    ]  # fmt: skip
    summary = client.insert("t", [row], column_names="*")
    assert summary.written_rows == 1
    row[7] = datetime(2025, 1, 2, 3, 4, 5, 678000)  # noqa: DTZ001  # the client gives UTC without saying so
    assert client.query("SELECT * FROM t").result_rows == [tuple(row)]


@pytest.mark.parametrize("compress", ["lz4", "zstd"])
def test_a_million_rows_go_in_and_three_million_come_out(new_client: NewClient, compress: str) -> None:
    client = new_client(compress=compress)
    client.command("CREATE TABLE t (n UInt64, s String) ENGINE = MergeTree ORDER BY n")
    numbers = list(range(1_000_000))
    columns = [numbers, [f"row {number}" for number in numbers]]
    summary = client.insert("t", columns, column_names=["n", "s"], column_oriented=True)
    assert summary.written_rows == 1_000_000
    client.command("INSERT INTO t SELECT n + 1000000 * (1 + number), s FROM t CROSS JOIN numbers(2) AS two")
    rows = total = 0
    with client.query_column_block_stream("SELECT n, s FROM t") as stream:
        for n, s in stream:
            assert len(n) == len(s)
            rows += len(n)
            total += sum(n)
    assert (rows, total) == (3_000_000, 3_000_000 * 2_999_999 // 2)


def test_queries_take_parameters_and_settings(client: Client) -> None:
    query = "SELECT {n:Int64} + 1, {s:String}, {at:DateTime64(3)}, {a:Array(String)}, %(c)s"
    at = datetime(2025, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
    parameters = {"n": -5, "s": "a\t'b'\\\nc", "at": at, "a": ["x'", "é"]}
    result = client.query(query.replace(", %(c)s", ""), parameters=parameters)
    assert result.result_rows[0][:2] == (-4, "a\t'b'\\\nc")
    assert result.result_rows[0][3] == ["x'", "é"]
    assert client.query("SELECT getSetting('max_threads')", settings={"max_threads": 3}).first_row == (3,)
    assert client.query("SELECT %(c)s", parameters={"c": "it's"}).first_row == ("it's",)
    assert client.command("SELECT {x:String}", parameters={"x": "one"}) == "one"


def test_long_parameters_travel_in_a_form(new_client: NewClient) -> None:
    client = new_client(form_encode_query_params=True)
    values = [f"value {number}" for number in range(20_000)]
    query = "SELECT length({v:Array(String)}), {v:Array(String)}[20000]"
    assert client.query(query, parameters={"v": values}).first_row == (20_000, "value 19999")


def test_a_command_without_rows_gives_a_summary(client: Client) -> None:
    created = client.command("CREATE TABLE t (a Int64) ENGINE = MergeTree ORDER BY a")
    assert isinstance(created, QuerySummary)
    inserted = client.command("INSERT INTO t SELECT number FROM numbers(3)")
    assert isinstance(inserted, QuerySummary)
    assert inserted.written_rows == 3
    assert client.command("SELECT count() FROM t") == 3


def test_time_zones_arrive_in_every_type_but_a_bare_date_time(client: Client) -> None:
    """The engine names no zone after `DateTime` in Native: docs/reference/embedded-warehouse.md, differences."""
    at = "toDateTime('2025-01-02 03:04:05', 'America/Chicago') AS at"
    row = client.query(f"SELECT {at}, toNullable(at), toDateTime64(at, 0), [at]").first_row
    assert row[0] == datetime(2025, 1, 2, 9, 4, 5)  # noqa: DTZ001  # this is the difference
    for value in (row[1], row[2], row[3][0]):
        assert value == datetime(2025, 1, 2, 3, 4, 5, tzinfo=ZoneInfo("America/Chicago"))
        assert value.utcoffset() is not None
    assert client.query(f"SELECT {at}", column_tzs={"at": "America/Chicago"}).first_row[0].utcoffset() is not None


def test_columns_of_an_empty_result_are_known(client: Client) -> None:
    result = client.query("SELECT 1 AS a, 'x' AS b LIMIT 0")
    assert (result.column_names, result.result_rows) == (("a", "b"), [])


def test_a_session_keeps_temporary_tables(new_client: NewClient) -> None:
    client = new_client(session_id="connect-session")
    client.command("CREATE TEMPORARY TABLE kept (a Int64)")
    client.insert("kept", [[1], [2]], column_names=["a"])
    assert client.query("SELECT sum(a) FROM kept").first_row == (3,)


def test_external_data_joins_a_query(client: Client) -> None:
    data = ExternalData(file_name="people.csv", fmt="CSV", structure="name String, age UInt8", data=b"ana,30\nbia,40\n")
    data.add_file(file_name="ages.tsv", fmt="TSV", types="UInt8", data=b"40\n")
    query = "SELECT name FROM people WHERE age IN (SELECT _1 FROM ages) AND name != {n:String}"
    assert client.query(query, parameters={"n": "ana"}, external_data=data).result_rows == [("bia",)]


def test_arrow_goes_in_and_out(client: Client) -> None:
    client.command("CREATE TABLE t (a Int64, b String) ENGINE = MergeTree ORDER BY a")
    table = pa.table({"a": pa.array(range(200_000), pa.int64()), "b": [str(number) for number in range(200_000)]})
    client.insert_arrow("t", table)
    got = client.query_arrow("SELECT a, b FROM t ORDER BY a", use_strings=True)
    assert got.num_rows == 200_000
    assert got.column("a").to_pylist()[-1] == 199_999
    with client.query_arrow_stream("SELECT a FROM t") as stream:
        assert sum(batch.num_rows for batch in stream) == 200_000


def test_raw_bytes_go_in_and_out(client: Client) -> None:
    client.command("CREATE TABLE t (a Int64, b String) ENGINE = MergeTree ORDER BY a")
    client.raw_insert("t", ["a", "b"], b'{"a":1,"b":"x"}\n{"a":2,"b":"y"}\n', fmt="JSONEachRow")
    assert client.raw_query("SELECT * FROM t ORDER BY a", fmt="CSV") == b'1,"x"\n2,"y"\n'
    with client.raw_stream("SELECT number FROM numbers(500000)", fmt="TSV") as stream:
        assert sum(piece.count(b"\n") for piece in iter(lambda: stream.read(65536), b"")) == 500_000


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_files_are_inserted_as_dlt_does_it(client: Client, database: str, tmp_path: Path, suffix: str) -> None:
    client.command("CREATE TABLE t (a Int64, b String) ENGINE = MergeTree ORDER BY a")
    file = tmp_path / f"rows.{suffix}"
    if suffix == "parquet":
        parquet.write_table(pa.table({"a": [1, 2], "b": ["x", "y"]}), file)
    else:
        file.write_text('{"a":1,"b":"x"}\n{"a":2,"b":"y"}\n')
    settings = {"async_insert": 0, "wait_end_of_query": 1}
    fmt = "Parquet" if suffix == "parquet" else "JSONEachRow"
    summary = insert_file(client, "t", str(file), fmt=fmt, database=database, settings=settings)
    assert summary.written_rows == 2
    assert client.query("SELECT * FROM t ORDER BY a").result_rows == [(1, "x"), (2, "y")]


def test_errors_have_their_code_and_name(client: Client) -> None:
    with pytest.raises(DatabaseError) as caught:
        client.query("SELECT * FROM nope")
    assert (caught.value.code, caught.value.name) == (60, "UNKNOWN_TABLE")


@pytest.mark.parametrize("compress", COMPRESSIONS)
def test_an_error_in_the_middle_of_a_stream_is_the_engines_error(new_client: NewClient, compress: str | bool) -> None:
    client = new_client(compress=compress)
    query = (
        "SELECT throwIf(number = 900000) AS failed, number FROM numbers(1000000) "
        "SETTINGS max_threads = 1, max_block_size = 10000"
    )
    seen: list[int] = []
    with client.query_column_block_stream(query) as stream:
        blocks = (len(block[0]) for block in stream)
        with pytest.raises(StreamFailureError, match="FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"):
            seen.extend(blocks)
    assert 0 < sum(seen) < 900_001


def test_an_error_one_second_after_the_first_row_is_an_error_of_the_stream(client: Client) -> None:
    settings = {"max_block_size": 1, "wait_end_of_query": 0}
    query = "SELECT sleepEachRow(0.01), throwIf(number = 100) FROM numbers(200)"
    result = client.query(query, settings=settings)
    with pytest.raises(StreamFailureError, match="Value passed to 'throwIf' function is non-zero"):
        _ = result.result_set
    assert client.command("SELECT 1") == 1


async def test_the_async_client_does_the_same(warehouse_server: "EmbeddedWarehouse", database: str) -> None:
    client = await clickhouse_connect.get_async_client(dsn=warehouse_server.url, database=database)
    try:
        await client.command("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
        await client.insert("t", [[number] for number in range(100_000)], column_names=["a"])
        assert (await client.query("SELECT count(), sum(a) FROM t")).first_row == (100_000, 4_999_950_000)
        async with await client.query_rows_stream("SELECT a FROM t") as stream:
            assert sum([1 async for _ in stream]) == 100_000
        with pytest.raises(DatabaseError, match="UNKNOWN_TABLE"):
            await client.query("SELECT * FROM nope")
    finally:
        await client.close()
