"""The loads in order: what is new in raw for a reader that has taken all loads up to one of them."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc
from clickhouse_connect.driver.client import Client

from dlt_pipelines.clickhouse import INSERT_SETTINGS
from dlt_pipelines.tables import LOADS

LAST = "SELECT max(load_seq) FROM raw.loads"


def last_load(client: Client) -> int:
    """The number of the last load, 0 before the first. Whoever writes loads holds the lease of the single loader."""
    return int(client.query(LAST).result_rows[0][0])


def record_load(client: Client, load_seq: int, tables: Mapping[str, pa.Table]) -> None:
    """Make a load known, once all of its rows are in raw; one without events or webhooks is none to a reader.

    `tables` are its rows by table. Raises the errors of clickhouse-connect.
    """
    rows = {name: content for name, content in tables.items() if content.num_rows and name != "rejected_events"}
    if not rows:
        return
    times = pa.concat_arrays([chunk for content in rows.values() for chunk in content["received_at"].chunks])
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
