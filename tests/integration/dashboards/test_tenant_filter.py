"""The warehouse limits every query of the console to the tenant of its account."""

from collections.abc import Iterator
from itertools import count

import httpx
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from dashboards.warehouse import read
from echolead.embedded.clickhouse import EmbeddedWarehouse
from echolead.warehouse import connect, create_databases
from echolead.warehouse_accounts import DATABASES, tenant_url

LEADS = "create table marts.t_leads (tenant_id String, name String, score Int32)"
STATEMENTS = (
    f"{LEADS} engine = MergeTree order by tenant_id",
    "insert into marts.t_leads values ('acme', 'Ana', 1), ('beta', 'Bruno', 2), ('beta', 'Bia', 3)",
    "create table raw.t_events (tenant_id String, name String) engine = MergeTree order by tenant_id",
    "insert into raw.t_events values ('acme', 'Ana'), ('beta', 'Bruno')",
    "create table enriched.t_replaced (tenant_id String, name String) engine = ReplacingMergeTree order by name",
    "insert into enriched.t_replaced values ('acme', 'Ana'), ('beta', 'Bruno')",
    "create view ops.t_freshness as select tenant_id, count() as n from marts.t_leads group by tenant_id",
    "create view ops.t_totals as select 'acme' as tenant_id, count() as n from raw.t_events",
    "create view ops.t_names as select name from marts.t_leads",
    "create table marts.t_rates (name String) engine = MergeTree order by name as select 'Bruno' as name",
    "create table marts.t_merged (tenant_id String, name String) engine = Merge('marts', 't_leads')",
    "create table marts.t_joined (tenant_id String, name String) engine = Join(any, left, name)",
    "insert into marts.t_joined values ('beta', 'Bruno')",
    "create dictionary marts.t_dictionary (tenant_id String, name String) primary key tenant_id"
    " source(clickhouse(db 'marts' table 't_leads')) layout(complex_key_hashed()) lifetime(0)",
    "create table default.t_leads (name String) engine = MergeTree order by name as select 'Bruno' as name",
)
VIEWS_FIRST = ("dictionary marts.t_dictionary", "view ops.t_freshness", "view ops.t_totals", "view ops.t_names",
               "table marts.t_leads", "table raw.t_events", "table enriched.t_replaced", "table marts.t_rates",
               "table marts.t_merged", "table marts.t_joined", "table default.t_leads")  # fmt: skip


def as_tenant(server: EmbeddedWarehouse, tenant_id: str) -> Client:
    return connect(tenant_url(server.address, server.tenant_key, tenant_id))


@pytest.fixture(scope="module")
def owner(warehouse_server: EmbeddedWarehouse) -> Iterator[Client]:
    """Tables, views and what stands for tables, with rows of two tenants."""
    client = connect(warehouse_server.url)
    create_databases(client)
    for statement in STATEMENTS:
        client.command(statement)
    yield client
    for what in VIEWS_FIRST:
        client.command(f"drop {what} sync")
    client.close()


@pytest.fixture(scope="module")
def acme(owner: Client, warehouse_server: EmbeddedWarehouse) -> Iterator[Client]:
    client = as_tenant(warehouse_server, "acme")
    yield client
    client.close()


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param("select name from marts.t_leads", id="no condition"),
        pytest.param("select name from marts.t_leads where tenant_id = 'beta'", id="another tenant's"),
        pytest.param("select name from marts.t_leads where 1 or tenant_id = 'beta'", id="or"),
        pytest.param("select name from marts.t_leads prewhere tenant_id = 'beta'", id="prewhere"),
        pytest.param(
            "select 1 from marts.t_leads prewhere if(tenant_id = 'beta', toUInt64(name), 0)", id="prewhere reveals"
        ),
        pytest.param("select 1 from marts.t_leads where if(tenant_id = 'beta', toUInt64(name), 0)", id="where reveals"),
        pytest.param("select name from enriched.t_replaced final", id="final"),
        pytest.param("select name from MARTS.t_leads as t", id="another case"),
        pytest.param('select name from "marts"."t_leads"', id="quoted"),
        pytest.param("select name from `marts.t_leads`", id="quoted as one"),
        pytest.param("select m.name from marts.t_leads l right join marts.t_leads m on l.name != m.name", id="a join"),
        pytest.param("select * except tenant_id, score from (select * from marts.t_leads)", id="a subquery"),
        pytest.param("with x as (select * from marts.t_leads) select name from x", id="a common table expression"),
        pytest.param(
            "with recursive x as (select name from marts.t_leads union all select name from x where 0) "
            "select name from x",
            id="recursion",
        ),
        pytest.param("with t_leads as (select 1) select name from default.t_leads", id="behind the name of another"),
        pytest.param(
            "select name from (with t_leads as (select 1) select * from t_leads) as x, t_leads",
            id="the name of another, outside of it",
        ),
        pytest.param("select (select groupArray(name) from marts.t_leads)[2]", id="a scalar subquery"),
        pytest.param("select name from marts.t_leads union all select name from marts.t_leads", id="union"),
        pytest.param("select arrayJoin(groupArray(name)) from marts.t_leads", id="an array join"),
        pytest.param("select max(name) from marts.t_leads", id="from the index"),
        pytest.param("select name from view(select * from marts.t_leads)", id="a view in the query"),
        pytest.param("select 'Bruno' from numbers(1) where 'Bruno' in (select name from marts.t_leads)", id="in"),
        pytest.param("select 'Bruno' from numbers(1) where ('beta', 'Bruno', 2) in marts.t_leads", id="in a table"),
        pytest.param("select 'Bruno' where exists(select 1 from marts.t_leads where name = 'Bruno')", id="exists"),
        pytest.param("select name from raw.t_events", id="another database"),
        pytest.param("select name from raw.t_events as `marts.t_leads`", id="under another's name"),
        pytest.param("select name from default.t_leads", id="the default database"),
        pytest.param("select name from t_leads", id="the default database unsaid"),
        pytest.param("select name from ops.t_names", id="a view without a tenant"),
        pytest.param("select name from marts.t_rates", id="a table without a tenant"),
        pytest.param("select name from marts.t_merged", id="a table of the engine Merge"),
        pytest.param("select name from marts.t_joined", id="a table of the engine Join"),
        pytest.param("select name from marts.t_dictionary", id="a dictionary"),
        pytest.param("select name from merge('marts', 't_leads')", id="merge"),
        pytest.param("select name from loop(marts.t_leads) limit 9", id="loop"),
        pytest.param("select name from dictionary('marts.t_dictionary')", id="the dictionary as a table"),
        pytest.param("select dictGet('marts.t_dictionary', 'name', tuple('beta'))", id="the dictionary by a function"),
        pytest.param(
            "select joinGet('marts.t_joined', 'tenant_id', 'Bru' || 'no') || 'Bruno'", id="Join by a function"
        ),
        pytest.param(
            "select if(j.tenant_id = 'beta', 'Bru' || 'no', '') from (select 'Bru' || 'no' as name) as l "
            "any left join marts.t_joined as j using name",
            id="the Join table in a join",
        ),
        pytest.param(
            "select d.name from (select 'beta' as tenant_id) as l any left join marts.t_dictionary as d "
            "using tenant_id",
            id="the dictionary in a join",
        ),
        pytest.param("select * from mergeTreeIndex('marts', 't_leads')", id="the index"),
        pytest.param("select * from mergeTreeProjection('marts', 't_leads', 'p')", id="a projection"),
        pytest.param("select name from {d:Identifier}.t_events", id="a parameter for the database"),
        pytest.param("select query from system.processes", id="what others ask"),
        pytest.param("select name from system.tables", id="the names of tables"),
        pytest.param("select table_name from information_schema.tables", id="the names of tables elsewhere"),
        pytest.param("describe marts.t_leads", id="describe"),
        pytest.param("explain estimate select * from marts.t_leads", id="explain"),
        pytest.param("show create table marts.t_leads", id="show"),
        pytest.param("exists table marts.t_leads", id="does it exist"),
        pytest.param("show tables from marts", id="show tables"),
        pytest.param("use raw", id="use"),
        pytest.param("set max_threads = 1", id="set"),
        pytest.param("execute as default select name from marts.t_leads", id="as another user"),
        pytest.param("insert into marts.t_leads values ('acme', 'x', 1)", id="insert"),
        pytest.param("create table marts.t_new engine = Memory as select * from marts.t_leads", id="create"),
        pytest.param("drop table marts.t_leads", id="drop"),
        pytest.param("kill query where 1", id="kill"),
        pytest.param("select name from marts.t_leads settings additional_table_filters = {}", id="filters of its own"),
        pytest.param("select name from marts.t_leads settings enable_analyzer = 0", id="the old analyzer"),
        pytest.param("select name from marts.t_leads format TSV settings max_threads = 1", id="at the end"),
    ],
)
def test_a_query_reads_only_rows_of_its_tenant(acme: Client, sql: str) -> None:
    try:
        answer = acme.raw_query(sql, parameters={"d": "raw"}, fmt=None if "format" in sql else "TSV").decode()
    except DatabaseError as error:
        answer = str(error).replace(sql, "")
    assert "Bruno" not in answer
    assert "Bia" not in answer


@pytest.mark.parametrize(
    ("sql", "answer"),
    [
        pytest.param("select name from marts.t_leads", [("Ana",)], id="its rows"),
        pytest.param("select count() from marts.t_leads", [(1,)], id="their number"),
        pytest.param("select count(), min(score), max(score) from marts.t_leads", [(1, 1, 1)], id="their bounds"),
        pytest.param("select tenant_id, n from ops.t_freshness", [("acme", 1)], id="a view"),
        pytest.param("select n from ops.t_totals", [(1,)], id="a view that would count every tenant's raw rows"),
        pytest.param("select l.name from marts.t_leads l, ops.t_freshness f where f.n = 1", [("Ana",)], id="a join"),
        pytest.param("select sumIf(score, 1), uniqExact(name) from marts.t_leads", [(1, 1)], id="aggregates"),
        pytest.param("select name from marts.t_leads where tenant_id = {tenant_id:String}", [("Ana",)], id="bound"),
    ],
)
def test_a_tenant_reads_its_own_rows(acme: Client, sql: str, answer: list[tuple[object, ...]]) -> None:
    assert acme.query(sql, parameters={"tenant_id": "acme"}).result_rows == answer


@pytest.mark.parametrize(
    "condition",
    [
        pytest.param(
            "if(tenant_id != 'acme', toUInt64(concat('Row of ', name)), 1)", id="a conversion that reveals the text"
        ),
        pytest.param("throwIf(tenant_id = 'beta') = 0", id="an error of one's own"),
        pytest.param("intDiv(1, tenant_id != 'beta') = 1", id="a division by zero"),
        pytest.param("not ignore(throwIf(name = 'Bruno'))", id="a value ignored"),
    ],
)
@pytest.mark.parametrize(
    "query",
    [
        "select name from marts.t_leads where {condition}",
        "select name from marts.t_leads join (select name, score from marts.t_leads where {condition}) r using name",
        "select name from (select *, {condition} as c from marts.t_leads) where c and tenant_id = 'acme'",
        "select n from ops.t_freshness cross join (select name, tenant_id from marts.t_leads where {condition}) as r",
        "select name from marts.t_leads group by name, tenant_id having {condition}",
    ],
)
def test_a_condition_is_not_evaluated_on_another_tenants_rows(acme: Client, query: str, condition: str) -> None:
    """A condition that fails on other rows would reveal that they exist, and their content."""
    assert len(acme.query(query.format(condition=condition)).result_rows) == 1


@pytest.mark.parametrize("query", ["select name from marts.t_leads prewhere throwIf(tenant_id = 'beta') = 0",
                                   "select name from (select * from marts.t_leads PreWhere 1)"])  # fmt: skip
def test_a_tenant_has_no_condition_before_its_filter(acme: Client, query: str) -> None:
    with pytest.raises(DatabaseError, match="Not enough privileges for PREWHERE"):
        acme.query(query)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("additional_table_filters", "{}", id="no filter"),
        pytest.param("additional_table_filters", "{'marts.t_leads': '1'}", id="another filter"),
        pytest.param("additional_result_filter", "file('x') = ''", id="a filter that reads a file"),
        pytest.param("readonly", "0", id="the mode"),
        pytest.param("enable_analyzer", "0", id="the old analyzer"),
        pytest.param("dialect", "kusto", id="another language"),
        pytest.param("database", "raw", id="another database"),
        pytest.param("role", "echolead", id="a role"),
    ],
)
def test_a_setting_of_the_request_cannot_remove_the_filter(
    acme: Client, warehouse_server: EmbeddedWarehouse, name: str, value: str
) -> None:
    url = tenant_url(warehouse_server.address, warehouse_server.tenant_key, "acme")
    answer = httpx.post(url, params={name: value}, content="select name from marts.t_leads")
    assert answer.status_code >= 400 or answer.text == "Ana\n"


ENGINES = ("MergeTree order by tenant_id", "ReplacingMergeTree order by tenant_id", "Memory")


@pytest.mark.parametrize("database", [*DATABASES, "default"])
def test_every_table_below_a_view_is_filtered_whatever_its_database_and_engine(
    owner: Client, acme: Client, database: str
) -> None:
    for engine in ENGINES:
        owner.command(f"create table {database}.t_each (tenant_id String) engine = {engine}")
        owner.command(f"insert into {database}.t_each values ('acme'), ('beta')")
        owner.command(f"create view ops.t_over as select 'acme' as tenant_id, count() as n from {database}.t_each")
        try:
            assert acme.query("select n from ops.t_over").result_rows == [(1,)], engine
        finally:
            owner.command("drop view ops.t_over sync")
            owner.command(f"drop table {database}.t_each sync")


def test_a_table_made_after_the_tenant_signed_in_is_filtered_and_a_dropped_one_is_unknown(
    owner: Client, acme: Client
) -> None:
    """The list of tables is the engine's own, read again after each change."""
    for number in count(1):
        owner.command("create table marts.t_later (tenant_id String) engine = MergeTree order by tenant_id")
        owner.command("insert into marts.t_later values ('acme'), ('beta')")
        assert acme.query("select tenant_id from marts.t_later").result_rows == [("acme",)]
        owner.command("drop table marts.t_later sync")
        with pytest.raises(DatabaseError, match="UNKNOWN_TABLE"):
            acme.query("select tenant_id from marts.t_later")
        if number == 2:
            return


def test_a_table_that_loses_its_tenant_is_refused(owner: Client, acme: Client) -> None:
    owner.command("create table marts.t_lost (tenant_id String, n Int8) engine = MergeTree order by n")
    owner.command("insert into marts.t_lost values ('beta', 1)")
    assert acme.query("select n from marts.t_lost").result_rows == []
    owner.command("alter table marts.t_lost drop column tenant_id")
    with pytest.raises(DatabaseError, match="has no tenant_id"):
        acme.query("select n from marts.t_lost")
    owner.command("drop table marts.t_lost sync")


def test_each_tenant_has_its_own(owner: Client, warehouse_server: EmbeddedWarehouse) -> None:
    beta = as_tenant(warehouse_server, "beta")
    assert beta.query("select name from marts.t_leads order by name").result_rows == [("Bia",), ("Bruno",)]
    with pytest.raises(DatabaseError, match="AUTHENTICATION_FAILED"):
        connect(tenant_url(warehouse_server.address, "another key", "beta"))


def test_an_answer_without_rows_has_its_columns(acme: Client) -> None:
    sql = "select name, tenant_id from marts.t_leads where name = {name:String}"
    frame = read(acme, sql, "acme", {"name": "x"})
    assert list(frame.columns) == ["name", "tenant_id"]
    assert frame.empty
