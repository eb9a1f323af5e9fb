"""Are customers answered in time, by which team and agent, and who waits too long now?"""

import altair as alt
import pandas as pd
import streamlit as st

from dashboards.design import CHART_HEIGHT
from dashboards.listings import Listing
from dashboards.listings.chat import (
    RESPONSES_BY_AGENT,
    RESPONSES_BY_HOUR,
    RESPONSES_BY_TEAM,
    WAITING_NOW,
    whole,
)
from dashboards.listings.timeline import LEAD_ID
from dashboards.navigation import link
from dashboards.page import OpenPage, empty, known, opened, part
from dashboards.tables import chart, links, show
from dashboards.texts import forms, t


def show_figures(page: OpenPage) -> bool:
    """The figures of the period beside those of the time before; whether there are conversations."""
    now, before = whole(page.asked), whole(page.asked, before=True)
    if not now["conversations"] and not before["conversations"]:
        return False
    spoken = forms()
    columns = st.columns(4)
    columns[0].metric(
        t("conversations"), spoken.number(int(now["conversations"])), border=True,
        delta=spoken.change(int(now["conversations"]), int(before["conversations"])), delta_color="off",
        delta_arrow="auto" if before["conversations"] else "off",
    )  # fmt: skip
    columns[1].metric(
        t("within_target"), spoken.share(unknown_or(now["within_target"])), border=True,
        delta=t("was", before=spoken.share(unknown_or(before["within_target"]))), delta_color="off", delta_arrow="off",
    )  # fmt: skip
    for column, name in zip(columns[2:], ("response_p50", "response_p90"), strict=True):
        column.metric(
            t(name), spoken.duration(unknown_or(now[name])), border=True,
            delta=t("was", before=spoken.duration(unknown_or(before[name]))), delta_color="off", delta_arrow="off",
        )  # fmt: skip
    return True


def unknown_or(value: object) -> float | None:
    """A cell as a number, None when it is not known."""
    return float(value) if known(value) else None  # type: ignore[arg-type]


def show_waiting(page: OpenPage) -> None:
    """Who waits beyond the target now, longest first."""
    rows = WAITING_NOW.rows(page.asked)
    st.subheader(t("waiting_now"))
    if rows.empty:
        st.success(t("nobody_waits"), icon=":material/check_circle:")
        return
    st.caption(t("waiting_caption"))
    chosen = show(WAITING_NOW, page.asked, rows, t("waiting_now"), on_select="rerun", selection_mode="single-row",
                  key="waiting")  # fmt: skip
    if chosen.selection.rows:
        lead_id = rows["lead_id"].iloc[chosen.selection.rows[0]]
        if lead_id:
            link("leads", t("open_lead"), {LEAD_ID: [lead_id]}, icon="person")
        else:
            st.caption(t("no_lead_known"))


def hour_chart(rows: pd.DataFrame) -> alt.LayerChart:
    """Conversations by hour of the day, and the median first response."""
    spoken = forms()
    hours = rows.set_index("hour").reindex(range(24)).reset_index()
    frame = pd.DataFrame({
        "hour": [f"{hour:02d}" for hour in hours["hour"]],
        "conversations": hours["conversations"].fillna(0).astype(float),
        "minutes": hours["response_p50"].astype(float) / 60,
        "response": [spoken.duration(unknown_or(each)) for each in hours["response_p50"]],
        "count_text": [spoken.number(unknown_or(each) or 0) for each in hours["conversations"]],
    })  # fmt: skip
    base = alt.Chart(frame).encode(
        x=alt.X("hour:O", title=t("hour_of_day"), axis=alt.Axis(labelAngle=0, labelOverlap=True)),
        tooltip=[
            alt.Tooltip("hour:O", title=t("hour_of_day")),
            alt.Tooltip("count_text:N", title=t("conversations")),
            alt.Tooltip("response:N", title=t("response_p50")),
        ],
    )
    bars = base.mark_bar(opacity=0.35).encode(
        y=alt.Y("conversations:Q", title=t("conversations"), axis=alt.Axis(tickMinStep=1))
    )
    line = base.mark_line(point=True).encode(y=alt.Y("minutes:Q", title=t("response_minutes")))
    drawn: alt.LayerChart = (bars + line).resolve_scale(y="independent").properties(height=CHART_HEIGHT)
    return drawn


def show_table(listing: Listing, page: OpenPage, title: str) -> None:
    """One table of first responses; conversations without a team or agent have a line of their own."""
    rows = listing.rows(page.asked)
    st.subheader(t(title))
    show(listing, page.asked, rows, t(title))


def main() -> None:
    """The page."""
    page = opened("conversations")
    has_any = True
    with part("conversations"):
        has_any = show_figures(page)
    if not has_any:
        empty("no_conversations")
        return
    with part("waiting_now"):
        show_waiting(page)
    with part("by_hour"):
        st.subheader(t("by_hour"))
        chart(hour_chart(RESPONSES_BY_HOUR.rows(page.asked)), t("by_hour"))
        links(RESPONSES_BY_HOUR, page.asked)
    with part("by_team"):
        show_table(RESPONSES_BY_TEAM, page, "by_team")
    with part("by_agent"):
        show_table(RESPONSES_BY_AGENT, page, "by_agent")
    st.caption(t("responses_caption"))


main()
