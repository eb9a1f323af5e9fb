"""A tenant's session sees and changes its own rows only: tried on every table of the database, as `echolead_app`."""

from collections.abc import Callable

import psycopg
import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import ProgrammingError

from echolead.operational.database import NotIsolated, connect, system_session, tenant_session
from echolead.operational.isolation import POLICY, SERVICE_POLICY
from echolead.operational.models import Base
from echolead.operational.provision import OperationalUrls
from tests.fixtures.every_table import fill_every_table

TENANT_TABLES = sorted(table.name for table in Base.metadata.sorted_tables if "tenant_id" in table.columns)
NO_RIGHT = psycopg.errors.InsufficientPrivilege


@pytest.fixture(scope="module")
def two_tenants(system_engine: Engine) -> tuple[str, str]:
    """Two tenants with a row in each table."""
    tenants = ("isolated-one", "isolated-two")
    for tenant_id in tenants:
        fill_every_table(system_engine, tenant_id)
    return tenants


def test_every_table_with_a_tenant_has_forced_row_level_security_and_the_policy(system_engine: Engine) -> None:
    with system_session(system_engine) as session:
        rows = session.execute(
            text(
                "select c.relname, c.relrowsecurity and c.relforcerowsecurity, "
                "  (select count(*) from pg_policies p where p.tablename = c.relname and p.policyname = :policy"
                "   and p.cmd = 'ALL' and p.qual = p.with_check and p.qual like '%echolead.tenant_id%'),"
                "  (select array_agg(p.policyname::text) from pg_policies p where p.tablename = c.relname"
                "   and p.policyname <> all(:known)) "
                "from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' "
                "where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace order by 1"
            ),
            {"policy": POLICY, "known": [POLICY, SERVICE_POLICY]},
        ).all()
    others = {"answered_requests": ["of_tenants"]}  # those of the installation are hidden from tenants
    assert rows == [(table, True, 1, others.get(table)) for table in TENANT_TABLES]


def test_the_app_role_cannot_reach_tables_without_a_tenant(system_engine: Engine) -> None:
    with system_session(system_engine) as session:
        reachable = session.scalars(
            text(
                "select relname from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace "
                "and (has_table_privilege('echolead_app', oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES')"
                "  or has_any_column_privilege('echolead_app', oid, 'SELECT, INSERT, UPDATE, REFERENCES'))"
            )
        ).all()
    assert set(reachable) == set(TENANT_TABLES)


@pytest.mark.parametrize("table", TENANT_TABLES)
def test_without_a_tenant_no_row_is_visible(table: str, app_engine: Engine, two_tenants: tuple[str, str]) -> None:
    with app_engine.begin() as connection:
        assert connection.scalar(text(f"select count(*) from {table}")) == 0


@pytest.mark.parametrize("table", TENANT_TABLES)
def test_with_a_tenant_only_its_rows_are_visible(table: str, app_engine: Engine, two_tenants: tuple[str, str]) -> None:
    mine, _ = two_tenants
    with tenant_session(app_engine, mine) as session:
        assert session.scalars(text(f"select tenant_id from {table}")).all() == [mine]


@pytest.mark.parametrize("table", TENANT_TABLES)
def test_another_tenants_rows_cannot_be_inserted(
    table: str, app_engine: Engine, system_engine: Engine, two_tenants: tuple[str, str]
) -> None:
    mine, theirs = two_tenants
    with system_session(system_engine) as session:
        # A copy of their own row, so that nothing but the policy or the missing right can refuse it.
        row = session.execute(text(f"select to_jsonb(t)::text from {table} t where tenant_id = :t"), {"t": theirs})
        copied = row.scalar_one()
    columns = ", ".join(column.name for column in Base.metadata.tables[table].columns if column.name != "audit_id")
    statement = f"insert into {table} ({columns}) select {columns} from jsonb_populate_record(null::{table}, :row)"
    _refused(app_engine, mine, lambda connection: connection.execute(text(statement), {"row": copied}))


@pytest.mark.parametrize("table", TENANT_TABLES)
def test_own_rows_cannot_be_given_to_another_tenant(
    table: str, app_engine: Engine, two_tenants: tuple[str, str]
) -> None:
    mine, theirs = two_tenants
    statement = text(f"update {table} set tenant_id = :theirs where tenant_id = :mine")
    _refused(app_engine, mine, lambda c: c.execute(statement, {"mine": mine, "theirs": theirs}))


@pytest.mark.parametrize("verb", ["update {table} set tenant_id = tenant_id", "delete from {table}"])
@pytest.mark.parametrize("table", TENANT_TABLES)
def test_another_tenants_rows_cannot_be_changed_or_deleted(
    verb: str, table: str, app_engine: Engine, system_engine: Engine, two_tenants: tuple[str, str]
) -> None:
    mine, theirs = two_tenants
    statement = text(f"{verb.format(table=table)} where tenant_id = :theirs")
    try:
        with tenant_session(app_engine, mine) as session:
            assert session.execute(statement, {"theirs": theirs}).rowcount == 0
    except ProgrammingError as refused:
        assert isinstance(refused.orig, NO_RIGHT)  # the role may not do this to any row
    with system_session(system_engine) as session:
        assert session.scalars(text(f"select tenant_id from {table} where tenant_id = :t"), {"t": theirs}).all()


def test_a_foreign_key_cannot_reach_into_another_tenant(app_engine: Engine, two_tenants: tuple[str, str]) -> None:
    mine, theirs = two_tenants
    with tenant_session(app_engine, theirs) as session:
        destination_id = session.scalar(text("select destination_id from destinations"))
    statement = text(
        "insert into deliveries (tenant_id, destination_id, lead_id, payload_hash, payload) "
        "values (:mine, :d, 'lead', 'other', '{}')"
    )
    with pytest.raises(Exception, match="fk_deliveries_destinations"), tenant_session(app_engine, mine) as session:
        session.execute(statement, {"mine": mine, "d": destination_id})


def test_the_tenant_of_a_session_does_not_outlive_its_transaction(
    app_engine: Engine, two_tenants: tuple[str, str]
) -> None:
    with app_engine.connect() as connection:
        with tenant_session(connection, two_tenants[0]) as session:  # type: ignore[arg-type]  # the pool's connection
            assert session.scalar(text("select count(*) from tenants")) == 1
        assert connection.scalar(text("select count(*) from tenants")) == 0


def test_a_tenants_session_refuses_a_role_that_sees_everything(
    system_engine: Engine,
) -> None:
    with pytest.raises(NotIsolated, match="ECHOLEAD_POSTGRES_APP_URL"), tenant_session(system_engine, "any"):
        pass


def test_a_tenants_session_needs_a_tenant(app_engine: Engine) -> None:
    with pytest.raises(ValueError, match="tenant"), tenant_session(app_engine, ""):
        pass


def test_row_level_security_applies_to_the_owner(
    operational_urls: OperationalUrls, two_tenants: tuple[str, str]
) -> None:
    engine = connect(operational_urls.owner)
    with engine.begin() as connection:
        assert [connection.scalar(text(f"select count(*) from {table}")) for table in TENANT_TABLES] == [0] * len(
            TENANT_TABLES
        )
    engine.dispose()


def test_the_audit_log_cannot_be_rewritten_by_any_service(app_engine: Engine, system_engine: Engine) -> None:
    for engine in (app_engine, system_engine):
        for statement in ("update audit_log set actor = 'x'", "delete from audit_log", "truncate audit_log"):
            with pytest.raises(ProgrammingError) as caught, engine.begin() as connection:
                connection.execute(text(statement))
            assert isinstance(caught.value.orig, NO_RIGHT)


def _refused(engine: Engine, tenant_id: str, act: Callable[[Connection], object]) -> None:
    with pytest.raises(ProgrammingError) as caught, tenant_session(engine, tenant_id) as session:
        act(session.connection())
    assert isinstance(caught.value.orig, NO_RIGHT)
