"""Set-up of the servers, safe to repeat at every start: roles and databases, migrations, streams, demo tenant.

`python -m echolead.setup [--demo]`. The tables and models of the warehouse follow in `python -m orchestration.prepare`,
which knows them.
"""

import argparse
import asyncio
import sys
from urllib.parse import unquote, urlsplit

import psycopg

from echolead import queue
from echolead.demo import tenant
from echolead.embedded import secrets
from echolead.operational.migrate import NotProvisioned, migrate
from echolead.operational.provision import Passwords, provision
from echolead.settings import Settings, load_settings


def set_up(settings: Settings) -> None:
    """Bring PostgreSQL and the queue to what this version needs.

    Without `postgres_superuser_url` the roles and databases must be there already (`NotProvisioned`).
    """
    superuser_url = settings.postgres_superuser_url.get_secret_value()
    if superuser_url:
        provision(superuser_url, role_passwords(settings))
    migrate(settings.postgres_url.get_secret_value())
    asyncio.run(set_up_streams(settings))


def role_passwords(settings: Settings) -> Passwords:
    """The passwords the roles have in the addresses that the parts use."""

    def password(url: str) -> str:
        return unquote(urlsplit(url).password or "")

    return Passwords(
        owner=password(settings.postgres_url.get_secret_value()),
        system=password(settings.postgres_system_url.get_secret_value()),
        app=password(settings.postgres_app_url.get_secret_value()),
        dagster=password(settings.dagster_postgres_url.get_secret_value()),
    )


async def set_up_streams(settings: Settings) -> None:
    """Create the queue's streams, or bring their settings up to date."""
    client = await queue.connect(settings.nats_url.get_secret_value(), name="echolead set-up")
    try:
        await queue.ensure_streams(client.jetstream())
    finally:
        await client.close()


def main() -> int:
    """Set everything up; a failure is one sentence and status 1."""
    parser = argparse.ArgumentParser(prog="python -m echolead.setup", description=main.__doc__)
    parser.add_argument("--demo", action="store_true", help="make the demo tenant as well")
    arguments = parser.parse_args()
    settings = load_settings()
    try:
        set_up(settings)
        if arguments.demo:
            tenant.ensure(settings, secrets.load_or_make(settings.data_dir).demo_password)
    except (NotProvisioned, psycopg.Error) as error:
        sys.stderr.write(f"Set-up failed: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
