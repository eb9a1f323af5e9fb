"""The engine keeps every query of the console inside one tenant, whatever its SQL says."""

from collections.abc import Iterator

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from dashboards.warehouse import read, tenant_filters
from echolead.embedded.clickhouse import EmbeddedWarehouse
from echolead.warehouse import connect


@pytest.fixture
def warehouse(warehouse_server: EmbeddedWarehouse) -> Iterator[Client]:
    """A table and a view over it with rows of two tenants."""
    client = connect(warehouse_server.url)
    for database in ("marts", "ops"):
        client.command(f"create database if not exists {database}")
    client.command("drop table if exists marts.leads")
    client.command("create table marts.leads (tenant_id String, name String) engine = MergeTree order by tenant_id")
    client.command("insert into marts.leads values ('acme', 'Ana'), ('beta', 'Bruno')")
    client.command(
        "create or replace view ops.freshness as select tenant_id, count() as n from marts.leads group by tenant_id"
    )
    yield connect(warehouse_server.readonly_url)
    client.command("drop view ops.freshness")
    client.command("drop table marts.leads")


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param("select name from marts.leads", id="a query without a condition"),
        pytest.param("select name from marts.leads where tenant_id = 'beta'", id="a query for another tenant"),
        pytest.param("select l.name from marts.leads l join marts.leads m on 1 = 1", id="a join"),
        pytest.param("with x as (select * from marts.leads) select name from x", id="a common table expression"),
    ],
)
def test_no_query_leaves_its_tenant(warehouse: Client, sql: str) -> None:
    rows = warehouse.query(sql, settings={"additional_table_filters": tenant_filters("acme")}).result_rows
    assert {row[0] for row in rows} <= {"Ana"}


def test_a_view_is_filtered_too(warehouse: Client) -> None:
    settings = {"additional_table_filters": tenant_filters("acme")}
    assert warehouse.query("select tenant_id from ops.freshness", settings=settings).result_rows == [("acme",)]


def test_without_the_filter_both_tenants_are_there(warehouse: Client) -> None:
    assert len(warehouse.query("select name from marts.leads").result_rows) == 2


@pytest.mark.parametrize("function", ["file('stack.env')", "url('http://127.0.0.1:1/')", "FiLe ( 'x' )"])
def test_a_filter_opens_no_file_and_no_address(warehouse: Client, function: str) -> None:
    expression = f"tenant_id in (select * from {function})".replace("'", "\\'")
    with pytest.raises(DatabaseError, match="Cannot use the function"):
        warehouse.query(
            "select * from marts.leads",
            settings={"additional_table_filters": f"{{'marts.leads': '{expression}'}}"},
        )


def test_a_statement_brings_no_filter_of_its_own(warehouse: Client) -> None:
    with pytest.raises(DatabaseError, match="Filters come with the request"):
        warehouse.query("select * from marts.leads settings additional_table_filters = {'marts.leads': '1'}")


def test_an_answer_without_rows_has_its_columns(warehouse: Client) -> None:
    frame = read(warehouse, "select name, tenant_id from marts.leads where name = {name:String}", "acme", {"name": "x"})
    assert list(frame.columns) == ["name", "tenant_id"]
    assert frame.empty
