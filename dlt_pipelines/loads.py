"""The loads in order: what is new in raw for a reader that has taken all loads up to one of them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from clickhouse_connect.driver import exceptions as driver
from clickhouse_connect.driver.client import Client

from dlt_pipelines.clickhouse import INSERT_SETTINGS
from dlt_pipelines.raw import with_value
from dlt_pipelines.tables import LOADS

LAST = "SELECT max(load_seq) FROM raw.loads"
IN_THE_LAKE = "select position::bigint from lake_positions where origin = 'loads'"


class LoadFailed(Exception):
    """The warehouse could not be reached or did not take the rows; nothing was acknowledged, so try again."""


def last_load(client: Client) -> int:
    """The number of the last load in raw, 0 before the first. Whoever writes loads holds the lease of the loader."""
    return int(client.query(LAST).result_rows[0][0])


def last_number(client: Client, postgres_url: str) -> int:
    """The last number that was ever given to a load: also after raw was dropped, if the lake has loads.

    Raises the errors of clickhouse-connect and psycopg.
    """
    with psycopg.connect(postgres_url, connect_timeout=5, application_name="echolead loads") as connection:
        row = connection.execute(IN_THE_LAKE).fetchone()
    return max(last_load(client), row[0] if row else 0)


def record_load(client: Client, load_seq: int, tables: Mapping[str, pa.Table]) -> None:
    """Make a load known, once all of its rows are in raw. Models leave out one without events or webhooks.

    `tables` are its rows by table. Raises the errors of clickhouse-connect.
    """
    load = {"load_seq": load_seq, "loaded_at": datetime.now(UTC), **_described(tables)}
    columns = [pa.array([load[field.name]], field.type) for field in LOADS]
    client.insert_arrow("raw.loads", pa.Table.from_arrays(columns, schema=LOADS), settings=INSERT_SETTINGS)


def is_recorded(client: Client, load_seq: int, tables: Mapping[str, pa.Table]) -> bool:
    """Whether this load was made known with these rows. Raises the errors of clickhouse-connect.

    A number without its row in `loads` is given again, so that the row may be of another load.
    """
    said = _described(tables)
    query = f"select {', '.join(said)} from raw.loads where load_seq = {{load_seq:Int64}}"  # noqa: S608  # its columns
    return [*map(tuple, client.query(query, parameters={"load_seq": load_seq}).result_rows)] == [(*said.values(),)]


def _described(tables: Mapping[str, pa.Table]) -> dict[str, Any]:
    """What a load says of its rows."""
    filled = {name: content for name, content in tables.items() if content.num_rows}
    rows = {name: content for name, content in filled.items() if name != "rejected_events"}
    times = pa.concat_arrays(
        [chunk for content in (rows or filled).values() for chunk in content["received_at"].chunks]
    )
    events = rows["events"].num_rows if "events" in rows else 0
    return {
        "events": events,
        "webhooks": sum(content.num_rows for content in rows.values()) - events,
        "oldest_received_at": pc.min(times).as_py(),
        "newest_received_at": pc.max(times).as_py(),
    }


def write_load(client: Client, load_seq: int, tables: Mapping[str, pa.Table], package: str) -> None:
    """Insert rows past dlt and make their load known; `package` is said in each row. Hold the lease of the loader.

    Raises `LoadFailed`: rows of some tables may be there, without the load.
    """
    try:
        for name, rows in tables.items():
            numbered = with_value(with_value(rows, "_dlt_load_id", package), "load_seq", load_seq)
            # The rows of an insert may be of any number of days, each a partition.
            settings = {**INSERT_SETTINGS, "max_partitions_per_insert_block": 0}
            written = client.insert_arrow(f"raw.{name}", numbered, settings=settings).written_rows
            if written != rows.num_rows:
                raise LoadFailed(f"sent {rows.num_rows} rows of {name}, the server wrote {written}")
        record_load(client, load_seq, tables)
    except driver.Error as error:
        counts = ", ".join(f"{rows.num_rows} rows of {name}" for name, rows in tables.items())
        raise LoadFailed(f"The warehouse did not take {counts}: {error}") from error
