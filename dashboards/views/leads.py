"""Who is this lead, where did they come from, what is the evidence, and what was sent where?"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from dashboards.acting import show_outcome
from dashboards.listings import PAGE_ROWS
from dashboards.listings.leads import LEADS_LIST, REACHED, SEARCH, SORT, STAGE, number_of_leads
from dashboards.listings.timeline import LEAD_ID
from dashboards.navigation import link
from dashboards.page import OpenPage, empty, name_unknown, on_first_page, opened, part
from dashboards.record import show_lead
from dashboards.saved_filters import kept_filters, open_with_saved_filter, show_saved_filters
from dashboards.tables import show
from dashboards.texts import forms, t
from echolead.leads.search import SORTS
from echolead.metrics.people import DIMENSIONS
from echolead.metrics.periods import ALL


def say(key: str, value: str) -> None:
    """Put a choice of this page into its address, and begin with the first page of rows."""
    for each in (key, "page"):
        if each in st.query_params:
            del st.query_params[each]
    if value:
        st.query_params[key] = value


def show_search(page: OpenPage) -> None:
    """Search, order and stage, each in the address."""
    search, order, stage = st.columns([5, 2, 2])
    st.session_state["search_choice"] = page.asked.first(SEARCH)
    search.text_input(
        t("search"), key="search_choice", icon=":material/search:", label_visibility="collapsed",
        placeholder=t("search"), on_change=lambda: say(SEARCH, st.session_state["search_choice"].strip()),
    )  # fmt: skip
    name_unknown(page.asked, SORT, SORTS, "sort")
    name_unknown(page.asked, STAGE, REACHED, "stage")
    said = page.asked.first(SORT)
    st.session_state["sort_choice"] = said if said in SORTS else "newest"
    order.selectbox(
        t("sort"), list(SORTS), format_func=lambda each: t(f"sort_{each}"), key="sort_choice",
        label_visibility="collapsed", on_change=lambda: say(SORT, st.session_state["sort_choice"]),
    )  # fmt: skip
    said = page.asked.first(STAGE)
    st.session_state["stage_choice"] = said if said in REACHED else REACHED[0]
    stage.selectbox(
        t("stage"), REACHED, format_func=lambda each: t(f"reached_{each}"), key="stage_choice",
        label_visibility="collapsed", on_change=lambda: say(STAGE, st.session_state["stage_choice"]),
    )  # fmt: skip


def show_list(page: OpenPage, kept: Sequence[Mapping[str, Any]]) -> None:
    """One page of leads; a selected row opens the lead. `kept` are the user's saved filters."""
    show_outcome()
    show_search(page)
    show_saved_filters(page.asked, kept)
    if page.asked.first(SEARCH) and (page.filters.period_name != ALL or any(page.filters.values.values())):
        st.caption(t("search_is_of_all"))
    with part("leads"):
        rows = LEADS_LIST.rows(page.asked)
        if rows.empty and page.asked.page() > 1:
            page = on_first_page(page)
            rows = LEADS_LIST.rows(page.asked)
        if rows.empty:
            show_nothing(page)
            return
        chosen = show(
            LEADS_LIST, page.asked, rows, t("leads"), on_select="rerun", selection_mode="single-row",
            key=f"leads {page.asked.address}",
        )  # fmt: skip
        if chosen.selection.rows:
            st.query_params[LEAD_ID] = rows["lead_id"].iloc[chosen.selection.rows[0]]
            st.rerun()
        show_pages(page, rows)


def show_nothing(page: OpenPage) -> None:
    """Why the list is empty, and what to do."""
    if page.asked.first(SEARCH):
        empty("no_match", icon=":material/search_off:")
    elif page.filters.address().keys() != {"period"} or page.filters.period_name != "all":
        empty("no_leads_here")
        link("leads", t("all_leads"), {"period": ["all"]}, icon="group")
    else:
        empty("no_leads")


def show_pages(page: OpenPage, rows: pd.DataFrame) -> None:
    """How many leads there are, and the pages of them."""
    total = number_of_leads(page.asked, rows)
    pages = max(math.ceil(total / PAGE_ROWS), 1)
    spoken = forms()
    st.caption(t("leads_caption", total=spoken.number(total), page=spoken.number(page.asked.page()),
                 pages=spoken.number(pages)))  # fmt: skip
    if pages > 1:
        current = min(page.asked.page(), pages)
        key = f"page {current} of {pages}"

        def turn() -> None:
            st.query_params["page"] = str(st.session_state[key])

        st.pagination(pages, default=current, key=key, on_change=turn)


def main() -> None:
    """The page: one lead when the address names one, else the list."""
    if LEAD_ID in st.query_params:
        show_lead()
    else:
        kept = kept_filters()
        open_with_saved_filter(kept)
        show_list(opened("leads", dimensions=DIMENSIONS, lists_all=True), kept)


main()
