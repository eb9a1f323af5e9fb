"""Read the warehouse for one tenant: a cached query with the tenant's account, which can read only its own rows."""

import json
from typing import Any

import pandas as pd
import streamlit as st
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from dashboards.texts import t
from echolead.settings import Settings, load_settings
from echolead.warehouse import connect
from echolead.warehouse_accounts import tenant_url

CACHE_SECONDS = 3
UNKNOWN_TABLE_CODES = ("UNKNOWN_TABLE", "UNKNOWN_DATABASE")


@st.cache_resource
def settings() -> Settings:
    """The settings of this console process, read once."""
    return load_settings()


@st.cache_resource(max_entries=100)
def _client(tenant_id: str) -> Client:
    chosen = settings()
    address = chosen.clickhouse_console_url or chosen.clickhouse_url.get_secret_value()
    url = tenant_url(address, chosen.clickhouse_tenant_key.get_secret_value(), tenant_id)
    return connect(url, query_timeout_seconds=30)


def read(client: Client, sql: str, tenant_id: str, parameters: dict[str, Any]) -> pd.DataFrame:
    """The result of `sql` with the parameter `tenant_id`; a result without rows has its columns, too."""
    asked: dict[str, Any] = {
        "parameters": {"tenant_id": tenant_id, **parameters},
        "settings": {"max_execution_time": 30},
    }
    frame = client.query_df(sql, **asked)
    if len(frame.columns):
        return frame
    # The native format has no column names when there are no rows.
    described = json.loads(client.raw_query(sql, fmt="JSONCompact", **asked))
    return pd.DataFrame(columns=[column["name"] for column in described["meta"]])


@st.cache_data(ttl=CACHE_SECONDS, max_entries=500, show_spinner=False)
def _rows(sql: str, tenant_id: str, parameters: dict[str, Any]) -> pd.DataFrame:
    return read(_client(tenant_id), sql, tenant_id, parameters)


def query(sql: str, tenant_id: str, **parameters: Any) -> pd.DataFrame:
    """The result of `sql` for one tenant; the server binds `{tenant_id:String}` and `parameters`.

    If the warehouse is down or its tables are not built yet, the page shows that and stops.
    """
    try:
        return _rows(sql, tenant_id, parameters)
    except DatabaseError as error:
        if not any(code in str(error) for code in UNKNOWN_TABLE_CODES):
            if isinstance(error, OperationalError):
                st.error(t("warehouse_down"), icon=":material/cloud_off:")
                st.stop()
            raise
        st.info(t("not_built"), icon=":material/hourglass_top:")
        st.stop()
