"""Saving what was edited, on the version that was seen: whoever comes second sees who was first, and what differs."""

from collections.abc import Callable, Mapping, Sequence

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
        show_differences(refusal.more["differences"])

        def take_their_version(theirs: str) -> None:
            st.session_state[_key(name)] = theirs

        st.button(t("save_on_theirs"), icon=":material/edit:", on_click=take_their_version,
                  args=(refusal.more["version"],))  # fmt: skip
    else:
        st.session_state.pop(_key(name), None)
        done(outcome, name=name)


def show_differences(rows: Sequence[Mapping[str, object]], *, of: str = "field") -> None:
    """What was typed beside what another person saved first: rows of `field` (a rule, with `of`), `yours`, `theirs`."""
    heads = {
        "field": t("difference_rule" if of == "rule" else "difference_field"),
        "yours": t("difference_yours"),
        "theirs": t("difference_theirs"),
    }
    table(pd.DataFrame(rows, columns=list(heads)).astype(str), column_config=heads)


def differing(yours: Mapping[str, str], theirs: Mapping[str, str]) -> list[dict[str, str]]:
    """Rows for `show_differences`: of the fields that two people filled in otherwise."""
    return [
        {"field": name, "yours": typed, "theirs": theirs[name]}
        for name, typed in yours.items()
        if typed != theirs[name]
    ]


def _key(name: str) -> str:
    return tenant_key(f"version of {name}")
