"""Saved filters of the leads page: a link comes first, then the saved filter that opens the page, then the rest.

They are kept in the server, for each user and tenant; the address of the page says what a chosen one has.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import streamlit as st

from dashboards.acting import attempt, control, control_if_signed_in, done
from dashboards.filters import KEYS, only_filters
from dashboards.listings import Asked
from dashboards.listings.leads import SEARCH, SORT, STAGE
from dashboards.page import plain
from dashboards.texts import t

SAVED_KEYS = (*KEYS, SEARCH, SORT, STAGE)
"""The parameters of an address that a saved filter has."""
PAGE = "leads"
PATH = "/saved-filters"
MAX_NAME = 80


def open_with_saved_filter() -> None:
    """Put the filter that opens the page into an address that says none."""
    if only_filters(_address(), SAVED_KEYS):
        return
    opening = next((each for each in kept_filters() if each["opens_page"]), None)
    if opening is not None:
        use(opening["address"])


def kept_filters() -> list[dict[str, Any]]:
    """The user's filters of the page in the shown tenant, by name; none where the API does not answer."""
    client = control_if_signed_in()
    with attempt():
        return list(client.get(PATH, page=PAGE).body["items"]) if client else []
    return []


def use(address: Mapping[str, Sequence[str]]) -> None:
    """Show what a saved filter has, from its first page of rows."""
    for key in (*SAVED_KEYS, "page"):
        if key in st.query_params:
            del st.query_params[key]
    for key, values in only_filters(address, SAVED_KEYS).items():
        st.query_params[key] = values


def show_saved_filters(asked: Asked) -> None:
    """The user's filters: show the leads of one, open the page with one, delete one, save what is shown."""
    kept = kept_filters()
    shown = only_filters(asked.address, SAVED_KEYS)
    current = next((each for each in kept if each["address"] == shown), None)
    label = plain(current["name"]) if current else t("saved_filters")
    # Another filter or another list closes it.
    key = f"saved filters {shown} {[(each['filter_id'], each['opens_page']) for each in kept]}"
    with st.popover(label, icon=":material/bookmark:", key=key):
        if not kept:
            st.caption(t("no_saved_filters"))
        for each in kept:
            _show_filter(each)
        _show_saving(shown)


def _show_filter(saved: Mapping[str, Any]) -> None:
    filter_id, name, opens = saved["filter_id"], saved["name"], saved["opens_page"]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button(
            plain(name), key=f"use {filter_id}", on_click=partial(use, saved["address"]), width="stretch",
            help=t("use_filter"), type="tertiary",
        )  # fmt: skip
        st.button(
            "", key=f"open with {filter_id}", icon=":material/star:" if opens else ":material/star_border:",
            help=t("open_page_without" if opens else "open_page_with", name=plain(name)), type="tertiary",
            on_click=_asking(lambda: control().patch(f"{PATH}/{filter_id}", {"opens_page": not opens})),
        )  # fmt: skip
        st.button(
            "", key=f"delete {filter_id}", icon=":material/delete:", help=t("delete_filter", name=plain(name)),
            type="tertiary", on_click=_asking(lambda: control().delete(f"{PATH}/{filter_id}")),
        )  # fmt: skip


def _show_saving(shown: Mapping[str, Sequence[str]]) -> None:
    with st.form("save filter", border=False):
        name = st.text_input(t("filter_name"), max_chars=MAX_NAME, placeholder=t("filter_example")).strip()
        opens = st.checkbox(t("opens_page"))
        is_asked = st.form_submit_button(t("save_filter"), icon=":material/bookmark_add:")
    if is_asked and not name:
        st.warning(t("filter_needs_name"), icon=":material/edit:")
    elif is_asked:
        with attempt():
            control().post(PATH, {"page": PAGE, "name": name, "address": shown, "opens_page": opens})
            done("filter_saved", name=plain(name))


def _asking(act: Callable[[], Any]) -> Callable[[], None]:
    """A callback of a button that asks the API; a refusal is shown at the top of the page."""

    def callback() -> None:
        with attempt():
            act()

    return callback


def _address() -> dict[str, list[str]]:
    return {key: st.query_params.get_all(key) for key in st.query_params}
