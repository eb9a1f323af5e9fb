"""Migrations of the operational database, run from the package without a configuration file or second connection."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, NullPool, create_engine, make_url, text

from echolead.operational.provision import GUESTS

MIGRATIONS = Path(__file__).parent / "migrations"
# An arbitrary number that nothing else in this database locks: two starting stacks migrate one after the other.
LOCK = 0x6563686F


class NotProvisioned(Exception):
    """The database lacks the roles that migrations grant to."""


def configuration(connection: Connection | None = None) -> Config:
    """Alembic's configuration for the packaged migrations, on an open connection."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def migrate(owner_url: str) -> None:
    """Bring the database to the newest revision, in one transaction.

    Raises `NotProvisioned` if the roles are missing, `sqlalchemy.exc.OperationalError` if the server does not answer.
    """
    engine = create_engine(
        make_url(owner_url).set(drivername="postgresql+psycopg"),
        poolclass=NullPool,
        connect_args={"connect_timeout": 5},
    )
    with engine.begin() as connection:
        connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        _require_roles(connection)
        if not is_current(connection):
            command.upgrade(configuration(connection), "head")


def is_current(connection: Connection) -> bool:
    """Whether the database is at the newest revision this package knows."""
    head = ScriptDirectory.from_config(configuration()).get_current_head()
    return MigrationContext.configure(connection).get_current_revision() == head


def knows_revision(revision: str) -> bool:
    """Whether this package has the migration that leads to it."""
    return any(each.revision == revision for each in ScriptDirectory.from_config(configuration()).walk_revisions())


def _require_roles(connection: Connection) -> None:
    present = set(
        connection.scalars(text("select rolname from pg_roles where rolname = any(:roles)"), {"roles": list(GUESTS)})
    )
    missing = set(GUESTS) - present
    if missing:
        raise NotProvisioned(
            f"PostgreSQL has no role {' or '.join(sorted(missing))}. "
            "Create roles and databases first: docs/decisions/0006-row-level-security.md says how."
        )
