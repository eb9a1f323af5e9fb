"""The wanted state, read from `activation.lead_deliveries` in the warehouse."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from echolead import warehouse
from echolead.events import LATEST

CHUNK_ROWS = 10_000
# ClickHouse's error codes for a table or database that is not there (yet).
NOT_THERE = ("Code: 60.", "Code: 81.", "UNKNOWN_TABLE", "UNKNOWN_DATABASE")

# After the last key of the chunk before, in the order of the table's sorting key. What is new since the turn before
# comes with its payload, so that a fresh lead costs one query; the overlap and a full comparison read keys only.
KEYS = """
select
    tenant_id, destination_id, lead_id, payload_hash, changed_at,
    if(changed_at > fromUnixTimestamp64Milli({new_since_milliseconds:Int64}), payload, '') as new_payload
from activation.lead_deliveries
where changed_at >= fromUnixTimestamp64Milli({since_milliseconds:Int64})
    and (tenant_id, destination_id, lead_id) > ({tenant_id:String}, {destination_id:String}, {lead_id:String})
order by tenant_id, destination_id, lead_id
limit {rows:UInt32}
"""
PAYLOADS = """
select tenant_id, destination_id, lead_id, payload_hash, payload
from activation.lead_deliveries
where tenant_id in {tenant_ids:Array(String)} and destination_id in {destination_ids:Array(String)}
    and lead_id in {lead_ids:Array(String)}
"""


@dataclass(frozen=True)
class DesiredKey:
    """The key of one lead's wanted state at one destination, and the hash of what it should be."""

    tenant_id: str
    destination_id: str
    lead_id: str
    payload_hash: str

    @property
    def place(self) -> tuple[str, str, str]:
        """Whose state it is, and where."""
        return self.tenant_id, self.destination_id, self.lead_id


@dataclass(frozen=True)
class Chunk:
    """Up to 10,000 wanted states, the payloads (JSON) of those that are new, and the newest `changed_at`."""

    wanted: list[DesiredKey]
    payloads: dict[DesiredKey, str]
    newest: datetime


class DesiredState:
    """Reads `activation.lead_deliveries`; a table that is not there yet wants nothing."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connected: Client | None = None

    def close(self) -> None:
        """Close the connections, if any were made."""
        if self._connected is not None:
            self._connected.close()

    def chunks(self, seen_until: datetime | None, overlap: timedelta) -> Iterator["Chunk"]:
        """What changed after `seen_until` or in the `overlap` before it, or everything when that is None."""
        last = ("", "", "")
        since_milliseconds = 0 if seen_until is None else _milliseconds(seen_until - overlap)
        new_since_milliseconds = _milliseconds(seen_until or LATEST)
        while True:
            tenant_id, destination_id, lead_id = last
            rows = self._query(
                KEYS,
                since_milliseconds=since_milliseconds,
                new_since_milliseconds=new_since_milliseconds,
                tenant_id=tenant_id,
                destination_id=destination_id,
                lead_id=lead_id,
                rows=CHUNK_ROWS,
            )
            if rows:
                keys = [DesiredKey(*row[:4]) for row in rows]
                payloads = {key: str(row[5]) for key, row in zip(keys, rows, strict=True) if row[5]}
                yield Chunk(keys, payloads, max(_utc(row[4]) for row in rows))
            if len(rows) < CHUNK_ROWS:
                return
            last = (rows[-1][0], rows[-1][1], rows[-1][2])

    def payloads(self, wanted: list[DesiredKey]) -> list[tuple[DesiredKey, str]]:
        """The payloads (JSON) of these leads as they are now, with the hashes they have now."""
        places = {key.place for key in wanted}
        rows = self._query(
            PAYLOADS,
            tenant_ids=sorted({key.tenant_id for key in wanted}),
            destination_ids=sorted({key.destination_id for key in wanted}),
            lead_ids=sorted({key.lead_id for key in wanted}),
        )
        found = {key.place: (key, str(row[4])) for row in rows if (key := DesiredKey(*row[:4])).place in places}
        return list(found.values())

    def is_there(self) -> bool:
        """Whether the table exists, so that a lead missing from it is one that is not wanted."""
        [(is_there,)] = self._query("exists table activation.lead_deliveries")
        return bool(is_there)

    def _query(self, query: str, **parameters: Any) -> list[tuple[Any, ...]]:
        if self._connected is None:
            self._connected = warehouse.connect(self._url)
        try:
            return [tuple(row) for row in self._connected.query(query, parameters=parameters).result_rows]
        except DatabaseError as error:
            if any(sign in str(error) for sign in NOT_THERE):
                return []
            raise


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _utc(moment: datetime) -> datetime:
    # clickhouse-connect returns UTC moments without a zone.
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
