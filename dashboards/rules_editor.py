"""The editor of rules: a draft, its mistakes by line, what it would change, and saving it without overwriting others.

The draft is kept while the session lasts, whatever other page is opened; the trial is a task of the server.
"""

import difflib
import hashlib
from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from dashboards.acting import at, can, control, done, reason_field, show_task, who
from dashboards.control import ApiAnswer, ApiRefusal
from dashboards.navigation import link
from dashboards.page import OpenPage, plain
from dashboards.saving import show_differences
from dashboards.tables import table
from dashboards.texts import forms, named, t
from echolead.rules.errors import BadRules
from echolead.rules.rule_set import read_rule_set

TASK, TRIED = "task", "tried"
"""Parameters of the address: the task of a trial, and the digest of the text that it tried."""
LINKED_LEADS = 5


class Draft:
    """The text that is edited, the version it was made from, and who was first when it could not be saved."""

    def __init__(self, present: ApiAnswer) -> None:
        self.version = present.version
        self.source: str = present.body["source"]
        self.text: str = self.source
        self.conflict: dict[str, Any] | None = None

    @property
    def is_changed(self) -> bool:
        """Whether there is something to save."""
        return self.text != self.source

    @property
    def digest(self) -> str:
        """What a trial is recognised by."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]


def draft_of(tenant_id: str, present: ApiAnswer) -> Draft:
    """The tenant's draft; one without a change follows the rules in force."""
    key = f"rules draft of {tenant_id}"
    draft: Draft | None = st.session_state.get(key)
    if draft is None or (not draft.is_changed and draft.version != present.version):
        draft = st.session_state[key] = Draft(present)
    return draft


def show_editor(page: OpenPage, present: ApiAnswer) -> None:
    """The whole editor; a role that may not try rules sees their text."""
    if not can("rules.try"):
        st.info(t("rules_read_only"), icon=":material/visibility:")
        st.code(present.body["source"], language="yaml", wrap_lines=True)
        return
    draft = draft_of(page.tenant_id, present)
    if draft.conflict is not None:
        show_conflict(page, draft)
    edit(page, draft)
    is_valid = show_mistakes(draft)
    if not draft.is_changed:
        st.caption(t("rules_unchanged", version=draft.version))
    else:
        with st.expander(t("rules_difference", version=draft.version), icon=":material/difference:"):
            st.code(difference(draft.source, draft.text, draft.version, "…"), language="diff")
    if is_valid and draft.is_changed:
        show_trial_form(draft)
    if is_valid and draft.is_changed and can("rules.apply"):
        show_apply_form(draft)
    if page.asked.first(TASK):
        show_trial(page, draft)


def edit(page: OpenPage, draft: Draft) -> None:
    """The field with the text, and the way to give the draft up."""
    key = f"code rules {page.tenant_id}"
    st.session_state[key] = draft.text

    def keep() -> None:
        draft.text = st.session_state[key]

    st.text_area(t("rules_text"), key=key, height=420, on_change=keep)

    def give_up() -> None:
        draft.text, draft.conflict = draft.source, None

    if draft.is_changed:
        st.button(t("rules_start_anew"), icon=":material/undo:", type="tertiary", on_click=give_up)


def show_mistakes(draft: Draft) -> bool:
    """Every mistake with its line; whether there is none. The API checks again."""
    try:
        found = read_rule_set(draft.text)
    except BadRules as error:
        st.error(t("rules_invalid"), icon=":material/error:")
        st.code(str(error), language=None, wrap_lines=True)
        return False
    st.caption(t("rules_valid", rules=forms().number(len(found.rows()))))
    return True


def show_trial_form(draft: Draft) -> None:
    """Ask for what the draft would change."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        days = st.number_input(t("rules_days"), min_value=1, max_value=3660, value=90, key="rules_days", width=260)
        if st.button(t("rules_try"), icon=":material/science:"):
            task = control().post("/rules/trials", {"source": draft.text, "days": int(days)}).body
            st.query_params[TASK] = task["task_id"]
            st.query_params[TRIED] = draft.digest
            st.rerun()


def show_apply_form(draft: Draft) -> None:
    """Put the draft in force, on the version that it was made from."""
    with st.form("apply", border=False):
        reason = reason_field("apply_reason")
        if not st.form_submit_button(t("rules_apply"), icon=":material/publish:", type="primary"):
            return
    try:
        made = control().put("/rules", {"source": draft.text, "reason": reason}, version=draft.version)
    except ApiRefusal as refusal:
        if refusal.kind != "changed-meanwhile":
            raise
        draft.conflict = refusal.more
        st.rerun()
    is_same = made.version == draft.version
    draft.source, draft.version, draft.conflict = made.body["source"], made.version, None
    draft.text = draft.source
    done("rules_same" if is_same else "rules_applied", version=made.version)


def show_conflict(page: OpenPage, draft: Draft) -> None:
    """Who was first, when, and what differs; both texts are kept until one is chosen."""
    said = draft.conflict or {}
    when = forms().moment(at(said.get("changed_at")), page.zone)
    version = said["version"]
    st.warning(
        plain(t("rules_conflict", version=version, by=who(said["changed_by"]), at=when)), icon=":material/merge:"
    )
    rows = [
        {
            "field": each["field"],
            "yours": _as_text(each["yours"]),
            "theirs": _as_text(each["theirs"]),
        }
        for each in said["differences"]
    ]
    if rows:
        show_differences(rows, of="rule")
    theirs = control().get("/rules")

    def keep_mine() -> None:
        draft.version, draft.source, draft.conflict = theirs.version, theirs.body["source"], None

    def take_theirs() -> None:
        keep_mine()
        draft.text = draft.source

    with st.container(horizontal=True):
        st.button(t("rules_rebase", version=theirs.version), icon=":material/edit:", on_click=keep_mine)
        st.button(t("rules_take_theirs", version=theirs.version), icon=":material/download_done:", on_click=take_theirs)


def show_trial(page: OpenPage, draft: Draft) -> None:
    """What the trial of the address found, or how far it is."""
    st.subheader(t("rules_trial"))
    if page.asked.first(TRIED) != draft.digest:
        st.warning(t("rules_trial_other"), icon=":material/difference:")
    show_task(page.asked.first(TASK), page.zone, show_comparison)


def show_comparison(found: Mapping[str, Any]) -> None:
    """How many leads would change, in what, and examples with links to the leads."""
    spoken = forms()
    changed, leads = spoken.number(found["changed"]), spoken.number(found["leads"])
    st.markdown(t("rules_would_change", changed=changed, leads=leads))
    counts = [(named("differs", name), number) for name, number in found["differences"].items() if number]
    if counts:
        table(pd.DataFrame(counts, columns=[t("what"), t("leads_number")]), width=420)
    rows = [
        {"lead_id": each["lead_id"], "what": named("differs", name), "before": _as_text(old), "after": _as_text(new)}
        for each in found["examples"]
        for name, (old, new) in each["changes"].items()
    ]
    if rows:
        st.markdown(f"**{t('examples')}**")
        heads = {"lead_id": t("lead"), "what": t("what"), "before": t("value_before"), "after": t("value_after")}
        table(pd.DataFrame(rows), column_config=heads)
        with st.container(horizontal=True):
            for each in found["examples"][:LINKED_LEADS]:
                link("leads", plain(each["lead_id"][-8:]), {"lead_id": [each["lead_id"]]}, icon="person")


def difference(old: str, new: str, old_name: str, new_name: str) -> str:
    """The lines that differ between two texts."""
    lines = difflib.unified_diff(
        old.splitlines(), new.splitlines(), f"v{old_name}", f"v{new_name}" if new_name != "…" else "…", lineterm=""
    )
    return "\n".join(lines)


def _as_text(value: Any) -> str:
    """A fact or rule as people read it: the names of a list, the parts of an object."""
    if isinstance(value, list):
        return ", ".join(filter(None, map(_as_text, value)))
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {_as_text(each)}" for key, each in value.items() if each not in (None, "", [], {}))
    return "" if value is None else str(value)
