"""Saving what was edited of a destination, on the version that was seen: whoever comes second sees who was first."""

from collections.abc import Callable

import pandas as pd
import streamlit as st

from dashboards.acting import at, done, tenant_key, who
from dashboards.control import ApiAnswer, ApiRefusal
from dashboards.page import OpenPage, plain
from dashboards.tables import table
from dashboards.texts import forms, t


def base_version(name: str, version: str) -> str:
    """The version that the page was opened with: an edit by another person since then is not overwritten."""
    return str(st.session_state.setdefault(_key(name), version))


def save(page: OpenPage, name: str, send: Callable[[], ApiAnswer], outcome: str = "saved_destination") -> None:
    """Send an edit of the destination and say the outcome, or who was first and what differs."""
    try:
        send()
    except ApiRefusal as refusal:
        if refusal.kind != "changed-meanwhile":
            raise
        when = forms().moment(at(refusal.more["changed_at"]), page.zone)
        by = who(refusal.more["changed_by"])
        st.warning(plain(t("destination_conflict", by=by, at=when)), icon=":material/merge:")
        heads = {each: t(f"difference_{each}") for each in ("field", "yours", "theirs")}
        table(pd.DataFrame(refusal.more["differences"], columns=list(heads)).astype(str), column_config=heads)

        def take_their_version(theirs: str) -> None:
            st.session_state[_key(name)] = theirs

        st.button(t("save_on_theirs"), icon=":material/edit:", on_click=take_their_version,
                  args=(refusal.more["version"],))  # fmt: skip
    else:
        st.session_state.pop(_key(name), None)
        done(outcome, name=name)


def _key(name: str) -> str:
    return tenant_key(f"version of {name}")
