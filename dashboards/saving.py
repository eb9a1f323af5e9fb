"""Saving what was edited, on the version that was seen: whoever comes second sees who was first, and what differs.

A form begins with what is stored. What the person changed in it is theirs; a field that they left alone follows what
another person saved meanwhile, so that the second to save takes nothing back that the first one did.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import streamlit as st

from dashboards.acting import at, done, tenant_key, who
from dashboards.control import ApiAnswer, ApiRefusal
from dashboards.page import OpenPage, plain
from dashboards.tables import table
from dashboards.texts import forms, t


@dataclass(frozen=True)
class EditForm:
    """The fields of a form: what they begin with as the widgets have it, the keys of the widgets, and how what is
    stored now is read.
    """

    values: Mapping[str, Any]
    keys: Mapping[str, str]
    stored: Callable[[], Mapping[str, Any]]


WHOSE = ("yours", "theirs")
NO_FORM = EditForm({}, {}, dict)


@dataclass(frozen=True)
class EditBase:
    """What an edit of the object `name` began with."""

    name: str
    version: str
    form: EditForm

    def edits(self, typed: Mapping[str, Any]) -> dict[str, Any]:
        """What was changed of the typed values."""
        return {name: value for name, value in typed.items() if value != self.form.values[name]}

    def differing(self, theirs: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Rows for `show_differences`: the fields that two people have otherwise."""
        yours = {name: st.session_state.get(key, self.form.values[name]) for name, key in self.form.keys.items()}
        return [
            {"field": name, "yours": typed, "theirs": theirs[name]}
            for name, typed in yours.items()
            if typed != theirs[name]
        ]

    def move_to(self, version: str, theirs: Mapping[str, Any]) -> None:
        """Go on from what another person saved: fields that were not changed get their values."""
        for name, key in self.form.keys.items():
            if key in st.session_state and st.session_state[key] == self.form.values[name]:
                st.session_state[key] = theirs[name]
        st.session_state[_key(self.name)] = replace(self, version=version, form=replace(self.form, values=theirs))


def edit_base(name: str, version: str, form: EditForm | None = None) -> EditBase:
    """What an edit of an object began with: an edit by another person since then is not overwritten.

    `version` and `form` are what is stored now, which a form that is shown anew begins with. Without one the base is
    that of the object's form on the same page.
    """
    kept: EditBase | None = st.session_state.get(_key(name))
    is_shown_anew = form is not None and not any(key in st.session_state for key in form.keys.values())
    if kept is None or is_shown_anew:
        kept = st.session_state[_key(name)] = EditBase(name, version, form or NO_FORM)
    if st.session_state.pop(_saved_key(name), False):
        for each, key in kept.form.keys.items():
            st.session_state[key] = kept.form.values[each]  # as it was stored, which may be another way to write it
    begin(kept.form.values, kept.form.keys)
    return kept


def begin(values: Mapping[str, Any], keys: Mapping[str, str]) -> None:
    """Let fields that are shown anew begin with these values.

    They are in the session and not in the widgets, because a widget with a value of its own would not take another.
    """
    for name, key in keys.items():
        st.session_state.setdefault(key, values[name])


def save(
    page: OpenPage,
    base: EditBase,
    send: Callable[[], ApiAnswer | None],
    outcome: str = "saved_destination",
    *,
    is_of_form: bool = False,
    label: Callable[[str], str] = str,
    worded: Callable[[str, Any], Any] = lambda _, value: value,
    **said: object,
) -> None:
    """Send an edit and say the outcome, or who was first and what differs.

    `label` names a field, `worded` says a value of one, and `said` are values of the outcome's text. `is_of_form`: the
    edit is that of the form, which then shows what was stored.
    """
    try:
        send()
    except ApiRefusal as refusal:
        show_who_was_first(page, refusal, "edit_conflict")
        theirs = base.form.stored()
        rows = base.differing(theirs)
        rows += [each for each in refusal.more["differences"] if each["field"] not in base.form.keys]
        if rows:
            show_differences([
                {"field": label(each["field"]), **{whose: worded(each["field"], each[whose]) for whose in WHOSE}}
                for each in rows
            ])  # fmt: skip
        st.button(t("save_on_theirs"), icon=":material/edit:", on_click=base.move_to,
                  args=(refusal.more["version"], theirs))  # fmt: skip
    else:
        st.session_state.pop(_key(base.name), None)
        st.session_state[_saved_key(base.name)] = is_of_form
        done(outcome, **{"name": base.name, **said})


def list_seen(name: str, version: str) -> str:
    """The version of the list `name` that the page showed when a person clicked; from now on it shows `version`."""
    key = _key(name)
    seen: str = st.session_state.get(key, version)
    st.session_state[key] = version
    return seen


def remove_line(page: OpenPage, send: Callable[[], None], outcome: str, **said: object) -> None:
    """Remove a line of a list that was seen, or say who changed the list first: the page shows it as it is now."""
    try:
        send()
    except ApiRefusal as refusal:
        show_who_was_first(page, refusal, "list_conflict")
    else:
        done(outcome, **said)


def show_who_was_first(page: OpenPage, refusal: ApiRefusal, key: str) -> None:
    """The text `key` with who changed an object first, and when. Raises a refusal for another reason again."""
    if refusal.kind != "changed-meanwhile":
        raise refusal
    when = forms().moment(at(refusal.more["changed_at"]), page.zone)
    by = who(refusal.more["changed_by"])
    st.warning(plain(t(key, by=by, at=when)), icon=":material/merge:")


def show_differences(rows: Sequence[Mapping[str, object]], *, of: str = "field") -> None:
    """What was typed beside what another person saved first: rows of `field` (a rule, with `of`), `yours`, `theirs`."""
    heads = {
        "field": t("difference_rule" if of == "rule" else "difference_field"),
        "yours": t("difference_yours"),
        "theirs": t("difference_theirs"),
    }
    table(pd.DataFrame(rows, columns=list(heads)).astype(str), column_config=heads)


def _key(name: str) -> str:
    return tenant_key(f"version of {name}")


def _saved_key(name: str) -> str:
    return tenant_key(f"form saved of {name}")
