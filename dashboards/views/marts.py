"""What do the tables say that analysts have added? Each is a model whose yml has a page (docs/guides/analysts.md)."""

import json
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from dashboards.tables import table
from dashboards.texts import language, t
from dashboards.warehouse import query

MAX_ROWS = 5_000
PERIODS = {7: "period_7d", 30: "period_30d", 90: "period_90d"}

PAGES = """
select table_name, page from ops.console_pages where tenant_id = {tenant_id:String} order by position
"""
TIMEZONE = "select any(time_zone) as time_zone from enriched.tenant_rules where tenant_id = {tenant_id:String}"
# Names of tables and columns are bound as identifiers, like every other value.
ROWS = """
select * from {database:Identifier}.{table:Identifier}
where tenant_id = {tenant_id:String}
limit {rows:UInt32}
"""
ROWS_OF_A_PERIOD = """
select * from {database:Identifier}.{table:Identifier}
where tenant_id = {tenant_id:String} and toDate({date:Identifier}) > toDate(now({timezone:String})) - {days:UInt16}
order by {date:Identifier} desc
limit {rows:UInt32}
"""


@dataclass(frozen=True)
class MartPage:
    """One model's page: texts by language, and the columns it shows with their titles."""

    table_name: str
    title: dict[str, str]
    caption: dict[str, str]
    date: str
    columns: list[dict[str, Any]]

    def rows(self, tenant_id: str, days: int, timezone: str) -> pd.DataFrame:
        """The newest rows of the period, or any where no column says a time."""
        database, _, name = self.table_name.partition(".")
        asked: dict[str, Any] = {"database": database, "table": name, "rows": MAX_ROWS}
        if not self.date:
            return query(ROWS, tenant_id, **asked)
        return query(ROWS_OF_A_PERIOD, tenant_id, **asked, date=self.date, days=days, timezone=timezone)


def in_language(texts: dict[str, str], otherwise: str = "") -> str:
    """The text in the page's language, else in English, else `otherwise`."""
    return texts.get(language()) or texts.get("en") or otherwise


def pages(tenant_id: str) -> dict[str, MartPage]:
    """The pages there are, by the names of their tables."""
    found = query(PAGES, tenant_id)
    return {
        str(name): MartPage(table_name=str(name), **json.loads(str(page)))
        for name, page in zip(found["table_name"], found["page"], strict=True)
    }


tenant_id: str = st.session_state.tenant_id
known = pages(tenant_id)
st.title(t("tables"))
if not known:
    st.info(t("no_tables"), icon=":material/info:")
    st.stop()
choice, period = st.columns([4, 3], vertical_alignment="bottom")
chosen = choice.selectbox(
    t("table"), list(known), format_func=lambda name: in_language(known[name].title), label_visibility="collapsed"
)
page = known[str(chosen)]
days = 30
if page.date:
    days = int(
        period.segmented_control(
            t("period"),
            list(PERIODS),
            format_func=lambda n: t(PERIODS[n]),
            default=30,
            label_visibility="collapsed",
        )
        or 30
    )
timezones = query(TIMEZONE, tenant_id)
rows = page.rows(tenant_id, days, str(timezones["time_zone"].iloc[0]) or "America/Sao_Paulo")
if rows.empty:
    st.info(t("no_rows"), icon=":material/info:")
    st.stop()
shown = {str(column["name"]): in_language(column["title"], str(column["name"])) for column in page.columns}
table(rows[[name for name in shown if name in rows]], column_config=shown)
if caption := in_language(page.caption):
    st.caption(caption)
if len(rows) == MAX_ROWS:
    st.caption(t("first_rows", n=f"{MAX_ROWS:,}"))
