"""Times as the tenant's people read them: on their clock, whatever the browser's is, and named in each caption."""

from datetime import tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from dashboards.texts import t
from dashboards.warehouse import query

TIME_ZONE = "select any(time_zone) as time_zone from enriched.tenant_rules where tenant_id = {tenant_id:String}"
DEFAULT = "America/Sao_Paulo"


def time_zone(tenant_id: str) -> str:
    """The tenant's IANA time zone, in which the warehouse counts its days."""
    found = query(TIME_ZONE, tenant_id)
    return (str(found["time_zone"].iloc[0]) if len(found) else "") or DEFAULT


def local(value: Any, zone: str) -> pd.Timestamp:
    """A time of the warehouse, which is UTC, on the clock of `zone`."""
    stamp = pd.Timestamp(value)
    clock: tzinfo = ZoneInfo(zone)
    return (stamp.tz_localize("UTC") if stamp.tzinfo is None else stamp).tz_convert(clock)


def moment(value: Any, zone: str) -> str:
    """A time as text, to the second; a dot for none."""
    return "·" if value is None or pd.isna(value) else local(value, zone).strftime("%d/%m/%Y %H:%M:%S")


def times_column(label: str, zone: str, pattern: str = "DD/MM/YYYY HH:mm:ss") -> Any:
    """A column of times in a table."""
    return st.column_config.DatetimeColumn(label, format=pattern, timezone=zone)


def name_zone(zone: str) -> None:
    """Say whose clock the page shows."""
    st.caption(t("times_caption", timezone=zone))
