"""Delivering again: first what it would be, then doing it, for a destination, leads or a class of errors."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from dashboards.acting import can, control, done
from dashboards.tables import table
from dashboards.texts import forms, named, t


def show_resync(chosen: Mapping[str, Any], key: str) -> None:
    """The buttons and what the trial of this choice found; nothing where the role may not try it."""
    if not can("deliveries.try"):
        return
    body = {name: value for name, value in chosen.items() if value}
    trials: dict[str, Any] = st.session_state.setdefault("resync trials", {})
    with st.container(horizontal=True):
        if st.button(t("resync_see"), icon=":material/preview:", key=f"see {key}"):
            trials[key] = (body, control().post("/resyncs/trials", body).body)
        tried, found = trials.get(key, (None, None))
        is_seen = tried == body and found is not None and bool(found["deliveries"])
        wants = is_seen and can("deliveries.resync")
        if wants and st.button(t("resync_run"), icon=":material/send:", key=f"run {key}", type="primary"):
            made = control().post("/resyncs", body).body
            del trials[key]
            done("resync_done", deliveries=forms().number(sum(each["deliveries"] for each in made["deliveries"])))
    if tried == body and found is not None:
        show_found(found)


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
