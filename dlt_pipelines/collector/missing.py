"""Which rows of messages raw lacks, by the message and the key that each row has."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from clickhouse_connect.driver.client import Client

from dlt_pipelines.collector.rereading import QueuePiece
from dlt_pipelines.lake.parquet import quoted
from dlt_pipelines.loads import is_recorded

KEYS = {
    "events": "event_id",
    "rejected_events": "dead_letter_id",
    "chatwoot_events": "delivery_id",
    "crm_events": "delivery_id",
}
# Reads these columns of the tenant's rows in the days of the messages.
STANDING = """
select {key}, stream_sequence, toUnixTimestamp64Milli(received_at), _dlt_load_id, load_seq
from raw.{table}
where tenant_id = {{tenant_id:String}}
    and stream_sequence between {{first:Int64}} and {{last:Int64}}
    and received_at between fromUnixTimestamp64Milli({{oldest:Int64}}) and fromUnixTimestamp64Milli({{newest:Int64}})
"""

RowKey = tuple[str, int, int]
"""Key of the row, sequence of its message, `received_at` in milliseconds: together they also tell apart messages of a
stream that was made anew.
"""


@dataclass(frozen=True)
class StandingRows:
    """Rows of one table that raw has by their keys; `torn` those of the package that is asked for, and their loads."""

    whole: frozenset[RowKey] = frozenset()
    torn: frozenset[RowKey] = frozenset()
    loads: frozenset[int] = frozenset()


@dataclass
class MissingRows:
    """The rows of a piece that raw lacks, how many it has, and how many of these an earlier try of the piece wrote."""

    rows: dict[str, pa.Table] = field(default_factory=dict)
    standing: int = 0
    written_before: dict[str, int] = field(default_factory=dict)


def missing(client: Client, tenant_id: str, piece: QueuePiece, package: str = "") -> MissingRows:
    """Compare a piece with raw. Raises the errors of clickhouse-connect.

    A try of the same piece that was killed may have left rows of its `package`. If their load was made known they
    count as there. If not, no reader of loads has seen them: they are deleted, and are missing.
    """
    found = MissingRows()
    own: dict[str, pa.Table] = {}
    loads: set[int] = set()
    for name, rows in piece.rows.items():
        standing = _standing(client, tenant_id, name, rows, package)
        lacking, torn = apart(rows, KEYS[name], standing)
        found.standing += rows.num_rows - lacking.num_rows - torn.num_rows
        loads |= standing.loads
        if lacking.num_rows:
            found.rows[name] = lacking
        if torn.num_rows:
            own[name] = torn
    if not own:
        return found
    if len(loads) == 1 and is_recorded(client, max(loads), own):
        found.written_before = {name: rows.num_rows for name, rows in own.items()}
        return found
    for name, rows in own.items():
        client.command(
            f"alter table raw.{name} delete where tenant_id = {quoted(tenant_id)} and _dlt_load_id = {quoted(package)}"
            " settings mutations_sync = 2"
        )
        found.rows[name] = pa.concat_tables([found.rows[name], rows]) if name in found.rows else rows
    return found


def apart(rows: pa.Table, key: str, standing: StandingRows) -> tuple[pa.Table, pa.Table]:
    """The rows that raw lacks, and those that it has of the package."""
    keys = list(row_keys(rows, key))
    lacking = [each not in standing.whole and each not in standing.torn for each in keys]
    torn = [each in standing.torn and each not in standing.whole for each in keys]
    return rows.filter(pa.array(lacking, pa.bool_())), rows.filter(pa.array(torn, pa.bool_()))


def row_keys(rows: pa.Table, key: str) -> Sequence[RowKey]:
    """The key of each row."""
    columns = [rows[key], rows["stream_sequence"], rows["received_at"].cast(pa.int64())]
    return list(zip(*(each.to_pylist() for each in columns), strict=True))


def _standing(client: Client, tenant_id: str, table: str, rows: pa.Table, package: str) -> StandingRows:
    keys = row_keys(rows, KEYS[table])
    sequences = [sequence for _, sequence, _ in keys]
    times = [received_at for _, _, received_at in keys]
    asked: dict[str, Any] = {
        "tenant_id": tenant_id,
        "first": min(sequences),
        "last": max(sequences),
        "oldest": min(times),
        "newest": max(times),
    }
    found = client.query(STANDING.format(key=KEYS[table], table=table), parameters=asked).result_rows
    own = [row for row in found if row[3] == package]
    return StandingRows(
        whole=frozenset(_key(row) for row in found if row[3] != package),
        torn=frozenset(_key(row) for row in own),
        loads=frozenset(int(row[4]) for row in own),
    )


def _key(row: Sequence[Any]) -> RowKey:
    return str(row[0]), int(row[1]), int(row[2])
