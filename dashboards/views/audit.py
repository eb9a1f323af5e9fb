"""Who did what, when and why, and is the log whole?"""

from datetime import datetime, time, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import streamlit as st

from dashboards.access import go_to
from dashboards.acting import attempt, can, control, show_outcome
from dashboards.audit_chain import verified
from dashboards.listings.team import ACTION, ACTOR, AUDIT, SINCE, UNTIL
from dashboards.page import OpenPage, empty, opened, plain
from dashboards.tables import show
from dashboards.texts import forms, t


def say(name: str, value: str) -> None:
    """Put a filter into the address, or take it away."""
    if value:
        st.query_params[name] = value
    else:
        st.query_params.pop(name, None)


def show_filters(page: OpenPage) -> None:
    """Action, actor and days, each in the address."""
    action, actor, since, until = st.columns([3, 3, 2, 2])
    texts = ((action, ACTION, "audit_action_begins"), (actor, ACTOR, "audit_actor"))
    for column, name, label in texts:
        key = f"audit {name}"
        st.session_state[key] = page.asked.first(name)
        column.text_input(
            t(label), key=key, on_change=lambda name=name, key=key: say(name, st.session_state[key].strip())
        )
    for column, name, label, later in ((since, SINCE, "audit_from", 0), (until, UNTIL, "audit_to", 1)):
        show_day(page, column, name, label, later)


def show_day(page: OpenPage, column: "st.delta_generator.DeltaGenerator", name: str, label: str, later: int) -> None:
    """A day of the tenant's clock; `later`: the moment in the address is so many days after its beginning."""
    zone, key = ZoneInfo(page.zone), f"audit {name}"
    said = page.asked.first(name)
    try:
        day = datetime.fromisoformat(said).astimezone(zone).date() - timedelta(days=later) if said else None
    except ValueError:
        day = None
    st.session_state[key] = day

    def choose() -> None:
        chosen = st.session_state[key]
        begins = datetime.combine(chosen + timedelta(days=later), time(), zone).isoformat() if chosen else ""
        say(name, begins)

    column.date_input(t(label), format="DD/MM/YYYY", key=key, on_change=choose)


def show_chain() -> None:
    """Whether the log is whole, by its export."""
    if st.button(t("audit_verify"), icon=":material/verified_user:"):
        found = verified(control().text("/audit/export"))
        if found.problem:
            st.error(plain(t("audit_broken", problem=found.problem)), icon=":material/gpp_bad:")
        else:
            entries = forms().number(found.entries)
            st.success(t("audit_whole", entries=entries, hash=found.last_hash[:16]), icon=":material/verified_user:")


def main() -> None:
    """The page."""
    page = opened("audit", has_period=False)
    show_outcome()
    st.caption(t("audit_caption"))
    show_filters(page)
    with attempt():
        rows = AUDIT.rows(page.asked)
        if rows.empty:
            empty("audit_empty")
        else:
            show(AUDIT, page.asked, rows, t("audit"))
    with attempt():
        if can("audit.export"):
            show_chain()
            address = f"/export/audit.jsonl?{urlencode({'tenant_id': page.tenant_id})}"
            go_to(t("audit_export"), address)


main()
