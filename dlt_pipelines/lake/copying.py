"""Copying what is new in raw to the lake: complete loads and packages, in order, each once.

A pass reads the loads behind the last one that the lake has, and of raw their rows alone: by an index over loads and
packages. The files are written first; the manifest and the position are committed together afterwards. What was written
without that is written again, and a file that the manifest does not list does not belong to the lake.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from clickhouse_connect.driver.client import Client

from dlt_pipelines.lake.manifest import LakeReached, Manifest, StoredFile
from dlt_pipelines.lake.parquet import ROWS_OF_A_GROUP, open_writer, path_of, quoted, schema_version
from dlt_pipelines.lake.storage import LakeAway, LakeStorage, digest_of
from dlt_pipelines.tables import TABLES, RawTable
from echolead.settings import Settings
from echolead.warehouse import connect

LOADS, PACKAGES = "loads", "packages"
OF_LOADS = [table for table in TABLES.values() if table.is_numbered]
OF_PACKAGES = [table for table in TABLES.values() if not table.is_numbered]
MAX_ROWS = 100_000
MAX_BYTES = 64 * 1024 * 1024
"""Of one pass, in payloads; a single load may be larger, and is bounded by the loader."""
MAX_LOADS = 2_000
MAX_PACKAGES = 500
MAX_OWED = 50
OUT_OF_ORDER_SECONDS = 3600
"""How much later than a package that began after it a package may end."""

NEW_LOADS = """
select load_seq from raw.loads where load_seq > {{after:Int64}} order by load_seq limit {limit}
"""
SIZES = """
select load_seq, sum(rows) as rows, sum(bytes) as bytes from ({parts})
group by load_seq order by load_seq
"""
SIZE = """
select load_seq, count() as rows, sum(length(payload)) as bytes from raw.{table}
where load_seq > {{after:Int64}} and load_seq <= {{until:Int64}} group by load_seq
"""
# In order of the key: ids are times.
NEW_PACKAGES = """
select load_id from raw._dlt_loads
where load_id > {{after:String}} and status = 0 and schema_name in {{pipelines:Array(String)}}
    and load_id not in {{taken:Array(String)}}
order by load_id limit {limit}
"""
ROWS = """
select {columns} from raw.{table} where {condition}
order by {tenant}, toDate({day}), {order}
"""

log = logging.getLogger(__name__)


@dataclass
class Copied:
    """What a pass wrote: files, their rows, and those that could not be written. `is_behind`: there is more."""

    files: int = 0
    rows: int = 0
    bytes: int = 0
    owed: list[StoredFile] = field(default_factory=list)
    is_behind: bool = False

    def __add__(self, other: "Copied") -> "Copied":
        return Copied(
            self.files + other.files,
            self.rows + other.rows,
            self.bytes + other.bytes,
            [*self.owed, *other.owed],
            self.is_behind or other.is_behind,
        )


@dataclass(frozen=True)
class LakeSpan:
    """Loads or packages that are copied together."""

    begun_at: LakeReached
    loads: tuple[str, ...]

    @property
    def is_numbered(self) -> bool:
        """Whether they are loads."""
        return self.begun_at.origin == LOADS

    @property
    def first(self) -> str:
        """The first of them; of loads also one that failed and was not listed."""
        return str(int(self.begun_at.position or 0) + 1) if self.is_numbered else self.loads[0]

    @property
    def last(self) -> str:
        """The last of them."""
        return self.loads[-1]

    def condition(self, table: RawTable) -> str:
        """Which rows of the table are theirs."""
        if self.is_numbered:
            return f"{table.load_column} between {int(self.first)} and {int(self.last)}"
        ids = ", ".join(f"'{each}'" for each in self.loads)  # digits and a point
        return f"{table.load_column} in ({ids})"


def unwatched(_: str) -> None:
    """Do nothing: the default for callers that do not watch the steps."""


class LakeCopy:
    """Copies raw to the lake. Hold the lease `lake`. `on_step` hears `written` before each commit, and `committed`."""

    def __init__(self, settings: Settings, manifest: Manifest, on_step: Callable[[str], None] = unwatched) -> None:
        self._settings = settings
        self._manifest = manifest
        self._storage = LakeStorage(settings)
        self._on_step = on_step

    def copy_all(self) -> Copied:
        """Passes until the lake has everything that is complete in raw. Raises as `copy_once`."""
        done = Copied(is_behind=True)
        while done.is_behind:
            done = replace(done, owed=[], is_behind=False) + self.copy_once()
        return done

    def copy_once(self) -> Copied:
        """One pass of bounded size.

        Raises `LakeAway` when no file can be written, `clickhouse_connect`'s errors and `psycopg.Error`; then the next
        pass begins where this one began. A file that cannot be written while others can is owed, and tried again.
        """
        with closing(connect(self._settings.clickhouse("loader"))) as client:
            done = self._settle(client)
            for span, tables in ((self._new_loads(client), OF_LOADS), (self._new_packages(client), OF_PACKAGES)):
                if span is not None:
                    done += self._copy(client, span, tables)
        return done

    def _copy(self, client: Client, span: LakeSpan, tables: Sequence[RawTable]) -> Copied:
        done = Copied(is_behind=True)
        files: list[StoredFile] = []
        for table in tables:
            for file, rows in self._files_of(client, table, span):
                written = self._attempt(file, rows)
                if not written.path:
                    written = replace(written, packages=() if span.is_numbered else span.loads)
                    done.owed.append(written)
                files.append(written)
        there = [each for each in files if each.path]
        if done.owed and not there:
            raise LakeAway(done.owed[0].message)
        self._on_step("written")
        self._manifest.commit(files, span.begun_at, _reached(span))
        self._on_step("committed")
        return replace(
            done, files=len(there), rows=sum(each.rows for each in there), bytes=sum(each.bytes for each in there)
        )

    def _new_loads(self, client: Client) -> LakeSpan | None:
        position = self._manifest.position(LOADS)
        after = int(position.position or 0)
        limited = NEW_LOADS.format(limit=MAX_LOADS)
        loads = [int(row[0]) for row in client.query(limited, parameters={"after": after}).result_rows]
        if not loads:
            return None
        parts = " union all ".join(SIZE.format(table=table.name) for table in OF_LOADS if table.name != LOADS)
        sizes = client.query(SIZES.format(parts=parts), parameters={"after": after, "until": loads[-1]}).result_rows
        return LakeSpan(position, tuple(str(each) for each in _fitting(loads, sizes)))

    def _new_packages(self, client: Client) -> LakeSpan | None:
        position = self._manifest.position(PACKAGES)
        asked = {
            "after": _minus(position.position, OUT_OF_ORDER_SECONDS),
            "pipelines": sorted({table.pipeline for table in OF_PACKAGES}),
            "taken": list(position.recent),
        }
        found = client.query(NEW_PACKAGES.format(limit=MAX_PACKAGES), parameters=asked).result_rows
        packages = tuple(str(row[0]) for row in found)
        return LakeSpan(position, packages) if packages else None

    def _files_of(self, client: Client, table: RawTable, span: LakeSpan) -> Iterator[tuple[StoredFile, pa.Table]]:
        rows = read(client, table, span.condition(table))
        for tenant_id, day, part in parts_of(table, rows):
            yield StoredFile(tenant_id, table.name, day, "", span.first, span.last), part

    def _attempt(self, file: StoredFile, rows: pa.Table) -> StoredFile:
        try:
            return write(self._storage, file, [rows])
        except LakeAway as error:
            log.warning("owed to the lake: %s", error)
            return replace(file, rows=rows.num_rows, message=str(error)[:2000])

    def _settle(self, client: Client) -> Copied:
        """Try again what could not be written."""
        done = Copied()
        for owed in self._manifest.owed(MAX_OWED):
            table = TABLES[owed.source]
            rows = read(client, table, condition_of(owed))
            written = self._attempt(replace(owed, message=""), rows)
            if written.path:
                self._manifest.settle(owed, written)
                done += Copied(1, written.rows, written.bytes)
            else:
                done.owed.append(owed)
        return done


def condition_of(owed: StoredFile) -> str:
    """Which rows of raw a file that is owed is to have."""
    table = TABLES[owed.source]
    if table.is_numbered:
        span = LakeSpan(LakeReached(LOADS, str(int(owed.first_load) - 1)), (owed.last_load,))
    else:
        span = LakeSpan(LakeReached(PACKAGES), tuple(owed.packages))
    tenant = f" and tenant_id = {quoted(owed.tenant_id)}" if "tenant_id" in table.columns.names else ""
    return f"{span.condition(table)}{tenant} and toDate({table.day_column}) = '{owed.day.isoformat()}'"


def _reached(span: LakeSpan) -> LakeReached:
    if span.is_numbered:
        return LakeReached(LOADS, span.last)
    newest = max(span.begun_at.position, span.last)
    oldest = _minus(newest, OUT_OF_ORDER_SECONDS)
    recent = {each for each in (*span.begun_at.recent, *span.loads) if each > oldest}
    return LakeReached(PACKAGES, newest, sorted(recent))


def read(client: Client, table: RawTable, condition: str) -> pa.Table:
    """Rows of raw by tenant and day, in the order of the table."""
    columns = table.columns.names
    statement = ROWS.format(
        columns=", ".join(columns),
        table=table.name,
        condition=condition,
        tenant="tenant_id" if "tenant_id" in columns else "''",
        day=table.day_column,
        order=", ".join([*table.sorting_key, *table.row_key]),
    )
    return client.query_arrow(statement, use_strings=True).cast(table.columns)


def parts_of(table: RawTable, rows: pa.Table) -> Iterator[tuple[str, date, pa.Table]]:
    """(tenant, day, rows) of rows that are in this order."""
    if not rows.num_rows:
        return
    days = pc.cast(rows[table.day_column], pa.date32()).combine_chunks()
    no_tenant = pa.repeat(pa.scalar(""), rows.num_rows)
    tenants = rows["tenant_id"].combine_chunks() if "tenant_id" in rows.column_names else no_tenant
    is_other = pc.or_(pc.not_equal(days[1:], days[:-1]), pc.not_equal(tenants[1:], tenants[:-1]))
    borders = [0, *(np.flatnonzero(is_other.to_numpy(zero_copy_only=False)) + 1).tolist(), rows.num_rows]
    for first, end in pairwise(borders):
        yield tenants[first].as_py(), days[first].as_py(), rows.slice(first, end - first)


def write(storage: LakeStorage, file: StoredFile, rows: Iterable[pa.Table], mark: str = "") -> StoredFile:
    """Write the rows as a file whose name says its loads; it as the manifest is to have it. Raises `LakeAway`."""
    path = path_of(file, mark)
    count = 0
    with storage.writing(path) as local:
        with open_writer(local, file) as writer:
            for piece in rows:
                writer.write_table(piece, row_group_size=ROWS_OF_A_GROUP)
                count += piece.num_rows
        with local.open("rb") as written:
            size, digest = digest_of(written)
    version = schema_version(TABLES[file.source].columns)
    return replace(file, path=path, rows=count, bytes=size, sha256=digest, schema_version=version)


def _fitting(loads: Sequence[int], sizes: Sequence[Sequence[int]]) -> list[int]:
    """The first of the loads that are together no more than a pass takes, and one at least."""
    taken: list[int] = []
    rows = size = 0
    left = deque(sizes)
    for load in loads:
        while left and left[0][0] <= load:
            _, more_rows, more_bytes = left.popleft()
            rows, size = rows + more_rows, size + more_bytes
        if taken and (rows > MAX_ROWS or size > MAX_BYTES):
            break
        taken.append(load)
    return taken


def _minus(package: str, seconds: float) -> str:
    """The id that a package had that began so much earlier; '' of none."""
    return f"{float(package) - seconds:.6f}" if package else ""
