"""The warehouse client: ClickHouse over HTTP, embedded or not, through clickhouse-connect."""

from clickhouse_connect import get_client
from clickhouse_connect.driver.client import Client

DATABASES = ("raw", "staging", "enriched", "marts", "activation", "ops")


def connect(url: str, *, database: str | None = None, query_timeout_seconds: int = 300) -> Client:
    """A client for `http(s)://user:password@host:port`.

    Raises `clickhouse_connect.driver.exceptions.OperationalError` when nothing answers there.
    """
    return get_client(
        dsn=url,
        database=database or "default",
        connect_timeout=5,
        send_receive_timeout=query_timeout_seconds,
        autogenerate_session_id=False,
        client_name="echolead",
    )


def create_databases(client: Client) -> None:
    """Create the databases of the layers where they are missing."""
    for database in DATABASES:
        client.command(f"CREATE DATABASE IF NOT EXISTS {database}")
