"""Account × action of the warehouse: each is tried, and the matrix is printed (`pytest -s`)."""

from collections.abc import Iterator

import httpx
import pytest

from echolead.embedded.clickhouse import EmbeddedWarehouse
from echolead.warehouse import connect, create_databases
from echolead.warehouse_accounts import (
    ACCOUNTS,
    ANALYST,
    DATABASES,
    DBT,
    LOADER,
    OPERATOR,
    OWNER,
    TENANT_DATABASES,
    tenant_url,
)

TENANT = "tenant"
WHO = (*(account.name for account in ACCOUNTS), TENANT)
MODELS = tuple(name for name in DATABASES if name != "raw")

NEXT, DEV = "next_marts", "dev_ana_marts"
READERS = {name: {OWNER, OPERATOR, DBT, ANALYST} for name in DATABASES}
READERS |= {NEXT: {OWNER, OPERATOR, DBT}, DEV: {OWNER, OPERATOR, ANALYST}}
READERS["raw"] |= {LOADER}
READERS["activation"] |= {"deliveries"}
for name in TENANT_DATABASES:
    READERS[name] |= {TENANT}
WRITERS = {name: {OWNER, DBT} for name in (*MODELS, NEXT)} | {"raw": {OWNER, LOADER}, DEV: {OWNER, ANALYST}}

NOBODY: set[str] = set()
TABLE_CHANGES = {
    "insert": "insert into {d}.r_rows select 'acme', 1",
    "insert data": "insert into {d}.r_rows format CSV\nacme,1\n",
    "create": "create table if not exists {d}.r_new (tenant_id String) engine = MergeTree order by tenant_id",
    "alter": "alter table {d}.r_rows add column if not exists later Int8",
    "rename": "rename table {d}.r_rows to {d}.r_other, {d}.r_other to {d}.r_rows",
    "exchange": "exchange tables {d}.r_rows and {d}.r_old",
    "delete": "alter table {d}.r_rows delete where 0",
    "truncate": "truncate table {d}.r_old",
    "view": "create or replace view {d}.r_view as select 1 as a",
    "drop": "drop table if exists {d}.r_new sync",
}
OTHERS: dict[str, tuple[str, set[str]]] = {
    "read from raw into marts": ("insert into marts.r_rows select * from raw.r_rows", {OWNER, DBT}),
    "read from marts into raw": ("insert into raw.r_rows select * from marts.r_rows", {OWNER}),
    "view in raw over marts": ("create or replace view raw.r_v as select * from marts.r_rows", {OWNER}),
    "view in marts over raw": ("create or replace view marts.r_v as select * from raw.r_rows", {OWNER, DBT}),
    "materialized view from raw to marts": (
        "create materialized view raw.r_m to marts.r_rows as select * from raw.r_rows",
        {OWNER},
    ),
    "partition of marts into raw": ("alter table raw.r_old attach partition tuple() from marts.r_old", {OWNER}),
    "partition of raw into marts": ("alter table marts.r_old attach partition tuple() from raw.r_old", {OWNER, DBT}),
    "move a table into raw": ("rename table marts.r_moved to raw.r_moved, raw.r_moved to marts.r_moved", {OWNER}),
    "a table like another": ("create table raw.r_like as marts.r_rows", {OWNER}),
    "merge": ("select * from merge('raw', 'r_rows')", {OWNER}),
    "by a parameter": (
        "select count() from {d:Identifier}.r_rows format Null",
        {OWNER, OPERATOR, DBT, LOADER, ANALYST},
    ),
    "what was built beside in its place": (f"exchange tables {NEXT}.r_rows and marts.r_old", {OWNER, DBT}),
    "an analyst's table in its place": (f"exchange tables {DEV}.r_rows and marts.r_old", {OWNER}),
    "an analyst's view of marts": (f"create or replace view {DEV}.r_v as select * from marts.r_rows", {OWNER, ANALYST}),
    "a database of an analyst": ("create database if not exists dev_r_base", {OWNER, ANALYST}),
    "drop a database of an analyst": ("drop database if exists dev_r_base", {OWNER}),
    "unqualified write": ("insert into r_rows select 'acme', 1", NOBODY),
    "metadata": ("select count() from system.columns", {OWNER, OPERATOR, DBT, LOADER, ANALYST}),
    "is it there": ("exists table activation.r_rows", {OWNER, OPERATOR, DBT, LOADER, ANALYST, "deliveries"}),
    "what others ask": ("select query from system.processes format Null", {OWNER, OPERATOR, DBT, LOADER, ANALYST}),
    "database": ("create database if not exists r_base", {OWNER}),
    "database of a layer": ("create database if not exists marts", {OWNER, DBT}),
    "drop database": ("drop database if exists r_base", {OWNER}),
    "drop database of a layer": ("drop database if exists r_base2, marts2", NOBODY),
    "kill": ("kill query where query_id = 'none'", {OWNER}),
    "system": ("system flush logs", {OWNER}),
    "dictionary": (
        "create or replace dictionary marts.r_d (tenant_id String, n Int8) primary key tenant_id "
        "source(clickhouse(db 'raw' table 'r_rows')) layout(complex_key_hashed()) lifetime(0)",
        {OWNER},
    ),
    "a dictionary by its name": ("select dictGet('marts.r_d', 'n', tuple('acme')) format Null", {OWNER}),
    "a Join table by its name": ("select joinGet('marts.r_join', 'n', 'acme') format Null", {OWNER}),
    "has it a column": ("select hasColumnInTable('marts', 'r_rows', 'n')", {OWNER}),
    "function": ("create or replace function r_f as x -> file(x)", NOBODY),
    "grant": ("grant select on *.* to operator", NOBODY),
    "as another": ("execute as default select 1", NOBODY),
    "backup": ("backup table raw.r_rows to File('/tmp/r_backup')", NOBODY),
    "file": ("select * from file('/etc/hostname', 'LineAsString')", NOBODY),
    "address": ("select * from url('http://127.0.0.1:1/', 'LineAsString')", NOBODY),
}


def actions() -> Iterator[tuple[str, str, set[str]]]:
    """The tried SQL, and the accounts that may run it."""
    for database in (*DATABASES, NEXT, DEV):
        yield f"read {database}", f"select * from {database}.r_rows format Null", READERS[database]
    for database in (*DATABASES, NEXT, DEV):
        # One layer of models stands for all in what is tried beyond an INSERT.
        names = TABLE_CHANGES if database in {"raw", "marts", NEXT, DEV} else {"insert": TABLE_CHANGES["insert"]}
        for name, statement in names.items():
            yield f"{name} in {database}", statement.replace("{d}", database), WRITERS[database]
    for name, (statement, who) in OTHERS.items():
        yield name, statement, who


@pytest.fixture(scope="module")
def urls(warehouse_server: EmbeddedWarehouse) -> Iterator[dict[str, str]]:
    """Addresses by account; each layer has two tables with rows."""
    owner = connect(warehouse_server.url)
    create_databases(owner)
    for database in (NEXT, DEV):
        owner.command(f"create database if not exists {database}")
    for database in (*DATABASES, NEXT, DEV):
        for table in ("r_rows", "r_old", *(["r_moved"] if database == "marts" else [])):
            owner.command(f"create table {database}.{table} (tenant_id String, n Int8) engine = MergeTree order by n")
            owner.command(f"insert into {database}.{table} values ('acme', 1)")
    owner.command("create table marts.r_join (tenant_id String, n Int8) engine = Join(any, left, tenant_id)")
    yield {
        **{account.name: warehouse_server.url_of(account.name) for account in ACCOUNTS},
        TENANT: tenant_url(warehouse_server.address, warehouse_server.tenant_key, "acme"),
    }
    made = owner.query("select database, name, engine from system.tables where name like 'r\\_%'").result_rows
    for database, name, engine in sorted(made, key=lambda row: "View" not in str(row[2]) and row[2] != "Dictionary"):
        owner.command(f"drop {'dictionary' if engine == 'Dictionary' else 'table'} {database}.{name} sync")
    owner.close()


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    """One for all requests: each of its own would cost more than the request."""
    with httpx.Client(timeout=60, params={"param_d": "raw"}) as client:
        yield client


def test_each_account_may_do_its_work_and_nothing_else(urls: dict[str, str], client: httpx.Client) -> None:
    wrong, lines = [], [f"{'':38}" + "".join(f"{who:>12}" for who in WHO)]
    for action, statement, allowed in actions():
        cells = []
        for who in WHO:
            answer = client.post(urls[who], content=statement)
            if answer.is_success != (who in allowed):
                wrong.append(f"{who}: {action}: {answer.text.strip()[:200] or 'allowed'}")
            cells.append("yes" if answer.is_success else "-")
        lines.append(f"{action:38}" + "".join(f"{cell:>12}" for cell in cells))
    print("\n" + "\n".join(lines))  # noqa: T201  # the matrix is what a person reads here
    assert not wrong, "\n".join(wrong)


def test_an_account_without_a_password_of_its_own_cannot_sign_in(warehouse_server: EmbeddedWarehouse) -> None:
    for name in ("default", "reader", "tenant", "tenant_", LOADER):
        answer = httpx.post(warehouse_server.address, auth=(name, ""), content="select 1")
        assert answer.status_code == 403
