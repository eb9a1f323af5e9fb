"""Is anything late, refused or stuck, and what is to be done about it?"""

from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from dashboards.acting import can
from dashboards.design import CHART_HEIGHT
from dashboards.listings import Listing
from dashboards.listings.health import (
    ASIDE,
    DELIVERY_STATES,
    FAILING_STEPS,
    IN_QUARANTINE,
    LAYERS,
    LOAD_LAG,
    REFUSALS,
    SHARED_CONTACTS,
    STUCK_DELIVERIES,
    UNMAPPED_STAGES,
)
from dashboards.listings.missing import LEFT_OUT_FIELDS, SPEND_GAPS, UNKNOWN_EVENTS, UNREPLACED_PARAMETERS
from dashboards.navigation import link
from dashboards.page import OpenPage, empty, known, opened, part, plain
from dashboards.tables import chart, links, show
from dashboards.texts import forms, t
from dashboards.times import local

MINUTE_SECONDS = 60


def show_figures(page: OpenPage) -> None:
    """Freshness, lag, refusals and stuck deliveries, one figure each."""
    spoken = forms()
    layers = LAYERS.rows(page.asked).set_index("layer")
    lag = LOAD_LAG.rows(page.asked)
    refused, stuck = REFUSALS.rows(page.asked), STUCK_DELIVERIES.rows(page.asked)
    age = layers["age_seconds"].get("raw")
    newest = t("ago", age=spoken.duration(float(age), units=1)) if age is not None and known(age) else t("never")
    p95 = short_time(float(lag["p95_seconds"].iloc[-1])) if len(lag) else "–"
    figures = (
        ("freshness", newest),
        ("lag", p95),
        ("events_24h", spoken.number(int(lag["events"].sum()))),
        ("rejected_24h", spoken.number(int(refused["rejected_count"].sum()))),
        ("stuck", spoken.number(int(stuck["total"].iloc[0]) if len(stuck) else 0)),
    )
    with st.container(key="cards"):
        for column, (name, text) in zip(st.columns(len(figures)), figures, strict=True):
            column.metric(t(name), text, border=True, help=t(f"about_{name}"))


def short_time(seconds: float) -> str:
    """Seconds with a tenth below a minute, where a tenth matters; minutes, hours or days above it."""
    spoken = forms()
    return f"{spoken.number(seconds, 1)} s" if seconds < MINUTE_SECONDS else spoken.duration(seconds, units=1)


def show_failing(page: OpenPage) -> None:
    """The steps of the live path that fail now, above everything else."""
    row: Any
    for row in FAILING_STEPS.rows(page.asked).itertuples():
        since = forms().moment(row.failing_since, page.zone, seconds=True)
        text = t("step_fails", step=row.step, since=since)
        if row.event_id:
            text += " " + t("because_of_event", event_id=row.event_id)
        st.error(plain(text), icon=":material/error:")
        if row.message:
            st.code(row.message, language=None, wrap_lines=True)


def show_problem(listing: Listing, page: OpenPage, title: str, *, fine: str = "") -> bool:
    """A table of what is wrong, with what to do; without rows `fine` says so, or nothing is shown. Whether it is."""
    rows = listing.rows(page.asked)
    if rows.empty and not fine:
        return False
    st.subheader(t(title))
    if rows.empty:
        st.success(t(fine), icon=":material/check_circle:")
        return False
    st.caption(t(f"{title}_caption"))
    show(listing, page.asked, rows, t(title))
    return True


def events_by_hour(lag: pd.DataFrame, page: OpenPage) -> alt.Chart:
    """Events received in each hour of the last day, on the tenant's clock."""
    spoken = forms()
    frame = pd.DataFrame({
        "hour": [local(each, page.zone).strftime("%d/%m %H:%M") for each in lag["hour"]],
        "events": lag["events"].astype(float),
        "text": [spoken.number(int(each)) for each in lag["events"]],
        "p95": [short_time(float(each)) for each in lag["p95_seconds"]],
    })  # fmt: skip
    drawn: alt.Chart = (
        alt.Chart(frame)
        .mark_bar()
        .encode(
            x=alt.X("hour:O", title=None, sort=None, axis=alt.Axis(labelOverlap=True, labelAngle=0)),
            y=alt.Y("events:Q", title=None, axis=alt.Axis(tickMinStep=1, format=",d")),
            tooltip=[
                alt.Tooltip("hour:O", title=t("hour")),
                alt.Tooltip("text:N", title=t("events")),
                alt.Tooltip("p95:N", title=t("lag")),
            ],
        )
        .properties(height=CHART_HEIGHT)
    )
    return drawn


def main() -> None:
    """The page."""
    page = opened("health", has_period=False)
    with part("health"):
        show_failing(page)
    with part("in_quarantine"):
        if show_problem(IN_QUARANTINE, page, "in_quarantine") and can("quarantine.read"):
            link("quarantine", t("to_quarantine"), {}, icon="coronavirus")
    with part("freshness"):
        show_figures(page)
    left, right = st.columns(2, gap="large")
    with left, part("events_by_hour"):
        st.subheader(t("events_by_hour"))
        hours = LOAD_LAG.rows(page.asked)
        if hours.empty:
            empty("no_events_today")
        else:
            chart(events_by_hour(hours, page), t("events_by_hour"))
            links(LOAD_LAG, page.asked)
    with right, part("layers"):
        show_problem(LAYERS, page, "layers")
        show_problem(DELIVERY_STATES, page, "deliveries_by_state")
    for listing, title, fine in (
        (STUCK_DELIVERIES, "stuck", "nothing_stuck"),
        (REFUSALS, "rejected_events", "nothing_rejected"),
        (ASIDE, "set_aside", "nothing_set_aside"),
        (SHARED_CONTACTS, "shared_values", ""),
        (UNMAPPED_STAGES, "unmapped_stages", ""),
        (LEFT_OUT_FIELDS, "left_out_fields", ""),
        (UNKNOWN_EVENTS, "unknown_events", ""),
        (SPEND_GAPS, "spend_gaps", ""),
        (UNREPLACED_PARAMETERS, "unreplaced", ""),
    ):
        with part(title):
            is_shown = show_problem(listing, page, title, fine=fine)
            if is_shown and listing is REFUSALS and can("dead_letters.read"):
                link("dead_letters", t("to_dead_letters"), {}, icon="markunread_mailbox")


main()
