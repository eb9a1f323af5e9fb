"""What did each campaign cost and bring, and which conversions does another attribution model give to another one?"""

import altair as alt
import pandas as pd
import streamlit as st

from dashboards.design import palette
from dashboards.listings.campaigns import (
    CAMPAIGN_COSTS,
    CREDIT_BY,
    CREDITS,
    MODEL,
    OTHER,
    PATHS_TO_LEAD,
    cost_totals,
    credit_by,
    late_since,
    model,
    other_model,
)
from dashboards.page import OpenPage, dimension_text, empty, name_unknown, opened, part, plain, write
from dashboards.tables import chart, show
from dashboards.texts import forms, t
from echolead.metrics.credit import DIMENSIONS, MODELS

FEW = 12
BAR_HEIGHT, AXIS_HEIGHT = 26, 60
"""In pixels; the height of a chart has its axis in it."""


def choose_models(page: OpenPage) -> None:
    """The model, and the one it is set beside."""
    left, right = st.columns(2)
    for column, key, chosen, label in (
        (left, MODEL, model(page.asked), "model"),
        (right, OTHER, other_model(page.asked), "beside_model"),
    ):
        widget = f"{key}_choice"
        st.session_state[widget] = chosen

        def choose(key: str = key, widget: str = widget) -> None:
            st.query_params[key] = st.session_state[widget]

        column.selectbox(t(label), MODELS, format_func=lambda each: t(f"model_{each}"), key=widget, on_change=choose)


def show_costs(page: OpenPage) -> None:
    """Cost and what came of it, by campaign; and which cost is not in it."""
    st.subheader(t("costs"))
    rows = CAMPAIGN_COSTS.rows(page.asked)
    if rows.empty:
        empty("no_costs")
        return
    totals, spoken = cost_totals(page.asked), forms()
    late = late_since(totals, page.period)
    if late:
        st.warning(t("cost_is_late", day=spoken.day(late)), icon=":material/schedule:")
    if totals["days_without_rate"]:
        st.warning(t("cost_without_rate"), icon=":material/currency_exchange:")
    show(CAMPAIGN_COSTS, page.asked, rows, t("costs"))
    st.caption(t("costs_caption", model=t(f"model_{model(page.asked)}")))


def moved_chart(rows: pd.DataFrame) -> alt.Chart:
    """How many leads the chosen model gives more or fewer, largest first."""
    largest = rows.reindex(rows["moved"].abs().sort_values(ascending=False).index).head(FEW)
    largest = largest[largest["moved"].abs() > 1e-9]
    spoken, colours = forms(), palette()
    frame = pd.DataFrame({
        "key": largest["key"],
        "moved": largest["moved"].astype(float),
        "text": [("+" if each > 0 else "") + spoken.number(each, 2) for each in largest["moved"]],
        "sign": ["more" if each > 0 else "fewer" for each in largest["moved"]],
    })  # fmt: skip
    drawn: alt.Chart = (
        alt.Chart(frame)
        .mark_bar()
        .encode(
            x=alt.X("moved:Q", title=t("moved")),
            y=alt.Y("key:N", sort=None, title=None, axis=alt.Axis(labelLimit=260)),
            color=alt.Color(
                "sign:N", legend=None,
                scale=alt.Scale(domain=["more", "fewer"], range=[colours.good, colours.bad]),
            ),
            tooltip=[alt.Tooltip("key:N", title=t("split_value")), alt.Tooltip("text:N", title=t("moved"))],
        )
        .properties(height=AXIS_HEIGHT + BAR_HEIGHT * len(frame))
    )  # fmt: skip
    return drawn


def show_credit(page: OpenPage) -> None:
    """Credit under both models; the credits of each column add up to the conversions."""
    st.subheader(t("credit"))
    choose_models(page)
    st.session_state["credit_by_choice"] = credit_by(page.asked)

    def choose() -> None:
        st.query_params[CREDIT_BY] = st.session_state["credit_by_choice"] or "campaign"

    st.segmented_control(
        t("split_by"), DIMENSIONS, format_func=t, key="credit_by_choice", on_change=choose, label_visibility="collapsed"
    )
    rows = CREDITS.rows(page.asked)
    if rows.empty:
        empty("no_conversions")
        return
    keys = list(rows["key"])
    rows["key"] = [dimension_text(credit_by(page.asked), key) for key in keys]
    chosen, beside = t(f"model_{model(page.asked)}"), t(f"model_{other_model(page.asked)}")
    st.caption(plain(t("credit_caption", model=chosen, other=beside)))
    if (rows["moved"].abs() > 1e-9).any():
        chart(moved_chart(rows), t("moved"))
    else:
        st.info(t("nothing_moved"), icon=":material/balance:")
    selected = show(
        CREDITS, page.asked, rows, t("credit"), on_select="rerun", selection_mode="single-row",
        key=f"credit {page.asked.address}",
    )  # fmt: skip
    if selected.selection.rows:
        write(page.tenant_id, page.filters.only(credit_by(page.asked), keys[selected.selection.rows[0]]))
        st.rerun()


def show_paths(page: OpenPage) -> None:
    """The channels that led to leads, in their order."""
    st.subheader(t("paths"))
    rows = PATHS_TO_LEAD.rows(page.asked)
    if rows.empty:
        empty("no_conversions")
        return
    show(PATHS_TO_LEAD, page.asked, rows, t("paths"))
    st.caption(t("paths_caption"))


def main() -> None:
    """The page."""
    page = opened("campaigns", dimensions=DIMENSIONS)
    for parameter, known, text in (
        (MODEL, MODELS, "model"),
        (OTHER, MODELS, "beside_model"),
        (CREDIT_BY, DIMENSIONS, "split_by"),
    ):
        name_unknown(page.asked, parameter, known, text)
    with part("costs"):
        show_costs(page)
    with part("credit"):
        show_credit(page)
    with part("paths"):
        show_paths(page)


main()
