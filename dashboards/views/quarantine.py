"""Which visitors do the figures leave out, and why? Operators release them here."""

import pandas as pd
import streamlit as st

from dashboards.acting import attempt, can, control, done, reason_field, show_outcome
from dashboards.control import part_of_path
from dashboards.listings.quarantine import QUARANTINED
from dashboards.page import OpenPage, opened, part, plain
from dashboards.tables import show
from dashboards.texts import forms, t

ENTRY = "entry"
"""The parameter of the address that says an entry."""


def show_entries(page: OpenPage) -> None:
    """Visitors in quarantine; the chosen entry with its reason and the button that releases it."""
    rows = QUARANTINED.rows(page.asked)
    if rows.empty:
        st.success(t("nothing_in_quarantine"), icon=":material/check_circle:")
        return
    shown = rows.assign(tracking_id=[each or t("all_visitors") for each in rows["tracking_id"]])
    chosen = show(
        QUARANTINED, page.asked, shown, t("quarantine"), on_select="rerun", selection_mode="single-row",
        key="quarantined",
    )  # fmt: skip
    if chosen.selection.rows:
        st.query_params[ENTRY] = rows["quarantine_id"].iloc[chosen.selection.rows[0]]
    entries = shown[shown["quarantine_id"] == st.query_params.get(ENTRY)]
    if len(entries):
        show_entry(page, entries.iloc[0])
    else:
        st.caption(t("choose_quarantined"))


def show_entry(page: OpenPage, entry: pd.Series) -> None:
    """Which model fails on which event, what the warehouse said, and the release."""
    visitor, quarantine_id = str(entry["tracking_id"]), str(entry["quarantine_id"])
    st.subheader(plain(t("quarantine_why", visitor=visitor)))
    since = forms().moment(entry["quarantined_at"], page.zone)
    key = "quarantine_where" if entry["event_id"] else "quarantine_where_unknown"
    st.markdown(plain(t(key, step=entry["step"], event_id=entry["event_id"], since=since)))
    st.code(entry["message"], language=None, wrap_lines=True)
    if not can("quarantine.release"):
        return
    with st.form(f"release {quarantine_id}", border=False):
        st.caption(t("release_caption"))
        reason = reason_field(f"release_reason {quarantine_id}")
        if st.form_submit_button(t("release"), icon=":material/undo:", type="primary"):
            control().post(f"/quarantine/{part_of_path(quarantine_id)}/release", {"reason": reason})
            st.query_params.pop(ENTRY, None)
            done("released_now", visitor=plain(visitor))


def main() -> None:
    """The page."""
    page = opened("quarantine", has_period=False)
    show_outcome()
    st.caption(t("in_quarantine_caption"))
    with attempt(), part("quarantine"):
        show_entries(page)


main()
