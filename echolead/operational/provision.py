"""Databases and roles of a PostgreSQL cluster: created as its superuser, safe to run again."""

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

import psycopg
from psycopg import Connection, sql

DATABASE = "echolead"
OWNER = "echolead_owner"
SYSTEM = "echolead_system"
APP = "echolead_app"
COLLECTOR = "echolead_collector"
API = "echolead_api"
LOADER = "echolead_loader"
DELIVERIES = "echolead_deliveries"
DAGSTER = "dagster"  # role and database

MEMBERSHIPS = """
select groups.rolname from pg_auth_members
join pg_roles as groups on groups.oid = pg_auth_members.roleid
join pg_roles as members on members.oid = pg_auth_members.member
where members.rolname = %s
"""
RESERVED = r"""
select oid::regprocedure::text, proname like '%advisory%' from pg_proc
where pronamespace = 'pg_catalog'::regnamespace
    and (proname ~ '^pg_(try_)?advisory_' or proname in ('lo_creat', 'lo_create', 'lo_from_bytea'))
order by 1
"""

SERVICES = (COLLECTOR, API, LOADER, DELIVERIES)
"""One role per service. Each migration grants the necessary rights, on single columns where the table has more."""
GUESTS = (SYSTEM, APP, *SERVICES)
"""The roles that may connect to the operational database, besides its owner."""
LEASING = (OWNER, SYSTEM, LOADER, DELIVERIES)
"""The roles that may take advisory locks, which are the leases of loading and delivering: a holder stops the others."""


@dataclass(frozen=True)
class Passwords:
    """The passwords of the roles."""

    owner: str
    system: str
    app: str
    collector: str
    api: str
    loader: str
    deliveries: str
    dagster: str

    def __repr__(self) -> str:
        return "Passwords(…)"


@dataclass(frozen=True)
class OperationalUrls:
    """The URL of each role: `owner` migrates, `system` administers all tenants, `app` sees one tenant, `collector`,
    `api`, `loader` and `deliveries` are for the services, `dagster` has its own database.
    """

    owner: str
    system: str
    app: str
    collector: str
    api: str
    loader: str
    deliveries: str
    dagster: str

    def __repr__(self) -> str:
        return "OperationalUrls(…)"


ROLE_OF = {
    "owner": OWNER,
    "system": SYSTEM,
    "app": APP,
    "collector": COLLECTOR,
    "api": API,
    "loader": LOADER,
    "deliveries": DELIVERIES,
    "dagster": DAGSTER,
}
"""The role of each field of `Passwords` and `OperationalUrls`."""

URL_SETTINGS = {
    **{name: f"postgres_{name}_url" for name in ROLE_OF},
    "owner": "postgres_url",
    DAGSTER: "dagster_postgres_url",
}
"""The setting with each role's URL."""


def provision(superuser_url: str, passwords: Passwords) -> OperationalUrls:
    """Create missing roles and databases, set the passwords, and revoke unneeded rights.

    Raises `psycopg.OperationalError` when the cluster cannot be reached, `psycopg.errors.InsufficientPrivilege` when
    the role of `superuser_url` may not create roles or databases.
    """
    with psycopg.connect(superuser_url, autocommit=True, connect_timeout=5) as connection:
        for name, role in ROLE_OF.items():
            _ensure_role(connection, role, getattr(passwords, name))
        _ensure_database(connection, DATABASE, OWNER, guests=GUESTS)
        _ensure_database(connection, DAGSTER, DAGSTER, guests=())
    with psycopg.connect(in_database(superuser_url), connect_timeout=5) as connection:
        _grant_schema(connection)
        _reserve_functions(connection)
    return OperationalUrls(
        **{
            name: _at(
                superuser_url,
                role=role,
                password=getattr(passwords, name),
                database=DAGSTER if role == DAGSTER else DATABASE,
            )
            for name, role in ROLE_OF.items()
        }
    )


def in_database(superuser_url: str) -> str:
    """The superuser's URL of the operational database."""
    return _at(superuser_url, database=DATABASE)


def _ensure_role(connection: Connection[tuple[object, ...]], role: str, password: str) -> None:
    exists = connection.execute("select 1 from pg_roles where rolname = %s", [role]).fetchone()
    # Only the SCRAM verifier is sent, so that no log of statements contains the password.
    verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    # Only the operator's role bypasses row-level security: it administers every tenant, and no service uses it.
    bypass = "BYPASSRLS" if role == SYSTEM else "NOBYPASSRLS"
    connection.execute(
        sql.SQL("{} ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION {} PASSWORD {}").format(
            sql.SQL("ALTER" if exists else "CREATE"), sql.Identifier(role), sql.SQL(bypass), sql.Literal(verifier)
        )
    )
    # A role that is a member of another could become that one, so memberships are revoked.
    for (group,) in connection.execute(MEMBERSHIPS, [role]).fetchall():
        connection.execute(sql.SQL("REVOKE {} FROM {}").format(sql.Identifier(str(group)), sql.Identifier(role)))


def _ensure_database(
    connection: Connection[tuple[object, ...]], database: str, owner: str, guests: Iterable[str]
) -> None:
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
    """Rights on the schema, and the default rights on new tables and sequences.

    The system role reads and writes every table of the owner. The others get no default rights: each migration grants
    the necessary ones after the table has its policy.
    """
    roles = {"owner": sql.Identifier(OWNER), "system": sql.Identifier(SYSTEM), "guests": _names(GUESTS)}
    for statement in (
        "ALTER SCHEMA public OWNER TO {owner}",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        "GRANT USAGE ON SCHEMA public TO {guests}",
        "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
        "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public "
        "GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {system}",
        "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public GRANT SELECT, USAGE ON SEQUENCES TO {system}",
    ):
        connection.execute(sql.SQL(statement).format(**roles))


def _reserve_functions(connection: Connection[tuple[object, ...]]) -> None:
    """Reserve advisory locks for roles with leases, and forbid large objects: by default every role may use both.

    If `superuser_url` is not a real superuser, PostgreSQL warns and changes nothing.
    """
    for function, is_lock in connection.execute(RESERVED).fetchall():
        named = sql.SQL(str(function))  # a regprocedure, quoted by the server
        connection.execute(sql.SQL("REVOKE EXECUTE ON FUNCTION {} FROM PUBLIC").format(named))
        if is_lock:
            connection.execute(sql.SQL("GRANT EXECUTE ON FUNCTION {} TO {}").format(named, _names(LEASING)))


def _names(roles: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(role) for role in roles)


def _at(url: str, *, database: str, role: str | None = None, password: str | None = None) -> str:
    """`url` with another database, and another role and password when given; its options are kept."""
    parts = urlsplit(url)
    account, _, address = parts.netloc.rpartition("@")
    if role is not None:
        account = f"{role}:{quote(password or '', safe='')}"
    return parts._replace(netloc=f"{account}@{address}", path=f"/{database}").geturl()
