"""What is to be computed or delivered again, what would change, and how far is it?"""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from dashboards.acting import OPEN_TASKS, ask_again, attempt, can, control, done, reason_field, show_outcome, show_task
from dashboards.control import part_of_path
from dashboards.listings.replays import REPLAYS
from dashboards.page import OpenPage, empty, opened
from dashboards.resending import show_resync, show_resyncs
from dashboards.tables import show, table
from dashboards.texts import forms, named, t

TASK, TRIED, REQUEST = "task", "tried", "request"
DEFAULT_DAYS = 7
ORIGINS = ("raw", "queue")
"""What a replay reads, as the API calls it."""


def lines_of(text: str) -> list[str]:
    """The ids of a field, one a line."""
    return [each.strip() for each in text.splitlines() if each.strip()]


def begin_of(day: date, zone: str) -> str:
    """The first moment of a day on the tenant's clock, as the API reads it."""
    return datetime.combine(day, time(), ZoneInfo(zone)).isoformat()


def chosen_extent(page: OpenPage) -> dict[str, Any]:
    """The days and leads of the form."""
    today = page.asked.now.astimezone(ZoneInfo(page.zone)).date()
    first, last, whole = st.columns([2, 2, 3], vertical_alignment="bottom")
    is_whole = whole.checkbox(t("replay_whole"), key="replay_whole")
    begins = first.date_input(
        t("replay_first_day"), today - timedelta(days=DEFAULT_DAYS), format="DD/MM/YYYY", disabled=is_whole
    )
    ends = last.date_input(t("replay_last_day"), today, format="DD/MM/YYYY", disabled=is_whole)
    origin = st.radio(t("replay_origin"), ORIGINS, format_func=lambda each: named("origin", each), key="replay_origin")
    is_of_queue = origin == "queue"
    leads = lines_of(st.text_area(t("replay_leads"), key="replay_leads", height=80, disabled=is_of_queue))
    chosen = {"origin": origin, "lead_ids": [] if is_of_queue else leads}
    if is_whole:
        return chosen
    return {
        **chosen,
        "received_from": begin_of(begins, page.zone),
        "received_before": begin_of(ends + timedelta(days=1), page.zone),
    }


def show_form(page: OpenPage) -> None:
    """Choose, see what would change, and run."""
    extent = chosen_extent(page)
    mark = str(sorted(extent.items()))
    if st.button(t("replay_try"), icon=":material/science:"):
        task = control().post("/replays/trials", extent).body
        st.query_params[TASK], st.query_params[TRIED] = task["task_id"], mark
        st.rerun()
    if page.asked.first(TASK):
        st.subheader(t("replay_trial"))
        if page.asked.first(TRIED) != mark:
            st.warning(t("replay_trial_other"), icon=":material/difference:")
        show_task(page.asked.first(TASK), page.zone, show_changes)
    if can("replays.run"):
        with st.form("run", border=False):
            reason = reason_field("replay_reason")
            if st.form_submit_button(t("replay_run"), icon=":material/play_arrow:", type="primary"):
                made = control().post("/replays", {**extent, "reason": reason}).body
                st.query_params.pop(TASK, None)
                st.query_params[REQUEST] = made["request_id"]
                done("replay_asked")


def show_changes(changes: Mapping[str, Any]) -> None:
    """What became, or would become, of the rows; sources by what they were and are."""
    counts = {name: value for name, value in changes.items() if isinstance(value, int)}
    if counts:
        lines = [f"**{forms().number(value)}** " + named("changes", name) for name, value in counts.items()]
        st.markdown("  \n".join(lines))
    else:
        st.info(t("replay_no_changes"), icon=":material/check_circle:")
    others = {name: value for name, value in changes.items() if value and not isinstance(value, int)}
    for name, value in others.items():
        st.markdown(f"**{named('changes', name)}**")
        table(pd.DataFrame(value.items() if isinstance(value, dict) else value).astype(str))


def show_history(page: OpenPage) -> None:
    """All replays, decisions and other settings that were computed again; one of them with its progress."""
    st.subheader(t("replay_history"))
    rows = REPLAYS.rows(page.asked)
    if rows.empty:
        empty("no_replays")
        return
    selected = show(
        REPLAYS, page.asked, rows, t("replay_history"), on_select="rerun", selection_mode="single-row", key="replays"
    )
    if selected.selection.rows:
        st.query_params[REQUEST] = rows["request_id"].iloc[selected.selection.rows[0]]
    request_id = st.query_params.get(REQUEST, "")
    if not request_id:
        st.caption(t("replay_choose"))
        return
    show_request(request_id)


def show_request(request_id: str) -> None:
    """How far a request is, with the ways to stop and resume it; what it changed."""
    path = f"/replays/{part_of_path(request_id)}"
    request = control().get(path).body
    if request["state"] in OPEN_TASKS:
        ask_again(lambda: _show_progress(path))
        return
    _say_progress(request)
    if request["message"]:
        st.code(request["message"], language=None, wrap_lines=True)
    may_resume = request["state"] in ("stopped", "failed") and can("replays.run")
    if may_resume and st.button(t("resume"), icon=":material/play_arrow:"):
        control().post(f"{path}/resume")
        done("replay_resumed")
    if request["changes"]:
        show_changes(request["changes"])


def _show_progress(path: str) -> bool:
    request = control().get(path).body
    if request["state"] not in OPEN_TASKS:
        return False
    _say_progress(request)
    is_own = request["kind"] != "settings"
    if is_own and can("replays.run") and st.button(t("replay_stop"), icon=":material/pause:"):
        control().post(f"{path}/stop")
        done("replay_stopping")
    return True


def _say_progress(request: Mapping[str, Any]) -> None:
    counts = {name: forms().number(request[name]) for name in ("pieces", "visitors", "events")}
    st.info(t("replay_progress", state=named("request", request["state"]), **counts), icon=":material/replay:")


def show_destinations() -> None:
    """Deliver again: of which destination, which leads, after which error, and whether what has arrived too."""
    st.subheader(t("resync"))
    st.caption(t("resync_caption"))
    names = [each["name"] for each in control().whole("/destinations")]
    which, errors = st.columns(2)
    destination = which.selectbox(
        t("destination"), ["", *names], format_func=lambda each: each or t("every_destination"), key="resync_name"
    )
    error_class = errors.text_input(t("error_class"), placeholder=t("every_error"), key="resync_class").strip()
    leads = lines_of(st.text_area(t("resync_leads"), key="resync_leads", height=80))
    is_forced = st.checkbox(t("resync_force"), key="resync_force")
    chosen = {"destination": destination, "error_class": error_class, "lead_ids": leads, "force": is_forced}
    show_resync(chosen, "of the page")
    show_resyncs()


def main() -> None:
    """The page."""
    page = opened("replay", has_period=False)
    show_outcome()
    st.caption(t("replay_caption"))
    with attempt():
        if can("replays.try"):
            show_form(page)
    with attempt():
        show_history(page)
    with attempt():
        if can("deliveries.try"):
            show_destinations()


main()
