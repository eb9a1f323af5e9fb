"""Provisioning and migrating: repeatable, complete, and with clear errors."""

import asyncio
import threading
from datetime import datetime
from uuid import uuid4

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, text

from echolead.embedded.postgres import EmbeddedPostgres
from echolead.operational.database import connect, system_session, tenant_session
from echolead.operational.migrate import NotProvisioned, configuration, migrate
from echolead.operational.models import Base
from echolead.operational.provision import ROLE_OF, OperationalUrls, provision
from tests.fixtures.operational import PASSWORDS, make_destination, make_tenant


def test_the_migrated_database_is_the_one_the_models_describe(operational_urls: OperationalUrls) -> None:
    engine = connect(operational_urls.owner)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_provisioning_and_migrating_again_changes_nothing(
    operational_urls: OperationalUrls, postgres_server: EmbeddedPostgres, system_engine: Engine
) -> None:
    tenant = make_tenant(system_engine)
    again = provision(postgres_server.url, PASSWORDS)
    migrate(again.owner)
    assert again == operational_urls
    with system_session(system_engine) as session:
        assert session.scalar(text("select name from tenants where tenant_id = :t"), {"t": tenant.tenant_id})


def test_two_stacks_that_start_at_once_migrate_one_after_the_other(operational_urls: OperationalUrls) -> None:
    failures: list[BaseException] = []

    def start() -> None:
        try:
            migrate(operational_urls.owner)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_migrations_go_down_and_up_again(postgres_server: EmbeddedPostgres, operational_urls: OperationalUrls) -> None:
    database = f"updown_{uuid4().hex[:8]}"
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {database} OWNER echolead_owner")
    url = operational_urls.owner.rpartition("/")[0] + f"/{database}"
    migrate(url)
    engine = connect(url)
    with engine.begin() as connection:
        command.downgrade(configuration(connection), "base")
    migrate(url)
    engine.dispose()


def test_a_tenant_that_waits_for_consent_refuses_it_on_the_way_down(
    postgres_server: EmbeddedPostgres, operational_urls: OperationalUrls
) -> None:
    database = f"down_{uuid4().hex[:8]}"
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {database} OWNER echolead_owner")
    url = operational_urls.owner.rpartition("/")[0] + f"/{database}"
    migrate(url)
    owner = connect(url)
    with psycopg.connect(postgres_server.url.rpartition("/")[0] + f"/{database}", autocommit=True) as connection:
        connection.execute("insert into tenants (tenant_id, name, consent_default) values ('waits', 'w', 'wait')")
        connection.execute("insert into tenants (tenant_id, name) values ('grants', 'g')")
        with owner.begin() as migrating:
            command.downgrade(configuration(migrating), "0005")
        found = connection.execute("select tenant_id, consent_default from tenants order by 1").fetchall()
    owner.dispose()
    assert found == [("grants", "granted"), ("waits", "denied")]


def test_migrating_without_roles_says_how_to_create_them(
    servers_dir: object, postgres_server: EmbeddedPostgres
) -> None:
    database = f"bare_{uuid4().hex[:8]}"
    renames = [("echolead_app", "elsewhere_app"), ("elsewhere_app", "echolead_app")]
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {database}")
        exists = connection.execute("select 1 from pg_roles where rolname = 'echolead_app'").fetchone()
        if exists:
            connection.execute(f"ALTER ROLE {renames[0][0]} RENAME TO {renames[0][1]}")
        try:
            with pytest.raises(NotProvisioned, match="echolead_app"):
                migrate(postgres_server.url.rpartition("/")[0] + f"/{database}")
        finally:
            if exists:
                connection.execute(f"ALTER ROLE {renames[1][0]} RENAME TO {renames[1][1]}")


@pytest.mark.parametrize("role", ROLE_OF)
def test_no_role_is_a_superuser_or_may_make_roles(role: str, operational_urls: OperationalUrls) -> None:
    with psycopg.connect(getattr(operational_urls, role)) as connection:
        row = connection.execute(
            "select rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolreplication from pg_roles "
            "where rolname = current_user"
        ).fetchone()
    assert row == (False, False, False, role == "system", False)


@pytest.mark.parametrize("role", ["system", "app", "collector", "api", "loader", "deliveries"])
def test_a_service_cannot_change_tables_or_reach_dagsters_database(
    role: str, operational_urls: OperationalUrls
) -> None:
    url = getattr(operational_urls, role)
    for statement in ("create table x ()", "alter table tenants disable row level security", "drop table users"):
        with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(url.rpartition("/")[0] + "/dagster")


def test_dagster_cannot_reach_the_operational_database(operational_urls: OperationalUrls) -> None:
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(operational_urls.dagster.rpartition("/")[0] + "/echolead")


def test_the_app_role_cannot_read_password_hashes(app_engine: Engine) -> None:
    with app_engine.connect() as connection, pytest.raises(Exception, match="permission denied for table users"):
        connection.execute(text("select * from users"))


def test_updated_at_is_set_by_the_database_at_every_update(app_engine: Engine, system_engine: Engine) -> None:
    tenant = make_tenant(system_engine)
    destination = make_destination(system_engine, tenant.tenant_id)
    with tenant_session(app_engine, tenant.tenant_id) as session:
        row = session.execute(
            text("update destinations set name = 'other', updated_at = '2001-01-01' returning updated_at, created_at")
        ).one()
    assert row.created_at == destination.created_at
    assert row.updated_at > destination.updated_at > datetime(2020, 1, 1, tzinfo=destination.updated_at.tzinfo)


async def test_changes_to_cached_tenant_data_are_announced(
    operational_urls: OperationalUrls, system_engine: Engine
) -> None:
    async with await psycopg.AsyncConnection.connect(operational_urls.system, autocommit=True) as listener:
        await listener.execute("listen echolead_tenants")
        tenant_id = f"heard-{uuid4().hex[:6]}"
        await asyncio.to_thread(make_tenant, system_engine, tenant_id, hosts=[f"{tenant_id}.test"])
        statements = [
            "insert into tenant_origins (tenant_id, origin) values (:t, 'https://a.test')",
            "insert into api_keys (tenant_id, name, key_prefix, key_hash) values (:t, 'k', :t, 'h')",
            "update api_keys set revoked_at = now() where tenant_id = :t",
            "insert into webhook_endpoints (tenant_id, source, name, endpoint, secrets) "
            "values (:t, 'standard', 'w', md5(:t), 'x')",
            "update webhook_endpoints set secrets = 'y' where tenant_id = :t",
            "delete from webhook_endpoints where tenant_id = :t",
            "delete from tenant_hosts where tenant_id = :t",
            "update tenants set is_active = false where tenant_id = :t",
        ]
        silent = "update api_keys set last_used_at = now() where tenant_id = :t"

        def write() -> None:
            for statement in [*statements, silent]:
                with system_session(system_engine) as session:
                    session.execute(text(statement), {"t": tenant_id})
            with system_session(system_engine) as session:
                session.execute(text("select pg_notify('echolead_tenants', 'the-end')"))

        await asyncio.to_thread(write)
        heard = []
        async for notice in listener.notifies(timeout=20):
            if notice.payload == "the-end":
                break
            if notice.payload == tenant_id:
                heard.append(notice.payload)
        # One for the tenant with its host (one transaction), one for each later statement, none for the last use.
        assert len(heard) == 1 + len(statements)
