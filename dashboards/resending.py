"""Delivering again: first what it would be, then doing it, for a destination, leads or a class of errors."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from dashboards.acting import ask_again, can, control, done, reason_field, tenant_key, who
from dashboards.page import plain
from dashboards.tables import table
from dashboards.texts import forms, named, t

SHOWN = 5
OPEN, HELD = ("waiting", "running"), ("stopping", "stopped")


def show_resync(chosen: Mapping[str, Any], key: str) -> None:
    """The buttons and what the trial of this choice found; nothing where the role may not try it."""
    if not can("deliveries.try"):
        return
    body = {name: value for name, value in chosen.items() if value}
    trials: dict[str, Any] = st.session_state.setdefault(tenant_key("resync trials"), {})
    with st.container(horizontal=True):
        if st.button(t("resync_see"), icon=":material/preview:", key=f"see {key}"):
            trials[key] = (body, control().post("/resyncs/trials", body).body)
        tried, found = trials.get(key, (None, None))
        is_seen = tried == body and found is not None and bool(found["deliveries"])
    if tried == body and found is not None:
        show_found(found)
    if is_seen and can("deliveries.resync"):
        with st.form(f"resync {key}", border=False):
            reason = reason_field(f"resync_reason {key}")
            if st.form_submit_button(t("resync_run"), icon=":material/send:", type="primary"):
                control().post("/resyncs", {**body, "reason": reason})
                del trials[key]
                done("resync_done", deliveries=forms().number(sum(each["deliveries"] for each in found["deliveries"])))


def show_resyncs() -> None:
    """The newest resyncs, how far each is, and the ways to stop and resume it."""
    rows = control().get(f"/resyncs?limit={SHOWN}").body["items"]
    if any(row["state"] in OPEN for row in rows):
        ask_again(_show_open)
        return
    _show_lines(rows)


def _show_open() -> bool:
    rows = control().get(f"/resyncs?limit={SHOWN}").body["items"]
    _show_lines(rows)
    return any(row["state"] in OPEN for row in rows)


def _show_lines(rows: Sequence[Mapping[str, Any]]) -> None:
    for row in rows:
        text, button = st.columns([6, 1], vertical_alignment="center")
        counts = {name: forms().number(row[name] or 0) for name in ("due", "total")}
        text.markdown(
            t("resync_line", state=named("request", row["state"]), by=plain(who(row["requested_by"])),
              reason=plain(row["reason"]), **counts)
        )  # fmt: skip
        if not can("deliveries.resync"):
            continue
        word = "stop" if row["state"] in OPEN else "resume" if row["state"] in HELD else ""
        if word and button.button(t(f"resync_{word}"), key=f"{word} {row['resync_id']}"):
            control().post(f"/resyncs/{row['resync_id']}/{word}")
            done(f"resync_{word}_done")


def show_found(found: Mapping[str, Any]) -> None:
    """How many deliveries and calls, and what the first leads have other."""
    spoken = forms()
    lines = found["deliveries"]
    if not lines:
        st.info(t("resync_nothing"), icon=":material/check_circle:")
        return
    total, calls = (sum(each[name] for each in lines) for name in ("deliveries", "calls"))
    st.markdown(t("resync_would", deliveries=spoken.number(total), calls=spoken.number(calls)))
    rows = pd.DataFrame(lines)
    rows["state"] = [named("state", state) for state in rows["state"]]
    heads = {"destination": t("destination"), "state": t("state"), "deliveries": t("deliveries"), "calls": t("calls")}
    table(rows, column_config=heads)
    if found["changes"]:
        st.markdown(f"**{t('resync_changes')}**")
        heads = {
            "destination": t("destination"),
            "lead_id": t("lead"),
            "field": t("field"),
            "delivered": t("value_delivered"),
            "wanted": t("value_wanted"),
        }
        table(pd.DataFrame(found["changes"]), column_config=heads)
