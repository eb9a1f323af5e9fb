"""Databases and roles of a PostgreSQL cluster: made once as its superuser, safe to run again."""

from dataclasses import dataclass
from urllib.parse import quote, urlsplit

import psycopg
from psycopg import Connection, sql

DATABASE = "echolead"
OWNER = "echolead_owner"
SYSTEM = "echolead_system"
APP = "echolead_app"
DAGSTER = "dagster"  # role and database

# BYPASSRLS and nothing else: it serves every tenant, but can neither make roles nor change tables.
ROLE_OPTIONS = {OWNER: "NOBYPASSRLS", SYSTEM: "BYPASSRLS", APP: "NOBYPASSRLS", DAGSTER: "NOBYPASSRLS"}


@dataclass(frozen=True)
class Passwords:
    """The passwords of the four roles."""

    owner: str
    system: str
    app: str
    dagster: str

    def __repr__(self) -> str:
        return "Passwords(…)"


@dataclass(frozen=True)
class OperationalUrls:
    """Where each role connects: `owner` migrates, `system` sees all tenants, `app` one, `dagster` its own database."""

    owner: str
    system: str
    app: str
    dagster: str

    def __repr__(self) -> str:
        return "OperationalUrls(…)"


def provision(superuser_url: str, passwords: Passwords) -> OperationalUrls:
    """Create the roles and databases that are missing, set the passwords, and take away what nobody needs.

    Raises `psycopg.OperationalError` when the cluster cannot be reached, `psycopg.errors.InsufficientPrivilege` when
    the role of `superuser_url` may not create roles or databases.
    """
    by_role = {OWNER: passwords.owner, SYSTEM: passwords.system, APP: passwords.app, DAGSTER: passwords.dagster}
    with psycopg.connect(superuser_url, autocommit=True, connect_timeout=5) as connection:
        for role, password in by_role.items():
            _ensure_role(connection, role, password)
        _ensure_database(connection, DATABASE, OWNER, guests=[SYSTEM, APP])
        _ensure_database(connection, DAGSTER, DAGSTER, guests=[])
    with psycopg.connect(_at(superuser_url, database=DATABASE), connect_timeout=5) as connection:
        _grant_schema(connection)
    return OperationalUrls(
        owner=_at(superuser_url, role=OWNER, password=passwords.owner, database=DATABASE),
        system=_at(superuser_url, role=SYSTEM, password=passwords.system, database=DATABASE),
        app=_at(superuser_url, role=APP, password=passwords.app, database=DATABASE),
        dagster=_at(superuser_url, role=DAGSTER, password=passwords.dagster, database=DAGSTER),
    )


def _ensure_role(connection: Connection[tuple[object, ...]], role: str, password: str) -> None:
    exists = connection.execute("select 1 from pg_roles where rolname = %s", [role]).fetchone()
    # Only the SCRAM verifier travels, so that no log of statements holds the password.
    verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    connection.execute(
        sql.SQL("{} ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION {} PASSWORD {}").format(
            sql.SQL("ALTER" if exists else "CREATE"),
            sql.Identifier(role),
            sql.SQL(ROLE_OPTIONS[role]),
            sql.Literal(verifier),
        )
    )


def _ensure_database(connection: Connection[tuple[object, ...]], database: str, owner: str, guests: list[str]) -> None:
    names = {"database": sql.Identifier(database), "owner": sql.Identifier(owner)}
    if connection.execute("select 1 from pg_database where datname = %s", [database]).fetchone() is None:
        connection.execute(
            sql.SQL("CREATE DATABASE {database} OWNER {owner} ENCODING 'UTF8' TEMPLATE template0").format(**names)
        )
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {database} FROM PUBLIC").format(**names))
    for guest in guests:
        connection.execute(
            sql.SQL("GRANT CONNECT ON DATABASE {database} TO {guest}").format(guest=sql.Identifier(guest), **names)
        )


def _grant_schema(connection: Connection[tuple[object, ...]]) -> None:
    """Reach into the schema, and what a table or sequence gives the roles from the moment it is made.

    The system role reads and writes every table of the owner's. The application's role gets nothing by default: each
    migration grants it what the console and API need, after the table has its policy.
    """
    roles = {"owner": sql.Identifier(OWNER), "system": sql.Identifier(SYSTEM), "app": sql.Identifier(APP)}
    for statement in (
        "ALTER SCHEMA public OWNER TO {owner}",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        "GRANT USAGE ON SCHEMA public TO {system}, {app}",
        "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
        "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public "
        "GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {system}",
        "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public GRANT USAGE ON SEQUENCES TO {system}",
    ):
        connection.execute(sql.SQL(statement).format(**roles))


def _at(url: str, *, database: str, role: str | None = None, password: str | None = None) -> str:
    """`url` with another database, and another role and password when given; its options are kept."""
    parts = urlsplit(url)
    account, _, address = parts.netloc.rpartition("@")
    if role is not None:
        account = f"{role}:{quote(password or '', safe='')}"
    return parts._replace(netloc=f"{account}@{address}", path=f"/{database}").geturl()
