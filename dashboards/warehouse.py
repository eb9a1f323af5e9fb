"""Read the warehouse for one tenant: a cached query, filtered by the engine and not by the page's SQL alone."""

import json
import re
from typing import Any

import pandas as pd
import streamlit as st
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from dashboards.texts import t
from echolead.settings import Settings, load_settings
from echolead.warehouse import connect

CACHE_SECONDS = 3
UNKNOWN_TABLE_CODES = ("UNKNOWN_TABLE", "UNKNOWN_DATABASE")
# Every table a page may read. The engine itself adds `tenant_id = …` to each of them in every query, so that a page
# that forgets its condition shows its own tenant's rows and no other's.
TABLES = (
    "enriched.events",
    "marts.sessions",
    "marts.leads",
    "marts.identities",
    "marts.touchpoints",
    "marts.attribution",
    "marts.funnel_daily",
    "marts.deliveries",
    "marts.delivery_attempts",
    "activation.lead_deliveries",
    "enriched.tenant_rules",
    "ops.failing_steps",
    "ops.freshness",
    "ops.load_lag",
    "ops.rejected_by_reason",
    "ops.set_aside",
    "ops.stuck_deliveries",
)
TENANT_ID = re.compile(r"[a-z][a-z0-9-]{1,40}")


@st.cache_resource
def settings() -> Settings:
    """The settings of this console process, read once."""
    return load_settings()


@st.cache_resource
def _client() -> Client:
    chosen = settings()
    url = chosen.clickhouse_readonly_url.get_secret_value() or chosen.clickhouse_url.get_secret_value()
    return connect(url, query_timeout_seconds=30)


def tenant_filters(tenant_id: str) -> str:
    """The value of ClickHouse's `additional_table_filters` that keeps a query inside one tenant.

    Raises `ValueError` for what cannot be a tenant's id, as the id becomes part of an expression.
    """
    if TENANT_ID.fullmatch(tenant_id) is None:
        raise ValueError(f"{tenant_id!r} is not a tenant id")
    return "{" + ", ".join(f"'{table}': 'tenant_id = \\'{tenant_id}\\''" for table in TABLES) + "}"


def read(client: Client, sql: str, tenant_id: str, parameters: dict[str, Any]) -> pd.DataFrame:
    """The answer to `sql` within one tenant; an answer without rows has its columns too."""
    asked: dict[str, Any] = {
        "parameters": {"tenant_id": tenant_id, **parameters},
        "settings": {"additional_table_filters": tenant_filters(tenant_id), "max_execution_time": 30},
    }
    frame = client.query_df(sql, **asked)
    if len(frame.columns):
        return frame
    # The native format names no columns when there are no rows.
    described = json.loads(client.raw_query(sql, fmt="JSONCompact", **asked))
    return pd.DataFrame(columns=[column["name"] for column in described["meta"]])


@st.cache_data(ttl=CACHE_SECONDS, max_entries=500, show_spinner=False)
def _rows(sql: str, tenant_id: str, parameters: dict[str, Any]) -> pd.DataFrame:
    return read(_client(), sql, tenant_id, parameters)


def query(sql: str, tenant_id: str, **parameters: Any) -> pd.DataFrame:
    """The answer to `sql` within one tenant; `{tenant_id:String}` and `parameters` are bound by the server.

    When the warehouse is away or its tables are not built yet the page says so and stops.
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
