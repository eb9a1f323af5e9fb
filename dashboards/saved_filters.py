"""Saved filters of the leads page: a link comes first, then the saved filter that opens the page, then the rest.

They are kept in the server, for each user and tenant; the address of the page says what a chosen one has.
"""

from collections.abc import Callable, Mapping, Sequence
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
CHOICE_KEY = "saved filter choice"


def open_with_saved_filter(kept: Sequence[Mapping[str, Any]]) -> None:
    """Put the one of these filters that opens the page into an address that says none."""
    if only_filters(_address(), SAVED_KEYS):
        return
    opening = next((each for each in kept if each["opens_page"]), None)
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


def show_saved_filters(asked: Asked, kept: Sequence[Mapping[str, Any]]) -> None:
    """The user's filters: one to choose; what is shown can be saved, or deleted, or open the page."""
    shown = only_filters(asked.address, SAVED_KEYS)
    current = next((each for each in kept if each["address"] == shown), None)
    label = plain(current["name"]) if current else t("saved_filters")
    # Another filter or another list closes it.
    key = f"saved filters {shown} {[(each['filter_id'], each['opens_page']) for each in kept]}"
    with st.popover(label, icon=":material/bookmark:", key=key):
        if kept:
            _show_choice(kept, current)
        else:
            st.caption(t("no_saved_filters"))
        if current is not None:
            _show_current(current)
        else:
            _show_saving(shown, len(kept))


def _show_choice(kept: Sequence[Mapping[str, Any]], current: Mapping[str, Any] | None) -> None:
    by_id = {each["filter_id"]: each for each in kept}
    # The address decides what is chosen, also after Back and in a followed link.
    st.session_state[CHOICE_KEY] = current["filter_id"] if current else None

    def choose() -> None:
        if st.session_state[CHOICE_KEY] in by_id:
            use(by_id[st.session_state[CHOICE_KEY]]["address"])

    st.selectbox(
        t("use_filter"), list(by_id), format_func=lambda each: _name(by_id[each]), key=CHOICE_KEY,
        placeholder=t("choose_filter"), on_change=choose,
    )  # fmt: skip


def _name(saved: Mapping[str, Any]) -> str:
    return f"{saved['name']} ★" if saved["opens_page"] else str(saved["name"])


def _show_current(saved: Mapping[str, Any]) -> None:
    """What can be done with the filter that is shown."""
    place, opens = f"{PATH}/{saved['filter_id']}", saved["opens_page"]
    with st.container(horizontal=True, gap="small"):
        st.button(
            t("open_page_without" if opens else "open_page_with"), icon=":material/star:",
            on_click=_asking(lambda: control().patch(place, {"opens_page": not opens})),
        )  # fmt: skip
        st.button(t("delete_filter"), icon=":material/delete:", on_click=_asking(lambda: control().delete(place)))


def _show_saving(shown: Mapping[str, Sequence[str]], number: int) -> None:
    """The form that saves what is shown; `number` is how many filters there are, so that it is empty after saving."""
    with st.form("save filter", border=False):
        name = st.text_input(
            t("filter_name"), key=f"name of filter {number}", max_chars=MAX_NAME, placeholder=t("filter_example")
        ).strip()
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
