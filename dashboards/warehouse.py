"""Read the warehouse for one tenant, with the tenant's account, which can read only its own rows.

Rows are cached by statement, tenant and parameters. What a person may see of a tenant is what its account may read, so
the account is the whole right, and no row of one tenant is in the cache of another.
"""

import json
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from dashboards.listings import TenantQuery
from dashboards.texts import t
from echolead.settings import Settings, load_settings
from echolead.warehouse import connect
from echolead.warehouse_accounts import tenant_url

CACHE_SECONDS = 5
TIMEOUT_SECONDS = 20
UNKNOWN_TABLE_CODES = ("UNKNOWN_TABLE", "UNKNOWN_DATABASE")
TOO_SLOW_CODES = ("TIMEOUT_EXCEEDED", "MEMORY_LIMIT_EXCEEDED")
DEFAULT_ZONE, DEFAULT_CURRENCY = "America/Sao_Paulo", "BRL"

# Reads the tenant's one row.
TENANT = """
select any(time_zone) as time_zone, any(currency) as currency from enriched.tenant_rules
where tenant_id = {tenant_id:String}
"""


class TooSlow(Exception):
    """The warehouse gave up: the statement took too long or too much memory."""


@dataclass(frozen=True)
class TenantFacts:
    """The tenant's IANA time zone, in which its days are counted, and the ISO 4217 code of its money."""

    zone: str
    currency: str


@st.cache_resource
def settings() -> Settings:
    """The settings of this console process, read once."""
    return load_settings()


@st.cache_resource(max_entries=100)
def _client(tenant_id: str) -> Client:
    chosen = settings()
    address = chosen.clickhouse_console_url or chosen.clickhouse_url.get_secret_value()
    url = tenant_url(address, chosen.clickhouse_tenant_key.get_secret_value(), tenant_id)
    return connect(url, query_timeout_seconds=TIMEOUT_SECONDS + 5)


def read(client: Client, sql: str, tenant_id: str, parameters: dict[str, Any]) -> pd.DataFrame:
    """The result of `sql` with the parameter `tenant_id`; a result without rows has its columns, too."""
    asked: dict[str, Any] = {
        "parameters": {"tenant_id": tenant_id, **parameters},
        "settings": {"max_execution_time": TIMEOUT_SECONDS},
    }
    frame = client.query_df(sql, **asked)
    if len(frame.columns):
        return frame
    # The native format has no column names when there are no rows.
    described = json.loads(client.raw_query(sql, fmt="JSONCompact", **asked))
    return pd.DataFrame(columns=[column["name"] for column in described["meta"]])


@st.cache_data(ttl=CACHE_SECONDS, max_entries=500, show_spinner=False)
def _rows(sql: str, tenant_id: str, parameters: dict[str, Any]) -> pd.DataFrame:
    return uncached(sql, tenant_id, **parameters)


def uncached(sql: str, tenant_id: str, **parameters: Any) -> pd.DataFrame:
    """The result of `sql` for one tenant; the server binds `{tenant_id:String}` and `parameters`.

    Raises `TooSlow`, or the driver's `DatabaseError`.
    """
    try:
        return read(_client(tenant_id), sql, tenant_id, parameters)
    except DatabaseError as error:
        if any(code in str(error) for code in TOO_SLOW_CODES):
            raise TooSlow from error
        raise


def query(sql: str, tenant_id: str, **parameters: Any) -> pd.DataFrame:
    """As `uncached`, but at most `CACHE_SECONDS` old, and for a page.

    If the warehouse is down or its tables are not built yet, the page shows that and stops. Raises `TooSlow`, which a
    part of a page can show in its own place (`dashboards.page.part`).
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


def tenant_facts(tenant_id: str, ask: TenantQuery = query) -> TenantFacts:
    """The zone and currency of a tenant."""
    found = ask(TENANT, tenant_id)
    zone, currency = (str(found[name].iloc[0]) if len(found) else "" for name in ("time_zone", "currency"))
    return TenantFacts(zone or DEFAULT_ZONE, currency or DEFAULT_CURRENCY)
