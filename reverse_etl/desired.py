"""The wanted state, read from `activation` in the warehouse: what changed since a turn, of leads or of conversations.

Each of the two tables has a version of a row for each turn that changed it. It is read without `final`, which would
hide the ends of rows; the version of the newest turn counts. A granule has 1,024 rows and says which turns it holds
(skip index), so a query reads the granules of the turns it names and no others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from echolead import warehouse
from reverse_etl.lead import CONVERSATION_PREFIX

# Ends are versions that readers do not see.
EVERY_VERSION = {"final": 0}
# ClickHouse's error codes for a table or database that is not there (yet).
NOT_THERE = ("Code: 60.", "Code: 81.", "UNKNOWN_TABLE", "UNKNOWN_DATABASE")

# Both read the column `turn` alone. In all of these `{table}` and `{key}` are put in from a `WantedTable`.
NEWEST_TURN = """
select max(turn) from activation.{table}
where turn > {after:UInt64}
"""
TURNS = """
select turn, count() from activation.{table}
where turn > {after:UInt64} and turn <= {until:UInt64}
group by turn
order by turn desc
limit {turns:UInt64}
"""
# Reads the granules of these turns from the given key on: in a turn larger than a chunk, those of the rest of the turn.
# The comparison of tuples alone would skip none.
CHANGES = """
select tenant_id, {key}, destination_id, payload_hash, payload, turn, cast(is_deleted, 'Bool') as is_ended
from activation.{table}
where turn >= {oldest:UInt64} and turn <= {newest:UInt64}
    and tenant_id >= {tenant_id:String} and (tenant_id > {tenant_id:String} or {key} >= {place_key:String})
    and (tenant_id, {key}, destination_id) > ({tenant_id:String}, {place_key:String}, {destination_id:String})
order by tenant_id, {key}, destination_id, turn desc
limit 1 by tenant_id, {key}, destination_id
limit {rows:UInt64}
"""
# Reads the keys in the granules of these leads that hold a later turn as well.
CHANGED_LATER = """
select tenant_id, {key}, destination_id from activation.{table}
where turn > {newest:UInt64} and tenant_id in {tenant_ids:Array(String)} and {key} in {place_keys:Array(String)}
"""

DeliveryKey = tuple[str, str, str]
"""A lead or conversation at a destination: tenant_id, its id, destination_id, the table's sorting key."""
FIRST_PLACE: DeliveryKey = ("", "", "")


@dataclass(frozen=True)
class WantedTable:
    """A table of wanted states: the column of the key between tenant and destination, and what the ledger puts in front
    of it, so that a conversation is never taken for a lead."""

    name: str
    key: str
    prefix: str = ""

    def query(self, template: str) -> str:
        """The query for this table; the other braces are the warehouse's own parameters."""
        return template.replace("{table}", self.name).replace("{key}", self.key)


OF_LEADS = WantedTable("lead_deliveries", "lead_id")
OF_CONVERSATIONS = WantedTable("conversation_deliveries", "conversation_id", CONVERSATION_PREFIX)


@dataclass(frozen=True)
class WantedState:
    """What one lead should be at one destination since `turn`; with `is_ended` it is no longer wanted there.

    `lead_id` is the ledger's: of a conversation its id behind the prefix.
    """

    tenant_id: str
    lead_id: str
    destination_id: str
    payload_hash: str
    payload: str
    turn: int
    is_ended: bool

    @property
    def place(self) -> DeliveryKey:
        """Whose state it is, and where."""
        return self.tenant_id, self.lead_id, self.destination_id


@dataclass(frozen=True)
class Stretch:
    """Turns behind `after` up to `until`; of the turn `until` itself only the rows whose key comes behind `place`."""

    after: int
    until: int
    place: DeliveryKey = FIRST_PLACE


@dataclass(frozen=True)
class Chunk:
    """The newest changes of a stretch, one of each lead at each destination, and the rest of the stretch, if any."""

    changes: list[WantedState]
    rest: Stretch | None


class DesiredState:
    """Reads one of the tables."""

    def __init__(self, url: str, table: WantedTable = OF_LEADS) -> None:
        self.table = table
        self._url = url
        self._connected: Client | None = None

    def close(self) -> None:
        """Close the connections, if any were made."""
        if self._connected is not None:
            self._connected.close()

    def newest_turn(self, after: int) -> int:
        """The newest turn that changed something after this one, else this one; also while there is no table yet."""
        rows = self._query(NEWEST_TURN, after=after)
        return max(after, int(rows[0][0])) if rows else after

    def chunk(self, stretch: Stretch, rows: int) -> Chunk | None:
        """Up to `rows` changes: those of the newest turns, or of the newest alone when it has more than that.

        What has changed again in a later turn is left out. None while there is no table, which says nothing of what is
        wanted: dbt puts a new one in its place.
        """
        if stretch.place != FIRST_PLACE:
            before = stretch.until - 1 if stretch.until - 1 > stretch.after else None
            return self._chunk(stretch, stretch.until, before, rows)
        turns = self._query(TURNS, after=stretch.after, until=stretch.until, turns=rows + 1)
        if not turns:
            return None if turns is None else Chunk([], None)
        oldest, before = _newest_together(turns, rows)
        return self._chunk(Stretch(stretch.after, int(turns[0][0])), oldest, before, rows)

    def _chunk(self, stretch: Stretch, oldest: int, before: int | None, rows: int) -> Chunk | None:
        """The changes of the stretch from the turn `oldest` on; `before` is where the rest begins, if there is one."""
        newest = stretch.until
        tenant_id, lead_id, destination_id = stretch.place
        place = {"tenant_id": tenant_id, "place_key": self._key(lead_id), "destination_id": destination_id}
        read = self._query(CHANGES, oldest=oldest, newest=newest, rows=rows, **place)
        if read is None:
            return None
        changes = [WantedState(tenant_id, self.table.prefix + key, *row) for tenant_id, key, *row in read]
        rest = None if before is None else Stretch(stretch.after, before)
        if oldest == newest and len(changes) == rows:
            rest = Stretch(stretch.after, newest, changes[-1].place)
        later = self._changed_later(changes, newest)
        return Chunk([change for change in changes if change.place not in later], rest)

    def _changed_later(self, changes: Sequence[WantedState], newest: int) -> set[DeliveryKey]:
        if not changes or self.newest_turn(newest) == newest:
            return set()
        read = self._query(
            CHANGED_LATER,
            newest=newest,
            tenant_ids=sorted({change.tenant_id for change in changes}),
            place_keys=sorted({self._key(change.lead_id) for change in changes}),
        )
        return {(tenant_id, self.table.prefix + key, destination_id) for tenant_id, key, destination_id in read or ()}

    def _key(self, lead_id: str) -> str:
        return lead_id.removeprefix(self.table.prefix)

    def _query(self, query: str, **parameters: Any) -> list[Any] | None:
        """The rows, or None when the table is not there."""
        if self._connected is None:
            self._connected = warehouse.connect(self._url)
        try:
            asked = self.table.query(query)
            return list(self._connected.query(asked, parameters=parameters, settings=EVERY_VERSION).result_rows)
        except DatabaseError as error:
            if any(sign in str(error) for sign in NOT_THERE):
                return None
            raise


def _newest_together(turns: Sequence[tuple[int, int]], rows: int) -> tuple[int, int | None]:
    """The oldest of the newest turns that have `rows` rows together, or of the newest alone, and the turn before it.

    `turns` are (turn, rows of it), the newest first.
    """
    oldest, together = turns[0]
    for turn, count in turns[1:]:
        together += count
        if together > rows:
            return oldest, turn
        oldest = turn
    return oldest, None
