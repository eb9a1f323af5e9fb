"""The page of tables that analysts add: what a model's yml says, and the rows of one tenant."""

import json
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from echolead.embedded.clickhouse import EmbeddedWarehouse
from echolead.warehouse import connect
from tests.conftest import WAREHOUSE_PASSWORDS

VIEW = Path(__file__).parent / "one_view.py"
PAGE = {
    "title": {"en": "Sales by day", "pt-BR": "Vendas por dia"},
    "caption": {"en": "Money of the sale.", "pt-BR": "Moeda da venda."},
    "date": "date",
    "columns": [{"name": "date", "title": {}}, {"name": "seller", "title": {"en": "Seller", "pt-BR": "Vendedor"}}],
}
UNDATED = {"title": {"en": "Sellers", "pt-BR": "Vendedores"}, "caption": {}, "date": "", "columns": PAGE["columns"]}


@pytest.fixture(scope="module")
def pages(warehouse_server: EmbeddedWarehouse) -> Iterator[None]:
    """Two tenants with rows of two tables, one of which has a period; a third table has no tenant."""
    with closing(connect(warehouse_server.url)) as client:
        for database in ("enriched", "marts", "ops"):
            client.command(f"create database if not exists {database}")
        made = {
            "ops.console_pages": "tenant_id String, table_name String, page String, position UInt16",
            "enriched.tenant_rules": "tenant_id String, time_zone String",
            "marts.sales_days": "tenant_id String, date Date, seller String, hidden String",
            "marts.everybodys": "date Date, seller String",
        }
        for name, columns in made.items():
            client.command(f"create table {name} ({columns}) engine = MergeTree order by tuple()")
        for tenant_id, seller in (("acme", "Ana"), ("beta", "Bia")):
            rows = [(tenant_id, "marts.sales_days", json.dumps(PAGE), 1)]
            rows += [(tenant_id, "marts.sales_days", json.dumps(UNDATED), 2)] if tenant_id == "beta" else []
            rows += [(tenant_id, "marts.everybodys", json.dumps(PAGE), 3)] if tenant_id == "beta" else []
            client.insert("ops.console_pages", rows)
            client.command(f"insert into enriched.tenant_rules values ('{tenant_id}', 'America/Sao_Paulo')")
            client.command(
                "insert into marts.sales_days select {t:String}, today() - age, concat({s:String}, toString(age)), 'x'"
                " from (select arrayJoin([1, 20, 80]) as age)",
                parameters={"t": tenant_id, "s": seller},
            )
        yield
        for name in made:
            client.command(f"drop table {name} sync")


@pytest.fixture
def shown(pages: None, warehouse_server: EmbeddedWarehouse, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The page of a tenant, as it is after its first run."""
    monkeypatch.setenv("ECHOLEAD_CLICKHOUSE_CONSOLE_URL", warehouse_server.address)
    monkeypatch.setenv("ECHOLEAD_CLICKHOUSE_TENANT_KEY", WAREHOUSE_PASSWORDS["tenant_key"])
    # A page is run as the main module, which processes that are started later would import.
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    st.cache_resource.clear()
    st.cache_data.clear()

    def show(tenant_id: str) -> AppTest:
        page = AppTest.from_file(str(VIEW), default_timeout=120)
        page.query_params["tenant_id"] = tenant_id
        page.query_params["view"] = "marts"
        return page.run()

    yield show
    st.cache_resource.clear()


def test_a_table_shows_the_tenants_own_rows_of_the_period_under_its_title(shown: Any) -> None:
    page = shown("acme")
    assert not page.exception
    assert page.selectbox[0].options == ["Sales by day"]
    assert sorted(page.dataframe[0].value["seller"]) == ["Ana1", "Ana20"]
    assert list(page.dataframe[0].value.columns) == ["date", "seller"]
    assert page.caption[0].value == "Money of the sale."


def test_a_table_without_a_date_shows_all_its_rows(shown: Any) -> None:
    page = shown("beta")
    assert page.selectbox[0].options[0] == "Sellers"
    assert sorted(page.dataframe[0].value["seller"]) == ["Bia1", "Bia20", "Bia80"]


def test_a_table_without_a_tenant_shows_nothing(shown: Any) -> None:
    page = shown("beta")
    page.selectbox[0].select("marts.everybodys").run()
    assert not page.dataframe


def test_a_tenant_without_tables_is_told_so(shown: Any) -> None:
    assert "No table has a page here yet" in shown("gama").info[0].value
