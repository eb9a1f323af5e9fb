"""Set-up of the servers, safe to repeat at every start: roles, databases, migrations, streams, accounts.

`python -m echolead.setup`. `python -m orchestration.prepare` then creates the warehouse's tables and models.
"""

import asyncio
import sys
from collections.abc import Callable
from contextlib import closing
from urllib.parse import unquote, urlsplit

import psycopg
from clickhouse_connect.driver.exceptions import ClickHouseError
from pydantic import SecretStr
from sqlalchemy import select

from echolead import queue, warehouse
from echolead.operational.database import connect, system_session
from echolead.operational.migrate import NotProvisioned, migrate
from echolead.operational.models import Tenant
from echolead.operational.named_rows import renew_secrets
from echolead.operational.provision import URL_SETTINGS, Passwords, provision
from echolead.settings import Settings, load_settings


def set_up(settings: Settings) -> None:
    """Bring PostgreSQL and the queue to the state that this version needs.

    Without `postgres_superuser_url` the roles and databases must exist already (`NotProvisioned`).
    """
    superuser_url = settings.postgres_superuser_url.get_secret_value()
    if superuser_url:
        provision(superuser_url, role_passwords(settings))
    migrate(settings.postgres_url.get_secret_value())
    renew(settings)
    asyncio.run(set_up_streams(settings))


def renew(settings: Settings) -> None:
    """Encrypt secrets of older keys with the newest key of their kind, because services have no other key."""
    if not settings.collector_secret_keys.get_secret_value() or not settings.destination_secret_keys.get_secret_value():
        return  # an installation without secrets
    engine = connect(settings.postgres_system_url.get_secret_value(), application_name="echolead set-up")
    try:
        with system_session(engine) as session:
            renewed = renew_secrets(session, settings, actor="set-up")
    finally:
        engine.dispose()
    for name in renewed.unreadable:
        sys.stderr.write(f"No key opens the secrets of {name}: enter them again, or put the old key back.\n")


def role_passwords(settings: Settings) -> Passwords:
    """The roles' passwords, from the URLs in the settings."""

    def password(url: SecretStr) -> str:
        return unquote(urlsplit(url.get_secret_value()).password or "")

    return Passwords(**{name: password(getattr(settings, url)) for name, url in URL_SETTINGS.items()})


def set_up_warehouse(settings: Settings) -> None:
    """Create the warehouse's databases, and on a ClickHouse server the tenants' accounts."""
    url = settings.clickhouse_url.get_secret_value()
    engine = connect(settings.postgres_system_url.get_secret_value(), application_name="echolead set-up")
    try:
        with system_session(engine) as session:
            tenant_ids = list(session.scalars(select(Tenant.tenant_id)))
    finally:
        engine.dispose()
    with closing(warehouse.connect(url)) as client:
        warehouse.create_databases(client)
        warehouse.ensure_tenant_accounts(client, settings.clickhouse_tenant_key.get_secret_value(), tenant_ids)


async def set_up_streams(settings: Settings) -> None:
    """Create the queue's streams, or update their settings."""
    client = await queue.connect(settings.nats_setup_url.get_secret_value(), name="echolead set-up")
    try:
        await queue.ensure_streams(client.jetstream())
    finally:
        await client.close()


def main(make_tenants: Callable[[Settings], None] = lambda _: None) -> int:
    """Set everything up; a failure prints one sentence and exits with status 1.

    `make_tenants` is called after the operational database and before the warehouse, which gets an account per tenant.
    """
    settings = load_settings()
    try:
        set_up(settings)
        make_tenants(settings)
        if settings.clickhouse_url.get_secret_value():
            set_up_warehouse(settings)
    except (NotProvisioned, psycopg.Error, ClickHouseError) as error:
        sys.stderr.write(f"Set-up failed: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
