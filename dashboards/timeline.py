"""The timeline of a lead as a list, newest first, with the device and the join of each entry's visitor."""

from collections.abc import Hashable
from html import escape
from typing import Any

import streamlit as st

from dashboards.listings import PAGE_ROWS
from dashboards.listings.timeline import TIMELINE, number_of_entries
from dashboards.page import OpenPage, empty, known
from dashboards.tables import links
from dashboards.texts import TEXTS, forms, named, t

ENTRIES = "entries"
MOST = 1_000


def show_timeline(page: OpenPage) -> None:
    """The newest entries and their number, and more of them on request."""
    st.subheader(t("timeline"))
    said = page.asked.first(ENTRIES)
    count = min(max(int(said), PAGE_ROWS), MOST) if said.isascii() and said.isdigit() and len(said) < 5 else PAGE_ROWS
    asked = page.asked_for(count)
    rows = TIMELINE.rows(asked)
    if rows.empty:
        empty("no_entries")
        return
    st.html(f'<ol class="timeline">{"".join(_entry(row, page) for row in rows.to_dict("records"))}</ol>')
    total = max(number_of_entries(page.asked), len(rows))
    spoken = forms()
    st.caption(t("entries_shown", shown=spoken.number(len(rows)), total=spoken.number(total)))
    if len(rows) == count < MOST:
        more = min(count + 4 * PAGE_ROWS, MOST)
        if st.button(t("more_entries", n=spoken.number(more - count)), icon=":material/expand_more:"):
            st.query_params[ENTRIES] = str(more)
            st.rerun()
    links(TIMELINE, page.asked)


def kind_text(kind: str) -> str:
    """What an entry is; a tenant's own event keeps its name."""
    key = f"entry_{kind}"
    return t(key) if key in TEXTS else kind.removeprefix("event_")


def device_text(device: str) -> str:
    """Type, browser and system of a device, the type in the page's language."""
    kind, *rest = device.split(" · ")
    return " · ".join([named("device", kind), *rest])


def _entry(row: dict[Hashable, Any], page: OpenPage) -> str:
    """One entry as an item of the list; every text is escaped."""
    at, kind = row["at"], str(row["kind"])
    place = " · ".join(str(part) for part in (row["detail"], row["page"]) if part)
    device, joined = device_text(str(row["device"])), str(row["joined_by"])
    visitor = str(row["tracking_id"])
    origin = ""
    if visitor:
        origin = t("of_device", device=device or t("none_device"), visitor=visitor[-6:])
        if joined and known(row["joined_at"]):
            when = forms().moment(row["joined_at"], page.zone)
            origin += " · " + t("joined", by=joined, at=when)
    proof = str(row["proof"])
    mark = kind.partition("_")[0]
    return (
        f'<li class="{escape(mark)}"><time>{escape(forms().moment(at, page.zone, seconds=True))}</time>'
        f"<strong>{escape(kind_text(kind))}</strong> <span>{escape(place)}</span>"
        f"<small>{escape(origin)}</small>"
        + (f"<code>{escape(proof)}</code>" if kind == "arrival" and proof else "")
        + "</li>"
    )
