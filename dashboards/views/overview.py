"""How many visitors become leads, and through which channel, campaign and landing page?"""

import altair as alt
import pandas as pd
import streamlit as st

from dashboards.tables import chart, table
from dashboards.texts import t
from dashboards.times import time_zone
from dashboards.warehouse import query

PERIODS = {7: "days_7", 30: "days_30", 90: "days_90"}
STAGES = ("visitors", "sessions", "chats", "leads")
OF_DEALS = ("qualified", "won")
"""Shown when the tenant has deals: leads of the period, by the day on which they became leads."""

FUNNEL = """
select date, channel, campaign, landing_page, visitors, sessions, chats, leads
from marts.funnel_daily
where tenant_id = {tenant_id:String} and date > toDate(now({timezone:String})) - 2 * {days:UInt16}
order by date
"""

JOURNEYS = """
select created_date as date, channel, countIf(furthest_stage in ('qualified', 'won')) as qualified,
    countIf(furthest_stage = 'won') as won, sum(deals) as deals
from marts.lead_journeys
where tenant_id = {tenant_id:String} and created_date > toDate(now({timezone:String})) - 2 * {days:UInt16}
group by date, channel
"""


def counts(rows: pd.DataFrame, journeys: pd.DataFrame) -> dict[str, int]:
    """The number of each stage; those of deals are left out when there are no deals."""
    found = {stage: int(rows[stage].sum()) for stage in STAGES}
    return found | {stage: int(journeys[stage].sum()) for stage in OF_DEALS if len(journeys)}


def header(current: dict[str, int], before: dict[str, int]) -> None:
    """The figures of the period, each against the period before."""
    for column, (stage, now) in zip(st.columns(len(current)), current.items(), strict=True):
        then = before.get(stage, 0)
        column.metric(t(stage), f"{now:,}", delta=now - then, border=True, help=t("before"))


def funnel_chart(current: dict[str, int]) -> alt.LayerChart:
    """One bar per stage, with its share of the visitors."""
    totals = pd.DataFrame({"stage": [t(stage) for stage in current], "people": list(current.values())})
    visitors = max(int(totals["people"].iloc[0]), 1)
    totals["label"] = [f"{people:,} · {people / visitors:.0%}" for people in totals["people"]]
    base = alt.Chart(totals).encode(
        y=alt.Y("stage:N", sort=None, title=None, axis=alt.Axis(labelFontSize=13, ticks=False, domain=False)),
        x=alt.X("people:Q", title=None, axis=None, scale=alt.Scale(domainMin=0, nice=True)),
    )
    bars = base.mark_bar(cornerRadius=5, height=24, color="#0f766e")
    labels = base.mark_text(align="left", dx=6, fontSize=13).encode(text="label:N")
    chart: alt.LayerChart = (bars + labels).properties(height=230)
    return chart


def leads_by_day(current: pd.DataFrame, first_day: pd.Timestamp, days: int) -> alt.Chart:
    """Leads of each day of the period, days without any included, stacked by channel."""
    daily = current.groupby(["date", "channel"], as_index=False)["leads"].sum()
    daily["day"] = [f"{pd.Timestamp(date):%d/%m}" for date in daily["date"]]
    chart: alt.Chart = (
        alt.Chart(daily[daily["leads"] > 0])
        .mark_bar(cornerRadius=2)
        .encode(
            x=alt.X(
                "day:O",
                title=None,
                axis=alt.Axis(labelOverlap=True, labelAngle=0),
                scale=alt.Scale(domain=[f"{first_day + pd.Timedelta(days=day):%d/%m}" for day in range(days)]),
            ),
            y=alt.Y("leads:Q", title=t("leads"), axis=alt.Axis(tickMinStep=1)),
            color=alt.Color("channel:N", title=None, legend=alt.Legend(orient="bottom")),
            tooltip=[
                alt.Tooltip("date:T", title=t("day")),
                alt.Tooltip("channel:N", title=t("channel")),
                alt.Tooltip("leads:Q", title=t("leads")),
            ],
        )
        .properties(height=230)
    )
    return chart


def breakdown(current: pd.DataFrame, column: str) -> None:
    """The same counts by one attribute, largest number of leads first."""
    counts = current.groupby(column, as_index=False)[list(STAGES)].sum()
    counts["conversion"] = counts["leads"] / counts["visitors"].clip(lower=1)
    table(
        counts.sort_values(["leads", "visitors"], ascending=False),
        column_config={
            column: st.column_config.TextColumn(t(column), width="large"),
            **{name: t(name) for name in STAGES},
            "conversion": st.column_config.ProgressColumn(
                t("conversion"), format="percent", min_value=0, max_value=1, width="medium"
            ),
        },
    )


tenant_id: str = st.session_state.tenant_id
timezone = time_zone(tenant_id)
title, period, refresh = st.columns([4, 3, 2], vertical_alignment="bottom")
title.title(t("overview"))
days = period.segmented_control(
    t("period"),
    list(PERIODS),
    format_func=lambda n: t(PERIODS[n]),
    default=30,
    key="days",
    label_visibility="collapsed",
)
refresh.button(t("refresh"), icon=":material/refresh:", width="stretch")
days = int(days or 30)

funnel = query(FUNNEL, tenant_id, days=days, timezone=timezone)
if funnel.empty:
    st.info(t("no_events"), icon=":material/info:")
    st.stop()
funnel["date"] = pd.to_datetime(funnel["date"])
journeys = query(JOURNEYS, tenant_id, days=days, timezone=timezone)
journeys["date"] = pd.to_datetime(journeys["date"])
if not journeys["deals"].sum():
    journeys = journeys.head(0)
channels = st.pills(t("channel"), sorted(funnel["channel"].unique()), selection_mode="multi", key="channels")
if channels:
    funnel = funnel[funnel["channel"].isin(channels)]
    journeys = journeys[journeys["channel"].isin(channels)]
first_day = pd.Timestamp.now(tz=timezone).normalize().tz_localize(None) - pd.Timedelta(days=days - 1)
current, before = funnel[funnel["date"] >= first_day], funnel[funnel["date"] < first_day]
is_now = journeys["date"] >= first_day
totals = counts(current, journeys[is_now])

header(totals, counts(before, journeys[~is_now]))
left, right = st.columns(2, gap="large")
with left:
    st.subheader(t("funnel"))
    chart(funnel_chart(totals))
with right:
    st.subheader(t("leads_by_day"))
    chart(leads_by_day(current, first_day, days))
by_campaign, by_landing_page, by_channel = st.tabs([t("by_campaign"), t("by_landing_page"), t("channel")])
with by_campaign:
    breakdown(current, "campaign")
with by_landing_page:
    breakdown(current, "landing_page")
with by_channel:
    breakdown(current, "channel")
st.caption(t("funnel_caption", timezone=timezone))
