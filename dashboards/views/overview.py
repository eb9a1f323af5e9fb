"""How many visitors become leads, and through which channel, campaign and landing page?"""

from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from dashboards.cards import Card, metric
from dashboards.design import CHART_HEIGHT, palette
from dashboards.listings.campaigns import cost_totals, late_since
from dashboards.listings.people import PEOPLE_BY, PEOPLE_BY_TIME, Figures, figures
from dashboards.navigation import link
from dashboards.page import OpenPage, dimension_text, empty, opened, part, plain, write
from dashboards.tables import chart, links, show
from dashboards.texts import forms, t
from echolead.metrics.credit import COST
from echolead.metrics.people import DIMENSIONS, FUNNEL

CARDS = (("visitors", "leads", "conversion", "known_source"), ("speed_p50", "synced", "revenue", "cost"))
# Figures with leads behind them.
LISTED = {"leads", "known_source", "speed_p50", "synced", "revenue", "conversion"}
CAUSES = ("campaign", "source", "rules_version")
FEW = 3


def known_or_none(value: Any) -> float | None:
    """A cell of a frame as a number, None when it is not known."""
    return None if pd.isna(value) else float(value)


def show_cards(page: OpenPage, found: Figures) -> None:
    """The figures of the period, each against the time before."""
    now, before = found.whole(), found.whole("before")
    with st.container(key="cards"):
        for names in CARDS:
            for column, name in zip(st.columns(len(names)), names, strict=True):
                if name == COST.name:
                    with column, part(name):
                        show_cost(page)
                    continue
                card = Card(
                    metric(name),
                    known_or_none(now[name]),
                    known_or_none(before[name]),
                    page.currency,
                    trend=found.trend(name, len(page.period.buckets)),
                    note=note(name, now),
                    behind=("leads", page.filters.address()) if name in LISTED and now["leads"] else None,
                )
                with column:
                    card.show()


def note(name: str, now: pd.Series) -> str:
    """What stands below a figure: the slowest tenth beside the median, the verified beside the synced."""
    if name == "speed_p50":
        return t("speed_p90_note", p90=forms().duration(known_or_none(now["speed_p90"])))
    return t("verified_note", share=forms().share(known_or_none(now["verified"]))) if name == "synced" else ""


def show_cost(page: OpenPage) -> None:
    """What the ad accounts cost, with the last day that is known when that is late."""
    totals, spoken = cost_totals(page.asked), forms()
    late = late_since(totals, page.period)
    card = Card(
        COST,
        known_or_none(totals["cost"]),
        known_or_none(totals["cost_before"]),
        page.currency,
        note=t("cost_until", day=spoken.day(late)) if late else "",
        behind=("campaigns", page.filters.address()),
    )
    card.show()


def funnel_chart(found: Figures) -> alt.LayerChart:
    """One bar per stage: its people, its share of the first stage, and the drop from the stage before."""
    whole, spoken = found.whole(), forms()
    people = [round(float(whole[stage])) for stage in FUNNEL]
    rows = []
    for number, (stage, count) in enumerate(zip(FUNNEL, people, strict=True)):
        kept = count / people[number - 1] if number and people[number - 1] else None
        label = f"{spoken.number(count)} · {spoken.share(count / people[0] if people[0] else None)}"
        drop = t("drop_off", share=spoken.share(1 - kept)) if kept is not None else ""
        rows.append({"stage": t(stage), "people": count, "label": f"{label}   {drop}".strip()})
    colours = palette()
    base = alt.Chart(pd.DataFrame(rows)).encode(
        y=alt.Y("stage:N", sort=None, title=None, axis=alt.Axis(labelFontSize=13, labelColor=colours.text)),
        x=alt.X("people:Q", title=None, axis=None, scale=alt.Scale(domainMin=0, domainMax=max(people[0], 1) * 2)),
    )
    bars = base.mark_bar(height=22).encode(tooltip=[alt.Tooltip("stage:N", title=t("stage")), "label:N"])
    drawn: alt.LayerChart = (bars + base.mark_text(align="left", dx=6, fontSize=12).encode(text="label:N")).properties(
        height=CHART_HEIGHT
    )
    return drawn


def time_chart(rows: pd.DataFrame, page: OpenPage) -> alt.LayerChart:
    """Leads of each hour or day, with those of the time before as a line."""
    pattern = "%H:%M" if page.period.is_by_hour else "%d/%m"
    spoken = forms()
    rows = rows.assign(
        at=[f"{begins:{pattern}}" for begins in rows["begins_at"]],
        now_text=[spoken.number(each) for each in rows["leads"]],
        before_text=[spoken.number(each) for each in rows["leads_before"]],
    )
    base = alt.Chart(rows).encode(
        x=alt.X("at:O", title=None, sort=None, axis=alt.Axis(labelOverlap=True, labelAngle=0)),
        tooltip=[
            alt.Tooltip("at:O", title=t("period")),
            alt.Tooltip("now_text:N", title=t("leads")),
            alt.Tooltip("before_text:N", title=t("before")),
        ],
    )
    bars = base.mark_bar().encode(y=alt.Y("leads:Q", title=t("leads"), axis=alt.Axis(tickMinStep=1, format=",d")))
    line = base.mark_line(color=palette().before, point=False, strokeDash=[4, 3]).encode(y="leads_before:Q")
    drawn: alt.LayerChart = (bars + line).properties(height=CHART_HEIGHT)
    return drawn


def show_causes(page: OpenPage, found: Figures) -> None:
    """What changed most, and what the change is made of: the parts of each split add up to it."""
    now, before = int(found.whole()["leads"]), int(found.whole("before")["leads"])
    st.subheader(t("what_changed"))
    spoken = forms()
    difference = now - before
    if not difference:
        st.caption(t("leads_unchanged", n=spoken.number(now)))
    else:
        key = "more_leads" if difference > 0 else "fewer_leads"
        st.markdown(t(key, n=spoken.number(abs(difference)), now=spoken.number(now), before=spoken.number(before)))
    for column, split in zip(st.columns(len(CAUSES)), CAUSES, strict=True):
        with column:
            st.markdown(f":gray[{t(split)}]")
            parts = found.compared(split)
            row: Any
            for row in parts[parts["change"] != 0].head(FEW).itertuples():
                show_cause(page, split, str(row.key), int(row.change), int(row.leads))


def show_cause(page: OpenPage, split: str, key: str, change: int, leads: int) -> None:
    """One part of the change, with a link to its leads."""
    sign = "+" if change > 0 else "−"
    label = f"{sign}{forms().number(abs(change))} {dimension_text(split, key)}"
    if leads:
        link("leads", plain(label), page.filters.only(split, key).address(), icon="group")
    else:
        st.markdown(plain(label))


def show_splits(page: OpenPage) -> None:
    """The people by one dimension; a chosen row becomes a filter of the page."""
    said = page.asked.first("by", "campaign")
    st.session_state["by_choice"] = said if said in DIMENSIONS else "campaign"

    def choose() -> None:
        st.query_params["by"] = st.session_state["by_choice"] or "campaign"

    st.segmented_control(
        t("split_by"), DIMENSIONS, format_func=t, key="by_choice", on_change=choose, label_visibility="collapsed"
    )
    split = st.session_state["by_choice"] or "campaign"
    rows = PEOPLE_BY.rows(page.asked)
    keys = list(rows["key"])
    rows["key"] = [dimension_text(split, key) for key in keys]
    selected = show(
        PEOPLE_BY, page.asked, rows, t("split_by"), on_select="rerun", selection_mode="single-row",
        key=f"split {split} {page.asked.address}",
    )  # fmt: skip
    st.caption(t("people_caption"))
    if selected.selection.rows:
        write(page.tenant_id, page.filters.only(split, keys[selected.selection.rows[0]]))
        st.rerun()


def show_people(page: OpenPage) -> None:
    """All that one statement answers."""
    found = figures(page.asked)
    if found.is_empty and any(page.filters.values.values()):
        empty("nobody_here", icon=":material/filter_alt:")
        link("overview", t("without_filters"), {"period": [page.filters.period_name]}, icon="filter_alt_off")
        return
    if found.is_empty:
        empty("no_events")
        link("install", t("to_install"), {}, icon="code")
        return
    show_cards(page, found)
    left, right = st.columns(2, gap="large")
    with left, part("funnel"):
        st.subheader(t("funnel"))
        chart(funnel_chart(found), t("funnel"))
        st.caption(t("funnel_caption"))
    with right, part("leads_over_time"):
        st.subheader(t("leads_over_time"))
        chart(time_chart(PEOPLE_BY_TIME.rows(page.asked), page), t("leads_over_time"))
        links(PEOPLE_BY_TIME, page.asked)
    show_causes(page, found)
    st.subheader(t("split_title"))
    show_splits(page)


def main() -> None:
    """The page."""
    page = opened("overview", dimensions=DIMENSIONS)
    with part("overview"):
        show_people(page)


main()
