"""The loads in order: what is new in raw for a reader that has taken all loads up to one of them."""

from collections.abc import Mapping
from datetime import UTC, datetime

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from clickhouse_connect.driver.client import Client

from dlt_pipelines.clickhouse import INSERT_SETTINGS
from dlt_pipelines.tables import LOADS

LAST = "SELECT max(load_seq) FROM raw.loads"
IN_THE_LAKE = "select position::bigint from lake_positions where origin = 'loads'"


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
    filled = {name: content for name, content in tables.items() if content.num_rows}
    rows = {name: content for name, content in filled.items() if name != "rejected_events"}
    times = pa.concat_arrays(
        [chunk for content in (rows or filled).values() for chunk in content["received_at"].chunks]
    )
    events = rows["events"].num_rows if "events" in rows else 0
    load = {
        "load_seq": load_seq,
        "loaded_at": datetime.now(UTC),
        "events": events,
        "webhooks": sum(content.num_rows for content in rows.values()) - events,
        "oldest_received_at": pc.min(times).as_py(),
        "newest_received_at": pc.max(times).as_py(),
    }
    columns = [pa.array([load[field.name]], field.type) for field in LOADS]
    client.insert_arrow("raw.loads", pa.Table.from_arrays(columns, schema=LOADS), settings=INSERT_SETTINGS)
