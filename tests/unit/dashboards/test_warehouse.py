"""What the console remembers of the warehouse: of one tenant alone."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import streamlit as st

from dashboards import warehouse
from echolead.settings import Settings


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    """Before the test, and of it afterwards."""
    forget()
    yield
    forget()


def forget() -> None:
    st.cache_data.clear()
    st.cache_resource.clear()


def test_rows_of_one_tenant_are_never_another_tenants(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The statement and its parameters are the same: the account that reads is not."""
    settings = Settings(data_dir=tmp_path, clickhouse_tenant_key="key", clickhouse_console_url="http://warehouse.test")  # type: ignore[arg-type]
    asked: list[str] = []

    def connect(url: str, **_: Any) -> SimpleNamespace:
        return SimpleNamespace(account=url.partition("//")[2].partition(":")[0])

    def read(client: SimpleNamespace, sql: str, tenant_id: str, parameters: dict[str, Any]) -> pd.DataFrame:
        asked.append(tenant_id)
        return pd.DataFrame({"account": [client.account], "tenant_id": [tenant_id]})

    monkeypatch.setattr(warehouse, "settings", lambda: settings)
    monkeypatch.setattr(warehouse, "connect", connect)
    monkeypatch.setattr(warehouse, "read", read)
    for tenant_id in ("acme", "beta", "acme", "beta"):
        [row] = warehouse.query("select 1", tenant_id, model="linear").itertuples(index=False)
        assert tuple(row) == (f"tenant_{tenant_id}", tenant_id)
    assert asked == ["acme", "beta"], "what is remembered is not asked for again"
