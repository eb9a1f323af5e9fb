"""The warehouse client: ClickHouse over HTTP, embedded or not, through clickhouse-connect."""

from collections.abc import Collection

from clickhouse_connect import get_client
from clickhouse_connect.driver.client import Client

from echolead.warehouse_accounts import DATABASES, role_statements, tenant_statements


def connect(url: str, *, database: str | None = None, query_timeout_seconds: int = 300) -> Client:
    """A client for `http(s)://user:password@host:port`.

    Raises `clickhouse_connect.driver.exceptions.OperationalError` if the server does not answer.
    """
    return get_client(
        dsn=url,
        database=database or "default",
        connect_timeout=5,
        send_receive_timeout=query_timeout_seconds,
        autogenerate_session_id=False,
        client_name="echolead",
    )


def standing(client: Client) -> set[str]:
    """`database.name` of all tables and views there are."""
    return {str(row[0]) for row in client.query("SELECT concat(database, '.', name) FROM system.tables").result_rows}


def create_databases(client: Client) -> None:
    """Create missing databases of the layers."""
    for database in DATABASES:
        client.command(f"CREATE DATABASE IF NOT EXISTS {database}")


def ensure_tenant_accounts(client: Client, key: str, tenant_ids: Collection[str]) -> None:
    """Create the accounts of these tenants on a ClickHouse server, which see only their own rows.

    `client` is the owner's. The embedded warehouse derives the accounts by itself and stores none.
    """
    kept = client.command("SELECT count() FROM system.user_directories WHERE type != 'users_xml'")
    if not kept:
        return
    for statement in [*role_statements(), *tenant_statements(key, tenant_ids)]:
        client.command(statement)
