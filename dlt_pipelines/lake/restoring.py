"""Raw from the lake: every file into tables beside, and these into the place of what raw has, in whole days.

What was read is written down in the warehouse beside the rows, and an insert has the name of its file, so that a
repeated one adds nothing: a restoring that is killed goes on where it was. A damaged file is named, and rows of its day
that raw still has are kept.
"""

import json
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from clickhouse_connect.driver.client import Client

from dlt_pipelines.clickhouse import INSERT_SETTINGS
from dlt_pipelines.lake.copying import unwatched
from dlt_pipelines.lake.manifest import LakeExtent, Manifest, StoredFile
from dlt_pipelines.lake.parquet import UNREADABLE, batches, quoted
from dlt_pipelines.lake.storage import Damaged, LakeStorage
from dlt_pipelines.tables import TABLES, RawTable
from echolead.settings import Settings

BESIDE = "restored_"
NOTES = "raw.restored"
"""What a restoring that has not ended has done: one row for each file that is in a table beside."""
MAX_REPEATED_BLOCKS = 100_000
NOTES_TABLE = f"""
create table if not exists {NOTES} (extent String, subject String, note String, noted_at DateTime64(3) default now64(3))
engine = MergeTree order by (extent, subject) settings fsync_after_insert = 1
"""
FINGERPRINT = "select count(), sum(cityHash64({columns})) from {table} where {condition}"
BEFORE, IN_PLACE = "before", "in place"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fingerprint:
    """How many rows, and a checksum that does not depend on their order (the sum of their hashes, 64 bits)."""

    rows: int = 0
    checksum: int = 0


@dataclass
class Restored:
    """What became of raw: each table before and after, and what could not be read, by its path."""

    before: dict[str, Fingerprint] = field(default_factory=dict)
    after: dict[str, Fingerprint] = field(default_factory=dict)
    in_the_lake: dict[str, int] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)
    tenants: list[str] = field(default_factory=list)


class Restoring:
    """Restores the rows of an extent. `on_progress` hears how many of how many rows are read, and of which table."""

    def __init__(
        self,
        settings: Settings,
        client: Client,
        manifest: Manifest,
        extent: LakeExtent,
        on_progress: Callable[[int, int, str], object],
        on_step: Callable[[str], None] = unwatched,
    ) -> None:
        self._client = client
        self._manifest = manifest
        self._extent = extent
        self._storage = LakeStorage(settings)
        self._on_progress = on_progress
        self._on_step = on_step
        self._name = f"{extent.tenant_id or ''} {extent.since or ''} {extent.until or ''}"
        self._damaged: dict[str, str] = {}

    def compare(self) -> Restored:
        """What raw has and what the lake has, without changing anything. Reads the rows of the extent in raw."""
        found = Restored(before=self._fingerprints())
        for file in self._manifest.files(self._extent):
            found.in_the_lake[file.source] = found.in_the_lake.get(file.source, 0) + file.rows
        return found

    def read(self) -> None:
        """Bring every file into the tables beside that is not there yet. The live path may go on meanwhile.

        Raises `LakeAway`, and the errors of clickhouse-connect and psycopg: what is read stays read.
        """
        self._client.command(NOTES_TABLE)
        before = self._noted(BEFORE)
        files = self._manifest.files(self._extent)
        if not before or self._noted_files() - {each.path for each in files}:
            self._forget()  # it is of another extent, or files were merged since
            said = {name: vars(each) for name, each in self._fingerprints().items()}
            self._note(BEFORE, before or json.dumps(said))
        read, every = 0, sum(each.rows for each in files)
        noted = self._noted_files()
        for file in files:
            if file.path not in noted:
                self._read(file)
            read += file.rows
            self._on_progress(read, every, file.source)

    def put_in_place(self) -> Restored:
        """Let raw have the rows that were read. Hold the leases of the loader and of turns; repeat it until it ends.

        The lake must have everything that raw has, as rows that it lacks are lost.
        """
        self.read()
        damaged = self._days_with_damage()
        for table in self._tables():
            self._keep_what_was_damaged(table, damaged[table.name])
            self._put(table)
            self._on_step(f"put {table.name}")
        files = self._manifest.files(self._extent)
        before: dict[str, dict[str, int]] = json.loads(self._noted(BEFORE) or "{}")
        done = Restored(
            before={name: Fingerprint(**each) for name, each in before.items()},
            after=self._fingerprints(),
            damaged=self._damaged,
            tenants=sorted({each.tenant_id for each in files if each.source == "events" and each.tenant_id}),
        )
        for file in files:
            done.in_the_lake[file.source] = done.in_the_lake.get(file.source, 0) + file.rows
        self._note(IN_PLACE, json.dumps(done, default=vars))
        return done

    def found_in_place(self) -> Restored | None:
        """What an earlier run has put in place that did not come to its end; None if there is none."""
        self._client.command(NOTES_TABLE)
        said = self._noted(IN_PLACE)
        if not said:
            return None
        found: dict[str, Any] = json.loads(said)
        for name in ("before", "after"):
            found[name] = {table: Fingerprint(**each) for table, each in found[name].items()}
        restored = Restored(**found)
        present = self._fingerprints()
        is_there = all(present[name].rows >= each.rows for name, each in restored.after.items())
        return restored if is_there else None

    def end(self) -> None:
        """Forget what was read: everything is in place."""
        self._forget()

    def _tables(self) -> Iterator[RawTable]:
        """Those with a tenant, or all; the numbers of loads last, as readers take loads that are listed."""
        whole = self._extent.tenant_id is None
        tables = [each for each in TABLES.values() if whole or "tenant_id" in each.columns.names]
        yield from sorted(tables, key=lambda each: each.name == "loads")

    def _read(self, file: StoredFile) -> None:
        table = TABLES[file.source]
        self._make_beside(table)
        try:
            with self._storage.checked(file.path, file.bytes, file.sha256) as local, local.open("rb") as opened:
                for number, rows in enumerate(batches(opened, file.source)):
                    self._client.insert_arrow(
                        f"raw.{BESIDE}{table.name}",
                        rows,
                        settings={
                            **INSERT_SETTINGS,
                            "insert_deduplication_token": f"{file.path} {number}",
                            "max_partitions_per_insert_block": 0,
                        },
                    )
        except (Damaged, *UNREADABLE) as error:
            self._damaged[file.path] = error.problem if isinstance(error, Damaged) else f"unreadable: {error}"
            log.warning("not restored: %s", error)
            return
        self._on_step(f"read {file.path}")
        self._note(file.path, "")

    def _make_beside(self, table: RawTable) -> None:
        beside = f"raw.{BESIDE}{table.name}"
        if self._client.command(f"exists table {beside}"):
            return
        self._client.command(f"create table {beside} as raw.{table.name}")
        self._client.command(
            f"alter table {beside} modify setting non_replicated_deduplication_window = {MAX_REPEATED_BLOCKS}"
        )

    def _days_with_damage(self) -> dict[str, set[tuple[str, str]]]:
        found: dict[str, set[tuple[str, str]]] = defaultdict(set)
        owed = self._manifest.files(self._extent, state="owed")
        for file in [*owed, *(each for each in self._manifest.files(self._extent) if each.path in self._damaged)]:
            found[file.source].add((file.tenant_id, file.day.isoformat()))
        return found

    def _keep_what_was_damaged(self, table: RawTable, days: set[tuple[str, str]]) -> None:
        """Rows of these tenants and days that raw has and no readable file."""
        for tenant_id, day in sorted(days):
            self._make_beside(table)
            of_day = f"toDate({table.day_column}) = '{day}'"
            if "tenant_id" in table.columns.names:
                of_day += f" and tenant_id = {quoted(tenant_id)}"
            key = ", ".join(table.row_key)
            self._client.command(
                f"insert into raw.{BESIDE}{table.name} select * from raw.{table.name} where {of_day}"  # noqa: S608
                f" and ({key}) not in (select {key} from raw.{BESIDE}{table.name} where {of_day})"
            )

    def _put(self, table: RawTable) -> None:
        beside = f"raw.{BESIDE}{table.name}"
        is_there = bool(self._client.command(f"exists table {beside}"))
        condition = self._condition(table)
        if self._extent.tenant_id is not None or (condition != "1" and table.partition is None):
            self._client.command(f"alter table raw.{table.name} delete where {condition} settings mutations_sync = 2")
            if is_there:
                self._client.command(f"insert into raw.{table.name} select * from {beside}")  # noqa: S608
            return
        wanted = self._partitions(f"{BESIDE}{table.name}") if is_there else []
        for partition in wanted:
            self._client.command(f"alter table raw.{table.name} replace partition id '{partition}' from {beside}")
        for partition in set(self._partitions(table.name)) - set(wanted):
            if self._is_of_extent(partition):
                self._client.command(f"alter table raw.{table.name} drop partition id '{partition}'")

    def _partitions(self, table: str) -> list[str]:
        statement = (
            "select distinct partition_id from system.parts"
            " where database = 'raw' and table = {table:String} and active order by 1"
        )
        return [str(row[0]) for row in self._client.query(statement, parameters={"table": table}).result_rows]

    def _is_of_extent(self, partition: str) -> bool:
        since, until = self._extent.since, self._extent.until
        if not partition.isdigit():
            return True
        return (since is None or partition >= f"{since:%Y%m%d}") and (until is None or partition <= f"{until:%Y%m%d}")

    def _condition(self, table: RawTable) -> str:
        parts = []
        if self._extent.tenant_id is not None:
            parts.append(f"tenant_id = {quoted(self._extent.tenant_id)}")
        if self._extent.since is not None:
            parts.append(f"toDate({table.day_column}) >= '{self._extent.since.isoformat()}'")
        if self._extent.until is not None:
            parts.append(f"toDate({table.day_column}) <= '{self._extent.until.isoformat()}'")
        return " and ".join(parts) or "1"

    def _fingerprints(self) -> dict[str, Fingerprint]:
        there = {
            row[0] for row in self._client.query("select name from system.tables where database = 'raw'").result_rows
        }
        found = {}
        for table in self._tables():
            if table.name not in there:
                found[table.name] = Fingerprint()
                continue
            columns = ", ".join(
                f"ifNull(toString({each.name}), '\\\\0')" if each.nullable else each.name for each in table.columns
            )
            asked = FINGERPRINT.format(columns=columns, table=f"raw.{table.name}", condition=self._condition(table))
            rows, checksum = self._client.query(asked).result_rows[0]
            found[table.name] = Fingerprint(int(rows), int(checksum or 0))
        return found

    def _noted(self, subject: str) -> str:
        statement = f"select note from {NOTES} where extent = {{extent:String}} and subject = {{subject:String}}"  # noqa: S608
        asked = {"extent": self._name, "subject": subject}
        rows = self._client.query(statement, parameters=asked).result_rows
        return str(rows[0][0]) if rows else ""

    def _noted_files(self) -> set[str]:
        statement = f"select subject from {NOTES} where extent = {{extent:String}}"  # noqa: S608
        found = self._client.query(statement, parameters={"extent": self._name}).result_rows
        return {str(subject) for (subject,) in found} - {BEFORE, IN_PLACE}

    def _note(self, subject: str, note: str) -> None:
        self._client.insert(NOTES, [[self._name, subject, note]], column_names=["extent", "subject", "note"])

    def _forget(self) -> None:
        """The notes first: rows without a note are read again, a note without its rows would be wrong."""
        self._client.command(f"truncate table {NOTES}")
        for table in TABLES:
            self._client.command(f"drop table if exists raw.{BESIDE}{table} sync")
