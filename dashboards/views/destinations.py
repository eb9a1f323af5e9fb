"""How do the destinations stand, what fails there, and what is to be done?"""

import streamlit as st

from dashboards.acting import attempt, can, control, show_outcome
from dashboards.control import ApiRefusal, part_of_path
from dashboards.destination import show_destination, show_new_destination
from dashboards.listings.destinations import DESTINATIONS, NAME
from dashboards.navigation import link
from dashboards.page import OpenPage, empty, opened, part
from dashboards.tables import show
from dashboards.texts import t


def show_list(page: OpenPage) -> None:
    """All destinations; a chosen row opens one."""
    with part("destinations"):
        rows = DESTINATIONS.rows(page.asked)
        if rows.empty:
            empty("no_destinations" if can("destinations.change") else "no_destinations_here")
        else:
            chosen = show(
                DESTINATIONS, page.asked, rows, t("destinations"), on_select="rerun", selection_mode="single-row",
                key="destinations",
            )  # fmt: skip
            if chosen.selection.rows:
                st.query_params[NAME] = rows["destination_name"].iloc[chosen.selection.rows[0]]
                st.rerun()
    if can("destinations.change"):
        show_new_destination()


def main() -> None:
    """The page: one destination when the address names one, else the list."""
    page = opened("destinations", has_period=False)
    show_outcome()
    with attempt():
        name = page.asked.first(NAME)
        if not name:
            show_list(page)
            return
        link("destinations", t("all_destinations"), {}, icon="arrow_back")
        try:
            found = control().get(f"/destinations/{part_of_path(name)}")
        except ApiRefusal as refusal:
            if refusal.kind != "no-such-object":
                raise
            empty("destination_gone")
        else:
            show_destination(page, found)


main()
