"""The manifest: which files the lake has, and how far raw is in it. In PostgreSQL, so that both change together.

Every method raises `psycopg.Error` when PostgreSQL does not answer.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import psycopg
from psycopg.rows import class_row

from echolead.operational.reconnecting import Reconnecting
from echolead.settings import Settings

STATEMENT_SECONDS = 60
LEASE = "lake"
"""One process at a time writes the lake."""
FILES_LEASE = "lake-files"
"""Whoever holds it finds the files of the manifest where they are: none is merged or removed meanwhile."""

COLUMNS = (
    "tenant_id, source, day, path, first_load, last_load, rows, bytes, sha256, schema_version, level, packages, message"
)
ADDED = f"""
insert into lake_files ({COLUMNS}, state)
values (
    %(tenant_id)s, %(source)s, %(day)s, %(path)s, %(first_load)s, %(last_load)s, %(rows)s, %(bytes)s, %(sha256)s,
    %(schema_version)s, %(level)s, %(packages)s, %(message)s,
    case when %(path)s = '' then 'owed' else 'present' end
)
"""  # noqa: S608  # constants
MOVED = """
insert into lake_positions (origin, position, recent) values (%(origin)s, %(position)s, %(recent)s)
on conflict (origin) do update set
    position = excluded.position, recent = excluded.recent, copied_at = clock_timestamp()
where lake_positions.position = %(before)s and lake_positions.recent = %(recent_before)s
"""
FILES = f"""
select {COLUMNS} from lake_files
where state = %(state)s
    and (%(source)s::text is null or source = %(source)s)
    and (%(tenant_id)s::text is null or tenant_id = %(tenant_id)s)
    and (%(since)s::date is null or day >= %(since)s) and (%(until)s::date is null or day <= %(until)s)
order by source, tenant_id, day, length(first_load), first_load, path
"""  # noqa: S608
OWED = f"select {COLUMNS} from lake_files where state = 'owed' order by written_at limit %(limit)s"  # noqa: S608
MANY = """
select source, tenant_id, day from lake_files
where state = 'present'
group by source, tenant_id, day
having
    (day < %(today)s and count(*) > 1 and count(*) filter (where level < 2) > 0)
    or (day >= %(today)s and count(*) filter (where level = 0) >= %(enough)s)
order by day, source, tenant_id
"""
REPLACED = """
update lake_files set state = 'replaced', replaced_at = clock_timestamp()
where path = any(%(paths)s) and state = 'present'
"""
GOING = """
select path from lake_files
where state = 'replaced' and replaced_at < clock_timestamp() - make_interval(secs => %(seconds)s)
order by replaced_at limit %(limit)s
"""


class ManifestChanged(RuntimeError):
    """Another process has changed the manifest meanwhile; nothing was written to it."""

    def __init__(self) -> None:
        super().__init__("Another process has changed the lake's manifest meanwhile: the next try begins anew.")


@dataclass(frozen=True)
class StoredFile:
    """A file of the lake, or with `path` '' one that could not be written yet; `message` says why.

    `rows` of one raw table (`source`), tenant ('' of no tenant) and day of receipt, in UTC. `first_load` and
    `last_load` are the numbers of loads as text, or ids of packages; `packages` those of a file that is owed.
    `level` is 0 as it was copied, 1 merged during the day, 2 merged after it.
    """

    tenant_id: str
    source: str
    day: date
    path: str
    first_load: str
    last_load: str
    rows: int = 0
    bytes: int = 0
    sha256: str = ""
    schema_version: str = ""
    level: int = 0
    packages: Sequence[str] = ()
    message: str = ""


@dataclass(frozen=True)
class LakeReached:
    """How far raw is in the lake: of `loads` the last number, of `packages` the last id and those about as new."""

    origin: str
    position: str = ""
    recent: Sequence[str] = field(default_factory=tuple)
    copied_at: datetime | None = None


@dataclass(frozen=True)
class LakeExtent:
    """Which files: of a tenant, of days of receipt from `since` to `until`; None is every one."""

    tenant_id: str | None = None
    since: date | None = None
    until: date | None = None

    @property
    def is_everything(self) -> bool:
        """Whether it leaves nothing out."""
        return self.tenant_id is None and self.since is None and self.until is None


class Manifest(Reconnecting):
    """The manifest on a connection of its own, which is reopened after a failure."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(
            settings.postgres_loader_url.get_secret_value(), "echolead lake", statement_seconds=STATEMENT_SECONDS
        )

    def position(self, origin: str) -> LakeReached:
        """How far the rows of this origin are in the lake."""
        row = (
            self._open()
            .execute("select position, recent, copied_at from lake_positions where origin = %s", [origin])
            .fetchone()
        )
        return LakeReached(origin) if row is None else LakeReached(origin, *row)

    def commit(self, files: Sequence[StoredFile], before: LakeReached, after: LakeReached) -> None:
        """The files are there, and raw is in the lake up to the position `after`: both, or neither.

        Raises `ManifestChanged` when the position is no longer `before`: another process has copied the same rows.
        """
        asked = {
            "origin": after.origin,
            "position": after.position,
            "recent": list(after.recent),
            "before": before.position,
            "recent_before": list(before.recent),
        }
        with self._changing() as connection:
            connection.cursor().executemany(ADDED, [_values(each) for each in files])
            if connection.execute(MOVED, asked).rowcount != 1:
                raise ManifestChanged

    def files(self, extent: LakeExtent, *, source: str | None = None, state: str = "present") -> list[StoredFile]:
        """Files in the order of their loads; of the manifest the rows of the extent are read."""
        asked: dict[str, Any] = {**vars(extent), "source": source, "state": state}
        return self._found(FILES, asked)

    def owed(self, limit: int) -> list[StoredFile]:
        """Some of the files that could not be written, those that have waited longest first."""
        return self._found(OWED, {"limit": limit})

    def to_compact(self, today: date, enough: int) -> list[tuple[str, str, date]]:
        """(source, tenant, day) with several files: of past days, and of today with `enough` small ones.

        Reads the rows of present files.
        """
        return self._open().execute(MANY, {"today": today, "enough": enough}).fetchall()

    def replace(self, paths: Collection[str], by: Sequence[StoredFile]) -> None:
        """Readers find the rows of these files in others from now on.

        Raises `ManifestChanged` if one is not present.
        """
        with self._changing() as connection:
            if connection.execute(REPLACED, {"paths": list(paths)}).rowcount != len(paths):
                raise ManifestChanged
            connection.cursor().executemany(ADDED, [_values(each) for each in by])

    def settle(self, owed: StoredFile, file: StoredFile) -> None:
        """What was owed is written."""
        with self._changing() as connection:
            connection.execute(
                "delete from lake_files where state = 'owed' and source = %(source)s and tenant_id = %(tenant_id)s"
                " and day = %(day)s and first_load = %(first_load)s and last_load = %(last_load)s",
                vars(owed),
            )
            connection.execute(ADDED, _values(file))

    def written_since(self, moment: datetime) -> set[tuple[str, str, date]]:
        """(source, tenant, day) of the files that were written since then."""
        rows = (
            self._open()
            .execute("select distinct source, tenant_id, day from lake_files where written_at >= %s", [moment])
            .fetchall()
        )
        return {(source, tenant_id, day) for source, tenant_id, day in rows}

    def before(self, day: date) -> list[str]:
        """Paths of the files of earlier days."""
        rows = (
            self._open().execute("select path from lake_files where state = 'present' and day < %s", [day]).fetchall()
        )
        return [str(path) for (path,) in rows]

    def going(self, older_than_seconds: float, limit: int) -> list[str]:
        """Paths of files that were replaced so long ago that no reader has them open."""
        rows = self._open().execute(GOING, {"seconds": older_than_seconds, "limit": limit}).fetchall()
        return [str(path) for (path,) in rows]

    def forget(self, paths: Collection[str]) -> None:
        """These files are deleted."""
        self._open().execute("delete from lake_files where state = 'replaced' and path = any(%s)", [list(paths)])

    def known(self, paths: Collection[str]) -> set[str]:
        """Those of the paths that the manifest has, in whatever state."""
        rows = self._open().execute("select path from lake_files where path = any(%s)", [list(paths)]).fetchall()
        return {str(path) for (path,) in rows}

    def _found(self, statement: str, values: Mapping[str, Any]) -> list[StoredFile]:
        with self._open().cursor(row_factory=class_row(StoredFile)) as cursor:
            return cursor.execute(statement, values).fetchall()

    @contextmanager
    def _changing(self) -> Iterator[psycopg.Connection]:
        connection = self._open()
        with connection.transaction():
            yield connection


def _values(file: StoredFile) -> dict[str, Any]:
    return {**vars(file), "packages": list(file.packages)}
